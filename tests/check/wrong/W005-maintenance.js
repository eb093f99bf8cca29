function filter(node) {
  // METADATA_MAINTENANCE=true while somebody works on the node
  return !node.metadata.maintenance;
}
