// What old libraries put in is there already, and own classes are open.
if (!Array.prototype.includes) Array.prototype.includes = function (x) { return this.indexOf(x) >= 0; };
if (!Object.assign) Object.assign = function (to, from) { for (var key in from) to[key] = from[key]; return to; };
function Pool(list) { this.list = list; }
Pool.prototype.best = function () { return this.list[0]; };
Pool.of = function (list) { return new Pool(list); };
function Failed(message) { this.message = message; }
Failed.prototype = Object.create(Error.prototype);
Failed.prototype.name = "Failed";
Object.defineProperty(Pool.prototype, "size", { get: function () { return this.list.length; } });
function balance(input) {
  var pool = Pool.of(input.servers);
  if (pool.size === 0) throw new Failed("no server");
  return pool.best().serverId;
}
