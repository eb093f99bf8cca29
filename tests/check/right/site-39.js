function(input) {
  var out = [], seen = {};
  input.servers.forEach(function (s) {
    if (seen[s.hostname]) return;
    seen[s.hostname] = true;
    out.push(s);
  });
  return out;
}
