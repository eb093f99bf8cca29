// What Node.js gives scripts beside the language, as far as it needs no host: errors, URLs, text codecs, copies.
//
// The file is the body of one function of the native helpers; it returns the globals. It runs once for each context,
// before the built-in objects are frozen, and names no global that a script could replace when it is called later.
'use strict';
const { Array, BigInt, Boolean, DataView, Date, Error, Map, Number, Object, RangeError, RegExp, Set, String, Symbol, TypeError, Uint8Array } = globalThis;
const buffers = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array'];
const typed = new Map(buffers.map(name => [name, globalThis[name]]));
const errors = new Map(['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'].map(name => [name, globalThis[name]]));
const hide = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
const coded = (error, code) => hide(error, 'code', code);

const CODES = { InvalidCharacterError: 5, DataCloneError: 25, NotSupportedError: 9, SyntaxError: 12, AbortError: 20, TimeoutError: 23 };
class DOMException extends Error {
  constructor(message = '', name = 'Error') {
    super(message);
    const given = typeof name === 'object' && name !== null ? name : { name };
    if ('cause' in given) hide(this, 'cause', given.cause);
    hide(this, 'name', given.name === undefined ? 'Error' : `${given.name}`);
  }
  get code() { return CODES[this.name] || 0; }
}

const { queueMicrotask, atob, btoa, structuredClone } = {
  queueMicrotask(callback) {
    if (typeof callback !== 'function') {
      throw coded(new TypeError('The "callback" argument must be of type function.'), 'ERR_INVALID_ARG_TYPE');
    }
    native.enqueue(callback);
  },
  atob(data) {
    if (arguments.length === 0) throw coded(new TypeError('The "data" argument must be specified'), 'ERR_MISSING_ARGS');
    const text = native.fromBase64(`${data}`);
    if (text === undefined) {
      throw new DOMException('The string to be decoded is not correctly encoded.', 'InvalidCharacterError');
    }
    return text;
  },
  btoa(data) {
    if (arguments.length === 0) throw coded(new TypeError('The "data" argument must be specified'), 'ERR_MISSING_ARGS');
    const text = native.toBase64(`${data}`);
    if (text === undefined) throw new DOMException('Invalid character', 'InvalidCharacterError');
    return text;
  },
  structuredClone(value, options) {
    if (arguments.length === 0) throw coded(new TypeError('The "value" argument must be specified'), 'ERR_MISSING_ARGS');
    const transfer = options === undefined || options === null ? undefined : options.transfer;
    if (transfer !== undefined && [...transfer].length > 0) {
      throw new DOMException('structuredClone: `transfer` is not available in a balancer script', 'NotSupportedError');
    }
    return copy(value, new Map());
  },
};

function uncloneable(value) {
  const shown = typeof value === 'object' ? `#<${native.kind(value)}>` : String(value);
  return new DOMException(`${shown} could not be cloned.`, 'DataCloneError');
}

function copy(value, seen) {
  if (typeof value === 'symbol' || typeof value === 'function') throw uncloneable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (seen.has(value)) return seen.get(value);
  const kind = native.kind(value);
  const made = shell(value, kind, seen);
  seen.set(value, made);
  if (kind === 'Map') {
    for (const [key, item] of [...Map.prototype.entries.call(value)]) made.set(copy(key, seen), copy(item, seen));
  } else if (kind === 'Set') {
    for (const item of [...Set.prototype.values.call(value)]) made.add(copy(item, seen));
  } else if (kind === 'Error') {
    if (Object.hasOwn(value, 'cause')) hide(made, 'cause', copy(value.cause, seen));
  } else if (kind === 'Array' || kind === 'Object') {
    for (const key of Object.keys(value)) {
      Object.defineProperty(made, key, { value: copy(value[key], seen), writable: true, enumerable: true, configurable: true });
    }
  }
  return made;
}

