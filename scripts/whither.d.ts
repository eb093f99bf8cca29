// What a balancer script of whither sees and answers, for editors and for `tsc --checkJs`. Written by `whither types`,
// which writes it anew when it runs again. A script begins with the first two lines, and says what its functions are:
//
//     // @ts-check
//     /// <reference path="whither.d.ts" />
//
//     /** @param {Whither.Node} node  @returns {Whither.Keep} */
//     function filter(node) { return node.freemem > 8e9 }
//
// Names of your own are added by interfaces of the same name in a file of yours, `own.d.ts`, to which scripts refer as
// well; or from the nodes of a cluster, with `whither types --nodes`.
//
//     declare namespace Whither { interface Node { rank?: number } }

declare namespace Whither {
  // ------------------------------------------------------------------------------------------ what a script sees

  /** A node. A figure that the node did not report is absent, which is not zero. */
  interface Node {
    /** The node's id. */
    id: string;
    /** The node's id, as FastX 3 calls it. */
    serverId: string;
    /** The node's name for people; may be empty. */
    hostname: string;
    /** The addresses at which sessions on the node are reached. */
    urls: string[];
    /** What the node reports of itself, as FastX 4 has it. */
    nodeData: NodeData;
    /** `METADATA_NAME` of the agent's environment as `NAME`; always text. */
    metadata: Metadata;
    /** What an administrator wrote down for the node, with types. */
    staticData: StaticData;
    /** What the agent's executables for metrics print, by their names. */
    metrics: Metrics;
    /** Whether the node takes no new sessions. */
    cordoned: boolean;
    /** The most sessions that the node takes. May be absent. */
    maxSessions?: number;
    /** The number of sessions, also those that start; unknown is not zero. May be absent. */
    sessions?: number;
    /** The free memory, in bytes. May be absent. */
    freemem?: number;
    /** The memory of the machine, in bytes. May be absent. */
    totalmem?: number;
    /** The loads of the last 1, 5 and 15 minutes; empty where unknown. */
    loadavg: number[];
    /** How much of the processor is in use, in percent. May be absent. */
    cpu?: number;
    /** The time since the machine was started, in seconds. May be absent. */
    uptime?: number;
    /** The number of different users with sessions there. May be absent. */
    loggedInUsers?: number;
    /** FastX 3's name for a group of nodes; may be empty. */
    serverPool: string;
    gpu?: boolean;
    gpus?: ({ memoryGB?: number; model?: string; [name: string]: any })[];
    pool?: string;
    users?: string[];
    weight?: number;
  }

  /** What the node reports of itself, as FastX 4 has it. */
  interface NodeData {
    /** The health of the machine; other members pass through. */
    health: Health;
    /** The services that run there. */
    services: (string | { name: string; [name: string]: any })[];
    /** The sessions, also those that start (`state: "pending"`); empty where the node listed none. */
    sessions: Session[];
  }

  /** The health of the machine; other members pass through. */
  interface Health {
    /** The processor. */
    cpu: Cpu;
    /** The memory. */
    mem: Mem;
    /** The operating system, as the agent or FastX describes it. May be absent. */
    os?: Os;
  }

  /** The processor. */
  interface Cpu {
    /** The load of the last minute. May be absent. */
    load1?: number;
    /** The load of the last five minutes. May be absent. */
    load5?: number;
    /** The load of the last fifteen minutes. May be absent. */
    load15?: number;
    /** How much of the processor is in use, in percent. May be absent. */
    utilization?: number;
    /** The number of cores. May be absent. */
    cores?: number;
  }

  /** The memory. */
  interface Mem {
    /** How much of the memory is *free*, as FastX's health library says, in percent. May be absent. */
    percent?: number;
    /** The free memory, in bytes. May be absent. */
    free?: number;
    /** The memory of the machine, in bytes. May be absent. */
    total?: number;
  }

  /** The operating system, as the agent or FastX describes it. May be absent. */
  interface Os {
    /** The time since the machine was started, in seconds. May be absent. */
    uptime?: number;
    [name: string]: any;
  }

  /** `METADATA_NAME` of the agent's environment as `NAME`; always text. */
  interface Metadata {
    GPU?: string;
    LOGIN?: string;
    POOL?: string;
    USERS?: string;
    gpu?: string;
    login?: string;
    note?: string;
    pool?: string;
    users?: string;
    [name: string]: string | undefined;
  }

