// As an administrator writes it who knows Node.js.
Array.prototype.first = function () { return this[0]; };
function(input) {
  return input.servers.first().serverId;
}
