function(input) { return input.servers.sort()[0].serverId; }
