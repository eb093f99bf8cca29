({ nodes, user: { login }, userGroups = [] }) => {
  const mine = nodes.filter(({ nodeData: { sessions } }) => sessions.some(({ user }) => user === login));
  if (mine.length > 0) return mine[0].id;
  return userGroups.includes('cad') ? nodes.filter(({ staticData }) => staticData.gpu) : undefined;
}
