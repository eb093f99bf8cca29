function filter(node, { user, userGroups, data }) {
  if (data && data.node && data.node !== node.id) return false;
  const g = node.metadata.groups;
  return !g || g.split(/[ ,]+/).some(x => userGroups.includes(x)) || g.split(',').indexOf(user.login) >= 0;
}
