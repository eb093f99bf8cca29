function score(n) {
  var s = 0;
  n.nodeData.sessions.forEach(function (x) { if (x.state === 'running') s += 1; else s += 0.5; });
  return n.cordoned ? null : 1000 - s;
}
