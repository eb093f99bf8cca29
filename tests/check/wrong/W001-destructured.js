input => input.nodes
  .map(({ id, sesions }) => ({ id, sesions }))
  .reduce((best, one) => (one.sesions < best.sesions ? one : best)).id