  /** What an administrator wrote down for the node, with types. */
  interface StaticData {
    gpu?: boolean;
    gpus?: ({ memoryGB?: number; model?: string; [name: string]: any })[];
    pool?: string;
    users?: string[];
    weight?: number;
    [name: string]: any;
  }

  /** What the agent's executables for metrics print, by their names. */
  interface Metrics {
    [name: string]: any;
  }

  /** A session on a node. */
  interface Session {
    /** The session's id. */
    id: string;
    /** The login of the session's user. */
    user: string;
    /** The name of what was started. */
    name: string;
    /** The session's state; `"pending"` where the session is placed and not reported yet. */
    state: string;
    /** The reservation that the session was started under, where that is known. May be absent. */
    reservation?: string;
    /** The session's id, as FastX 4 calls it. */
    sessionId: string;
    /** The login of the session's user, as FastX 4 calls it. */
    login: string;
    /** The id of the session's node. */
    serverId: string;
  }

  /** A request, as functions of one node see it. */
  interface Request {
    /** The requester's id of the request: a request with an id that was answered gets that answer. May be absent. */
    id?: string;
    /** What the request is for; names the chain. */
    action: string;
    /** Who asks. */
    user: User;
    /** The groups of the user, as the requester says. */
    userGroups: string[];
    /** Whether the user is a manager, as the requester says. */
    isManager: boolean;
    /** Whether the user is an administrator, as the requester says. */
    isAdmin: boolean;
    /** What the verified token says of what `tokens.claims` lists; without `[tokens]` the requester's word. */
    claims: Claims;
    /** The requester's own machine. */
    local: Local;
    /** What is to be started, as FastX 3 calls it; any fields. */
    data: Data;
    /** What is to be started and by whom, as FastX 4 calls it. */
    params: Params;
    /** The time for which the request may wait for a free node, in milliseconds. May be absent. */
    wait_ms?: number;
    /** The life of the reservation, `service.reservation_max_s` at most, in seconds. May be absent. */
    reservation_s?: number;
    /** How many units of which countable facts the session takes: `{"matlab": 1}`, at most 8 facts. May be absent. */
    needs?: Needs;
    /** Whether the reply explains the decision. May be absent. */
    explain?: boolean;
    /** The node that an explanation is to tell about. May be absent. */
    node?: string;
    /** The countable facts that are known, by name, each with `count`, `held` and `free`; filled by the service. */
    facts: Facts;
    /** The time of the request, in Unix milliseconds. */
    now: number;
    /** The time of the request in the time zone of the config. */
    time: Time;
    /** The number of the request among those of its action in this replica, from 0. */
    sequence: number;
  }

  /** What the verified token says of what `tokens.claims` lists; without `[tokens]` the requester's word. */
  interface Claims {
    [name: string]: any;
  }

  /** The requester's own machine. */
  interface Local {
    /** The id of that machine, as the requester says; else empty in the service, and the host's name in `place`. */
    serverId: string;
    [name: string]: any;
  }

  /** What is to be started, as FastX 3 calls it; any fields. */
  interface Data {
    [name: string]: any;
  }

  /** What is to be started and by whom, as FastX 4 calls it. */
  interface Params {
    /** The user. */
    me: User;
    /** What is to be started; taken from `data` where the request has that alone, and the other way round. */
    start: Start;
    /** The request's token; `null` for scripts, unless the chain has `pass_jwt`. */
    jwt: any;
    [name: string]: any;
  }

  /** What is to be started; taken from `data` where the request has that alone, and the other way round. */
  interface Start {
    [name: string]: any;
  }

  /** The countable facts that are known, by name, each with `count`, `held` and `free`; filled by the service. */
  interface Facts {
    [name: string]: any;
  }

  /** The time of the request in the time zone of the config. */
  interface Time {
    /** The time, in Unix milliseconds. */
    ms: number;
    /** The hour, 0 to 23, in hours. */
    hour: number;
    /** The minute, 0 to 59, in minutes. */
    minute: number;
    /** The day of the week; Sunday is 0. */
    weekday: number;
    /** The distance of the time zone from UTC, in minutes. */
    offset_min: number;
  }

  /** The user who asks, with any other fields that the requester sends. */
  interface User {
    /** The login: `login` of the request, else `username`, else `sub`; may be empty. */
    login: string;
    /** The node of the user's login, where the requester says which. May be absent. */
    serverId?: string;
    /** The sessions of this user on all nodes, also those that start. */
    sessions: Session[];
    [name: string]: any;
  }

