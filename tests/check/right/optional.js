function(input) {
  const group = input.params?.start?.group ?? input.data?.group;
  if (!group) return;
  return input.nodes.filter(n => n.metadata?.group === group || n.staticData?.groups?.includes(group));
}
