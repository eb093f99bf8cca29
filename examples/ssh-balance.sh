#!/bin/sh
# Balances SSH logins: each goes to the node that whither chooses for its user.
#
#   ssh-balance.sh force             on a gateway, as sshd's ForceCommand: goes on to the node, as the same user
#   ssh-balance.sh proxy LOGIN PORT  at a client, as ssh's ProxyCommand: connects to the node's sshd
#   ssh-balance.sh node              on a gateway, through sudo: prints the node of the user who called sudo
#
# The answers of whither are ids of nodes; here they are host names too, as an agent has it by default. Login names and
# host names come from outside: whatever has other characters than names need is refused, not quoted.

# --- settings: here and not in the environment, which a user may set ---
PATH=/usr/local/bin:/usr/bin:/bin
config=/etc/whither/ssh.toml # a config with the section [nats] alone
ask_as=                      # the user who may read that config, asked through sudo; empty: whoever logs in
fallback=                    # the host to go to where no answer comes; empty: nobody gets in then
# --- end of the settings ---

set -u
export PATH LC_ALL=C
self=$0

fail() {
  printf 'ssh-balance: %s\n' "$1" >&2
  exit 75 # EX_TEMPFAIL: somebody may try again
}

# Whether $1 is a login name or a host name: never empty, no option, and nothing that a shell or ssh reads as more.
is_name() {
  case $1 in
    '' | -* | *[!A-Za-z0-9._@+-]*) return 1 ;;
  esac
  [ "${#1}" -le 255 ]
}

# Prints the node for the login $1. An empty environment: WHITHER_NATS and the like would name another service.
ask() {
  env -i PATH="$PATH" whither place --config "$config" --action user/login "--user=$1" </dev/null
}

# Prints the host for the login $1.
choose() {
  is_name "$1" || fail 'this login name has characters that no login name needs'
  if [ -n "$ask_as" ]; then
    host=$(sudo -n -u "$ask_as" -- "$self" node </dev/null)
  else
    host=$(ask "$1")
  fi || host=$fallback
  [ -n "$host" ] || fail 'no node can be had for this login; try again later'
  is_name "$host" || fail 'the node has a name that is no host name'
  printf '%s\n' "$host"
}

force() {
  # From the system, not from the environment.
  login=$(id -un)
  host=$(choose "$login") || exit
  # What the user asked for stays one word: the node's shell reads it, as it would without a gateway.
  case ${SSH_ORIGINAL_COMMAND:-} in
    '') exec ssh -t -l "$login" "$host" ;;
    internal-sftp* | */sftp-server*) exec ssh -s -l "$login" "$host" sftp ;;
    *) exec ssh -l "$login" "$host" "$SSH_ORIGINAL_COMMAND" ;;
  esac
}

proxy() {
  case $2 in
    '' | *[!0-9]*) fail 'the port is no number' ;;
  esac
  host=$(choose "$1") || exit
  exec nc "$host" "$2"
}

case ${1:-} in
  force) force ;;
  proxy) [ $# -eq 3 ] || fail 'usage: ssh-balance.sh proxy LOGIN PORT'; proxy "$2" "$3" ;;
  node) is_name "${SUDO_USER:-}" || fail 'this is for sudo'; ask "$SUDO_USER" ;;
  *) fail 'usage: ssh-balance.sh force | proxy LOGIN PORT | node' ;;
esac
