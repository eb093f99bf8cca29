function filter(node) {
  return request.userGroups.includes(node.staticData.group);
}
