if (!String.prototype.format) String.prototype.format = function () {
  var values = arguments;
  return this.replace(/\{(\d+)\}/g, function (match, place) { return values[place]; });
};
Object.defineProperty(Array.prototype, "last", { value: function () { return this[this.length - 1]; } });
Math["clamp"] = function (x, low, high) { return Math.min(high, Math.max(low, x)); };
function(input) {
  console.log("user {0}".format(input.user.login));
  return input.servers[0].serverId;
}
