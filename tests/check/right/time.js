function filter(node, request) {
  const { hour, weekday } = request.time;
  return weekday === 0 || weekday === 6 || hour >= 18 || hour < 8 || !node.staticData.nightOnly;
}
