function night() {
  const hour = new Date().getHours();
  return hour < 7 || hour > 19;
}
function filter(node) {
  return !night() || node.staticData.night;
}
