input => {
  const byLoad = (a, b) => (a.loadavg?.[0] ?? Infinity) - (b.loadavg?.[0] ?? Infinity);
  const [best] = input.nodes.toSorted(byLoad);
  return best?.id;
}
