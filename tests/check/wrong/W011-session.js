function(input) {
  var mine = input.user.sessions;
  if (mine.length > 0) return mine[0];
}
