function(input) {
  this.next = (this.next || 0) + 1;
  return input.servers[this.next % input.servers.length].serverId;
}
