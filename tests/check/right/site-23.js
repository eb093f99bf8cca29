function balance({ nodes, user, userGroups, data, time }) {
  const night = time.hour >= 20 || time.hour < 6;
  let list = nodes;
  if (night) list = list.filter(n => n.staticData.night);
  if (userGroups.some(g => /^proj-/.test(g))) list = list.filter(n => (n.staticData.projects || []).includes(data.project));
  list = list.filter(({ nodeData }) => nodeData.services.some(s => (s.name || s) === 'launcher'));
  return list;
}
