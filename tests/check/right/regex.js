function filter(node) {
  return /^gpu-\d+$/i.test(node.id) || /\bcad\b/.test(node.hostname) || !node.id.indexOf('render');
}
