const LIMIT = 8 * 1024 ** 3;
const free = node => node.nodeData?.health?.mem?.free ?? 0;
function isFree(node) { return free(node) > LIMIT; }
function order(list) {
  list.sort((a, b) => free(b) - free(a));
  return list;
}
function balance(input) {
  const candidates = order(input.nodes.filter(isFree));
  return candidates.length ? candidates[0].id : null;
}