// The copy of `value` without what is in it.
function shell(value, kind, seen) {
  switch (kind) {
    case 'Object': return {};
    case 'Array': {
      const list = [];
      list['length'] = value.length;
      return list;
    }
    case 'Map': return new Map();
    case 'Set': return new Set();
    case 'Date': return new Date(Date.prototype.getTime.call(value));
    case 'RegExp': return new RegExp(value.source, value.flags);
    case 'Boolean': return Object(Boolean.prototype.valueOf.call(value));
    case 'Number': return Object(Number.prototype.valueOf.call(value));
    case 'String': return Object(String.prototype.valueOf.call(value));
    case 'BigInt': return Object(BigInt.prototype.valueOf.call(value));
    case 'Error': {
      const name = `${value.name}`;
      const message = value.message;
      return new (errors.get(name) || Error)(...message === undefined ? [] : [`${message}`]);
    }
    case 'ArrayBuffer': return value.slice(0);
    case 'DataView': return new DataView(copy(value.buffer, seen), value.byteOffset, value.byteLength);
    default: {
      const list = typed.get(kind);
      if (list === undefined) throw uncloneable(value);
      return new list(copy(value.buffer, seen), value.byteOffset, value.length);
    }
  }
}

class TextEncoder {
  get encoding() { return 'utf-8'; }
  encode(text = '') { return native.encode(`${text}`); }
  encodeInto(text, into) {
    if (native.kind(into) !== 'Uint8Array') {
      throw coded(new TypeError('The "dest" argument must be an instance of Uint8Array.'), 'ERR_INVALID_ARG_TYPE');
    }
    let [read, written] = [0, 0];
    for (const character of `${text}`) {
      const bytes = native.encode(character);
      if (written + bytes.length > into.length) break;
      into.set(bytes, written);
      read += character.length;
      written += bytes.length;
    }
    return { read, written };
  }
}

