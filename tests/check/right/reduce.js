input => input.nodes.reduce((best, node) => (best === undefined || node.sessions < best.sessions ? node : best), undefined)?.id
