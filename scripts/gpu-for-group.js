// @ts-check
/// <reference path="whither.d.ts" />
//
// GPU nodes for the members of one user group; everybody else gets the other nodes, so that the GPUs stay free.
//
// Nodes:    `"gpu": true` in the static data, or METADATA_GPU=true in the agent's environment.
// Requests: `userGroups`, as the login knows them. Administrators count as members.
// Config:   [chain."session/start"]
//           steps = ["scripts/gpu-for-group.js", "builtin:fewest-sessions"]
//
// FastX 3's shape: a function of the whole list, which returns the list for the next step. FastX's own scripts are
// functions without a name, which run here as well; with a name, an editor can check the script.

/** @param {Whither.Input} input @returns {Whither.Verdict} */
function balance(input) {
  var GROUP = 'gpu-users';

  var member = input.isAdmin || input.userGroups.indexOf(GROUP) !== -1;

  // Static data stands at the top level of a server, too. Metadata is text, whatever was meant: METADATA_GPU=false must
  // not count as a GPU.
  /** @param {Whither.Node} server */
  function hasGpu(server) {
    var gpu = server.gpu || (server.metadata && server.metadata.gpu);
    return /^(true|yes|on|1)$/i.test(String(gpu));
  }

  var servers = input.servers.filter(function(server) {
    return hasGpu(server) === member;
  });
  if (servers.length === 0) {
    // The words reach the user as they stand.
    throw new Error(member ? 'All GPU servers are in use' : 'All servers without a GPU are in use');
  }
  return servers;
}
