function(input) {
  var now = input.time;
  if (now.weekday == 0 || now.weekday == 6) { return input.servers.filter(function (s) { return s.metadata.weekend == 'yes'; }); }
}