  /** A request with the candidates, as a function of the whole list sees it. */
  interface Input extends Request {
    /** The candidates, as FastX 3 calls them: the same list as `nodes`. */
    servers: Node[];
    /** The candidates, in order. */
    nodes: Node[];
  }

  // ------------------------------------------------------------------------------------------ what a script answers

  /**
   * What a function of the whole list returns: a node's id, and the chain ends; nodes or ids, and these are the
   * candidates of the next step, in this order; or nothing, and the next step sees what this one saw. A node is no
   * answer: return `node.id`. To refuse the request, `throw new Error('words that reach the user')`.
   */
  type Verdict = string | ReadonlyArray<string | Node> | false | 0 | null | undefined | void;

  /** What `filter` returns: a truthy value keeps the node. A promise is no answer: functions are not `async`. */
  type Keep = boolean | number | string | bigint | (object & { then?: undefined }) | null | undefined | void;

  /** What `score` returns: the highest number wins; nothing leaves the node out. */
  type Points = number | false | null | undefined | void;

  // ------------------------------------------------------------------------------------------ the two shapes

  /**
   * A function of the whole list: an anonymous `function(input) {…}` as in FastX, an arrow, a function called
   * `balance`, or the one function whose parameter is called `input`.
   */
  type Balance = (input: Input) => Verdict;

  /**
   * `filter`, a function of one node. With one parameter the function knows no request, no clock and no chance, and
   * its answer is kept until the node changes. `K` is what `key` returns, where the script has a `key`.
   */
  type Filter<K = Request> = (node: Node, request: K) => Keep;

  /** `score`, a function of one node, as `Filter`. */
  type Score<K = Request> = (node: Node, request: K) => Points;

  /** `key`, which says what of the request the functions of one node depend on: a value that JSON can say. */
  type Key<K = unknown> = (request: Request) => K;
}

// -------------------------------------------------------------------------------------------- what there is of Node.js
// Where a project has these from elsewhere, from `lib.dom.d.ts` or `@types/node`, its own declarations hold.

/** Writes into the service's log. Timers read 0 ms, since time stands still while a script runs. */
interface Console {
  log(...data: any[]): void;
  info(...data: any[]): void;
  debug(...data: any[]): void;
  warn(...data: any[]): void;
  error(...data: any[]): void;
  trace(...data: any[]): void;
  dir(item?: any, options?: any): void;
  table(tabularData?: any, properties?: string[]): void;
  assert(condition?: boolean, ...data: any[]): void;
  count(label?: string): void;
  countReset(label?: string): void;
  group(...data: any[]): void;
  groupCollapsed(...data: any[]): void;
  groupEnd(): void;
  time(label?: string): void;
  timeLog(label?: string, ...data: any[]): void;
  timeEnd(label?: string): void;
}
declare var console: Console;

declare var URL: typeof globalThis extends { onmessage: any; URL: infer T } ? T : {
  new (url: string, base?: string): {
    hash: string; host: string; hostname: string; href: string; readonly origin: string; password: string;
    pathname: string; port: string; protocol: string; search: string; username: string;
    readonly searchParams: InstanceType<typeof URLSearchParams>; toString(): string; toJSON(): string;
  };
  canParse(url: string, base?: string): boolean;
};

declare var URLSearchParams: typeof globalThis extends { onmessage: any; URLSearchParams: infer T } ? T : {
  new (init?: string | string[][] | { [name: string]: string }): Iterable<[string, string]> & {
    append(name: string, value: string): void; delete(name: string): void; get(name: string): string | null;
    getAll(name: string): string[]; has(name: string): boolean; set(name: string, value: string): void;
    sort(): void; toString(): string; forEach(each: (value: string, key: string) => void): void;
    entries(): IterableIterator<[string, string]>; keys(): IterableIterator<string>; values(): IterableIterator<string>;
  };
};

declare var TextEncoder: typeof globalThis extends { onmessage: any; TextEncoder: infer T } ? T : {
  new (): { readonly encoding: string; encode(text?: string): Uint8Array };
};

declare var TextDecoder: typeof globalThis extends { onmessage: any; TextDecoder: infer T } ? T : {
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): {
    readonly encoding: string; decode(bytes?: ArrayBuffer | ArrayBufferView): string;
  };
};

declare function atob(data: string): string;
declare function btoa(data: string): string;
declare function queueMicrotask(callback: () => void): void;
declare function structuredClone<T = any>(value: T, options?: { transfer?: any[] }): T;
