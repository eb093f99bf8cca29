const GB = 1024 * 1024 * 1024;
function score(node, request) {
  const need = Number(request.data.memory || 4) * GB;
  if (node.freemem < need) return false;
  let points = 100 - (node.cpu || 0);
  if (node.metadata.team && request.userGroups.includes(node.metadata.team)) points += 50;
  if (node.metadata.cores > 16) points += 5;
  return points;
}
