//metrics: { "licenses": 3 }
function(input) {
  var servers = input.servers.filter(function(server) { return server.metrics.licenses > 0; });
  servers.sort(function(a, b) { return b.metrics.licenses - a.metrics.licenses; });
  if (servers[0]) return servers[0].id;
  throw { name: "LicenseError", message: "No licenses are left" };
}
