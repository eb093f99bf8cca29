// METADATA_GPU=true on the GPU nodes.
function filter(node) {
  return node.metadata.gpu === true;
}
