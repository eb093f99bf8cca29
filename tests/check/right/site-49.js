function(input) {
  var data = input.data || {}, min = +data.minFree || 0;
  return input.servers.filter(function (s) { return s.freemem / 1048576 >= min && s.cpu !== undefined && s.cpu <= 95; });
}
