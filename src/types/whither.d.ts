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
//: node
//: own
  }
//: node objects

  /** A session on a node. */
  interface Session {
//: session
  }

  /** A request, as functions of one node see it. */
  interface Request {
//: request
  }
//: request objects

  /** The user who asks, with any other fields that the requester sends. */
  interface User {
//: user
    [name: string]: any;
  }

  /** A request with the candidates, as a function of the whole list sees it. */
  interface Input extends Request {
//: input
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
