#!/usr/bin/env sh
# SCRIPT.sh: where the user works already, else the node with the fewest sessions.
#
# Needs jq 1.6, which reads and writes the JSON.
#
# An executable, as FastX 4 has them. It is started for each request, in the config's folder, and reads one JSON object
# on standard input:
#
#   nodes                      the candidates, in order
#   params                     FastX 4's own: me (who asks), start (what is to be started), jwt (null unless the chain
#                              says pass_jwt)
#   action                     what is asked for: "session/start", "user/login" or another name
#   user                       who asks: login, and sessions, which are this user's on all nodes
#   userGroups                 the user's groups; isManager and isAdmin are true or false
#   claims                     what the user's verified token says, where the config has [tokens]
#   data                       what the launcher says of the session that it will start
#   now, time                  milliseconds since 1970; hour, minute and weekday (0 is Sunday) in the config's time zone
#   sequence                   counts the requests of this action, for programs that rotate
#
# and for each node:
#
#   id, hostname, urls
#   sessions                   how many sessions it has; nodeData.sessions lists them, each with its user
#   cpu                        percent in use; nodeData.health.cpu has load1, load5, load15 and cores
#   freemem                    bytes, of totalmem
#   staticData                 what its administrator wrote down for it, with types
#   metadata                   METADATA_NAME of its environment as metadata.NAME, always text
#
# A figure that a node did not report is absent. What it writes on standard output is its verdict:
#
#   an id, as plain text       this node, and no later step is asked
#   ["id", …] as JSON          the candidates of the next step, in this order
#   nothing, or null           no opinion: the next step sees what this one saw
#
# An exit code other than 0 is an error, and the last line on standard error reaches the user.
#
# Try:     whither place --nodes nodes.json --script SCRIPT.sh --user ann --explain
# Config:  [chain."session/start"]
#          steps = [{ script = "SCRIPT.sh", wall_ms = 2000, on_limit = "skip" }, "builtin:fewest-sessions"]

# `//` is for what is absent. Not known is not zero: a node without a count comes last.
exec jq -r '
  (.user.login // "") as $login
  | def works_here: $login != "" and any(.nodeData.sessions[]; .user == $login);
  if .nodes == [] then
    "All nodes are in use, please try again later\n" | halt_error(1)
  else
    .nodes | sort_by([(works_here | not), (.sessions // infinite)]) | .[0].id
  end
'
