// expect: TS2322 'Verdict'
function(input) {
  return input.servers[0];
}
