// FastX 4: node filter by metadata
({ nodes, params }) => {
  const wanted = params.start?.metadata ?? {};
  return nodes.filter(node => Object.entries(wanted).every(([key, value]) => node.metadata[key] === String(value)));
}
