function  (input) {
  return input.local.serverId;
}