const ENCODINGS = {
  'utf-8': ['utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8'],
  'utf-16le': ['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'csunicode', 'iso-10646-ucs-2', 'unicodefeff'],
  'utf-16be': ['utf-16be', 'unicodefffe'],
  'windows-1252': ['windows-1252', 'latin1', 'ascii', 'us-ascii', 'iso-8859-1', 'iso8859-1', 'l1', 'cp1252', 'cp819', 'x-cp1252', 'ansi_x3.4-1968', 'ibm819', 'iso88591', 'iso_8859-1', 'csisolatin1', 'iso-ir-100', 'iso_8859-1:1987'],
};
class TextDecoder {
  #encoding; #fatal; #ignoreBOM;
  constructor(label = 'utf-8', options = {}) {
    const wanted = `${label}`.trim().toLowerCase();
    this.#encoding = Object.keys(ENCODINGS).find(name => ENCODINGS[name].includes(wanted));
    if (this.#encoding === undefined) {
      throw coded(new RangeError(`The "${label}" encoding is not supported`), 'ERR_ENCODING_NOT_SUPPORTED');
    }
    this.#fatal = Boolean(options?.fatal);
    this.#ignoreBOM = Boolean(options?.ignoreBOM);
  }
  get encoding() { return this.#encoding; }
  get fatal() { return this.#fatal; }
  get ignoreBOM() { return this.#ignoreBOM; }
  decode(input, options) {
    if (options?.stream) {
      throw new DOMException('TextDecoder: `stream` is not available in a balancer script', 'NotSupportedError');
    }
    if (input === undefined) return '';
    const kind = typeof input === 'object' && input !== null ? native.kind(input) : '';
    if (kind !== 'ArrayBuffer' && kind !== 'DataView' && !typed.has(kind)) {
      throw coded(new TypeError('The "list" argument must be an instance of ArrayBuffer or ArrayBufferView.'), 'ERR_INVALID_ARG_TYPE');
    }
    const bytes = kind === 'ArrayBuffer' ? new Uint8Array(input) : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    const text = native.decode(bytes, this.#encoding, this.#fatal);
    if (text === undefined) {
      throw coded(new TypeError(`The encoded data was not valid for encoding ${this.#encoding}`), 'ERR_ENCODING_INVALID_ENCODED_DATA');
    }
    return !this.#ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

const text = value => `${value}`.toWellFormed();

class URLSearchParams {
  #pairs = [];
  #changed;
  constructor(init, changed) {
    // The second argument is ours: the URL that the parameters belong to hands it over, and scripts have no way to make it.
    this.#changed = changed instanceof Link ? changed : undefined;
    if (init === undefined || init === null) return;
    if (typeof init !== 'object' && typeof init !== 'function') {
      this.#pairs = native.parseQuery(`${init}`.replace(/^\?/, ''));
    } else if (init[Symbol.iterator] !== undefined && init[Symbol.iterator] !== null) {
      if (typeof init[Symbol.iterator] !== 'function') {
        throw coded(new TypeError('Query pairs must be iterable'), 'ERR_ARG_NOT_ITERABLE');
      }
      for (const pair of init) {
        const items = (typeof pair === 'object' && pair !== null) || typeof pair === 'function' ? [...pair] : [];
        if (items.length !== 2) {
          throw coded(new TypeError('Each query pair must be an iterable [name, value] tuple'), 'ERR_INVALID_TUPLE');
        }
        this.#pairs.push([text(items[0]), text(items[1])]);
      }
    } else {
      for (const key of Object.keys(init)) this.#pairs.push([text(key), text(init[key])]);
    }
  }
  #tell() { this.#changed?.tell(this.toString()); }
  #need(given, names) {
    if (given < names.length) {
      const list = names.map(name => `"${name}"`).join(' and ');
      const words = names.length > 1 ? `The ${list} arguments must be specified` : `The ${list} argument must be specified`;
      throw coded(new TypeError(words), 'ERR_MISSING_ARGS');
    }
  }
  get size() { return this.#pairs.length; }
  append(name, value) {
    this.#need(arguments.length, ['name', 'value']);
    this.#pairs.push([text(name), text(value)]);
    this.#tell();
  }
  delete(name, value) {
    this.#need(arguments.length, ['name']);
    const [wanted, also] = [text(name), value === undefined ? undefined : text(value)];
    this.#pairs = this.#pairs.filter(pair => pair[0] !== wanted || (also !== undefined && pair[1] !== also));
    this.#tell();
  }
  get(name) {
    this.#need(arguments.length, ['name']);
    const wanted = text(name);
    const found = this.#pairs.find(pair => pair[0] === wanted);
    return found === undefined ? null : found[1];
  }
  getAll(name) {
    this.#need(arguments.length, ['name']);
    const wanted = text(name);
    return this.#pairs.filter(pair => pair[0] === wanted).map(pair => pair[1]);
  }
  has(name, value) {
    this.#need(arguments.length, ['name']);
    const [wanted, also] = [text(name), value === undefined ? undefined : text(value)];
    return this.#pairs.some(pair => pair[0] === wanted && (also === undefined || pair[1] === also));
  }
  set(name, value) {
    this.#need(arguments.length, ['name', 'value']);
    const [wanted, now] = [text(name), text(value)];
    const place = this.#pairs.findIndex(pair => pair[0] === wanted);
    if (place < 0) {
      this.#pairs.push([wanted, now]);
    } else {
      this.#pairs[place][1] = now;
      this.#pairs = this.#pairs.filter((pair, other) => other <= place || pair[0] !== wanted);
    }
    this.#tell();
  }
  sort() {
    this.#pairs.sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0));
    this.#tell();
  }
  forEach(callback, receiver) {
    if (typeof callback !== 'function') {
      throw coded(new TypeError('The "callback" argument must be of type function.'), 'ERR_INVALID_ARG_TYPE');
    }
    for (let place = 0; place < this.#pairs.length; place++) {
      callback.call(receiver, this.#pairs[place][1], this.#pairs[place][0], this);
    }
  }
  * entries() { for (let place = 0; place < this.#pairs.length; place++) yield [...this.#pairs[place]]; }
  * keys() { for (let place = 0; place < this.#pairs.length; place++) yield this.#pairs[place][0]; }
  * values() { for (let place = 0; place < this.#pairs.length; place++) yield this.#pairs[place][1]; }
  toString() { return native.writeQuery(this.#pairs); }
  static read(params, query) { params.#pairs = native.parseQuery(query); }
}
const readQuery = URLSearchParams.read;
delete URLSearchParams.read;
hide(URLSearchParams.prototype, Symbol.iterator, URLSearchParams.prototype.entries);

// The way from parameters to the URL that they belong to.
class Link {
  constructor(tell) { this.tell = tell; }
}

const PARTS = ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
class URL {
  #parts;
  #params;
  constructor(address, base) {
    if (arguments.length === 0) throw coded(new TypeError('The "url" argument must be specified'), 'ERR_MISSING_ARGS');
    const input = `${address}`;
    this.#parts = native.parseUrl(input, base === undefined ? undefined : `${base}`);
    if (this.#parts === undefined) {
      const error = coded(new TypeError('Invalid URL'), 'ERR_INVALID_URL');
      hide(error, 'input', input);
      if (base !== undefined) hide(error, 'base', `${base}`);
      throw error;
    }
  }
  static canParse(address, base) {
    if (arguments.length === 0) throw coded(new TypeError('The "url" argument must be specified'), 'ERR_MISSING_ARGS');
    return native.parseUrl(`${address}`, base === undefined ? undefined : `${base}`) !== undefined;
  }
  get searchParams() {
    if (this.#params === undefined) {
      this.#params = new URLSearchParams(this.search, new Link(query => { this.#parts = native.changeUrl(this.href, 'search', query); }));
    }
    return this.#params;
  }
  static read(url, place) { return url.#parts[place]; }
  static write(url, name, value) {
    const parts = native.changeUrl(url.href, name, `${value}`);
    if (parts === undefined) {
      if (name === 'href') throw coded(new TypeError('Invalid URL'), 'ERR_INVALID_URL');
      return;
    }
    url.#parts = parts;
    if (url.#params !== undefined) readQuery(url.#params, url.search.slice(1));
  }
  toString() { return this.href; }
  toJSON() { return this.href; }
}
const [readPart, writePart] = [URL.read, URL.write];
delete URL.read;
delete URL.write;
PARTS.forEach((name, place) => {
  const { get, set } = Object.getOwnPropertyDescriptor({
    get [name]() { return readPart(this, place); },
    set [name](value) { writePart(this, name, value); },
  }, name);
  Object.defineProperty(URL.prototype, name, { get, set: name === 'origin' ? undefined : set, enumerable: true, configurable: true });
});

for (const named of [DOMException, TextDecoder, TextEncoder, URL, URLSearchParams]) {
  Object.defineProperty(named.prototype, Symbol.toStringTag, { value: named.name, configurable: true });
}

const { fromAsync } = {
  async fromAsync(items, map, receiver) {
    if (map !== undefined && typeof map !== 'function') throw new TypeError('the second argument of `Array.fromAsync` is no function');
    const list = typeof this === 'function' ? new this() : [];
    let count = 0;
    const add = value => Object.defineProperty(list, count++, { value, writable: true, enumerable: true, configurable: true });
    const isIterable = items[Symbol.asyncIterator] !== undefined || items[Symbol.iterator] !== undefined;
    if (isIterable) {
      for await (const item of items) add(map === undefined ? item : await map.call(receiver, item, count));
    } else {
      const length = Math.min(Math.max(Math.trunc(Number(items.length)) || 0, 0), Number.MAX_SAFE_INTEGER);
      while (count < length) {
        const item = await items[count];
        add(map === undefined ? item : await map.call(receiver, item, count));
      }
    }
    list['length'] = count;
    return list;
  },
};
hide(Array, 'fromAsync', fromAsync);

return { DOMException, TextDecoder, TextEncoder, URL, URLSearchParams, atob, btoa, queueMicrotask, structuredClone };
