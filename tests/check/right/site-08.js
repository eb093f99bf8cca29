function(input) {
  var now = new Date(), hour = now.getHours(), day = now.getDay();
  var open = day > 0 && day < 6 && hour >= 8 && hour < 18;
  return input.servers.filter(s => open ? s.metadata.when !== 'night' : s.metadata.when !== 'day');
}
