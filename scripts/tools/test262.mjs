// Takes single assertions out of test262 and prints them, one a line: `scripts/tools/test262` runs this.
//
//   node test262.mjs ACORN REPOSITORY COMMIT    prints the assertions, and on the other channel what was left out and why
//
// An assertion of test262 stands among others, some of which use what no placement script does. So each is taken out with
// those statements before it that it needs, is written in plain JavaScript, and is kept where V8 says that it still holds:
// what was taken out wrongly is then no assertion, and nothing false is kept.
import { execFileSync, spawn } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import vm from 'node:vm';

/** Where the operators, statements and methods are tested that compiled code has. */
const FOLDERS = [
  ...['addition', 'array', 'arrow-function', 'assignment', 'bitwise-and', 'bitwise-not', 'bitwise-or', 'bitwise-xor',
    'call', 'coalesce', 'comma', 'compound-assignment', 'concatenation', 'conditional', 'division', 'does-not-equals',
    'equals', 'exponentiation', 'function', 'greater-than', 'greater-than-or-equal', 'grouping', 'in', 'left-shift',
    'less-than', 'less-than-or-equal', 'logical-and', 'logical-assignment', 'logical-not', 'logical-or',
    'member-expression', 'modulus', 'multiplication', 'object', 'optional-chaining', 'postfix-decrement',
    'postfix-increment', 'prefix-decrement', 'prefix-increment', 'property-accessors', 'relational', 'right-shift',
    'strict-does-not-equals', 'strict-equals', 'subtraction', 'template-literal', 'typeof', 'unary-minus', 'unary-plus',
    'unsigned-right-shift', 'void'].map((name) => `test/language/expressions/${name}`),
  ...['block', 'break', 'const', 'continue', 'do-while', 'empty', 'expression', 'for', 'for-in', 'for-of', 'function',
    'if', 'let', 'return', 'switch', 'throw', 'try', 'variable', 'while'].map((name) => `test/language/statements/${name}`),
  ...['types', 'literals', 'rest-parameters', 'destructuring', 'block-scope', 'function-code', 'white-space']
    .map((name) => `test/language/${name}`),
  ...['String', 'Array', 'Math', 'Number', 'Boolean', 'Object', 'Map', 'Set', 'JSON/stringify', 'RegExp', 'Date', 'parseInt',
    'parseFloat', 'isNaN', 'isFinite', 'NaN', 'Infinity', 'undefined'].map((name) => `test/built-ins/${name}`),
];
/** Names that no assertion may speak of: what stands for more than the language that placement scripts are written in. */
const FOREIGN_NAMES = new Set(['arguments', 'eval', 'Symbol', 'Proxy', 'Reflect', 'Function', 'BigInt', 'globalThis', '$262',
  'assert', 'Test262Error', '$DONE', '$DONOTEVALUATE', 'ArrayBuffer', 'SharedArrayBuffer', 'DataView', 'Promise', 'WeakMap',
  'WeakSet', 'WeakRef', 'Iterator', 'Temporal', 'Intl', 'Atomics', 'print', 'fnGlobalObject']);
const FOREIGN_MEMBERS = new Set(['prototype', '__proto__', 'constructor', 'caller', 'callee', 'defineProperty', 'raw',
  'defineProperties', 'getOwnPropertyDescriptor', 'getOwnPropertyNames', 'getPrototypeOf', 'setPrototypeOf', 'create',
  'freeze', 'seal', 'preventExtensions', 'isFrozen', 'isSealed', 'isExtensible', 'valueOf', 'toJSON', 'propertyIsEnumerable',
  '__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__', 'compile', 'lastIndex', 'isPrototypeOf',
  'apply', 'call', 'bind', 'groupBy', 'getOwnPropertySymbols', 'getOwnPropertyDescriptors']);
const FOREIGN_NODES = {
  ClassDeclaration: 'a class', ClassExpression: 'a class', YieldExpression: 'a generator',
  AwaitExpression: 'await',
  ThisExpression: 'this', WithStatement: 'with', TaggedTemplateExpression: 'a template with a tag', Super: 'super',
  MetaProperty: 'new.target', ImportExpression: 'import', DebuggerStatement: 'debugger',
};
/** Names that do not tie statements to each other. */
const COMMON_NAMES = new Set(['assert', 'Test262Error', 'undefined', 'NaN', 'Infinity', 'Math', 'String', 'Number', 'Array',
  'Object', 'Boolean', 'Map', 'Set', 'Date', 'JSON', 'RegExp', 'Error', 'parseInt', 'parseFloat', 'isNaN', 'isFinite']);
/** What the assertions of test262 become; the same functions stand in the test that runs them. */
const HELPERS = `
function fail() { throw new Error('no'); }
function sameValue(a, b) { if (a === b ? a === 0 && 1 / a !== 1 / b : a === a || b === b) fail(); }
function notSameValue(a, b) { if (a === b ? a !== 0 || 1 / a === 1 / b : a !== a && b !== b) fail(); }
function isTrue(a) { if (a !== true) fail(); }
function compareArray(a, b) { if (a.length !== b.length) fail();
  for (let i = 0; i < b.length; i++) sameValue(a[i], b[i]); }
`;
const HELPER_NAMES = { sameValue: 'sameValue', notSameValue: 'notSameValue', compareArray: 'compareArray' };
/** Longer ones are left out: they are tables of letters. */
const MAX_LENGTH = 200;
/** At most so many are taken of one file. */
const MAX_OF_FILE = 8;
/** At most so many are taken of one folder that are the same but for names and values. */
const MAX_ALIKE = 4;

const [acornPath, repository, commit] = process.argv.slice(2);
const acorn = await import(pathToFileURL(acornPath).href);

/** Calls `visit` with each node below `node`, itself included, with the node above; it may return false to go no deeper. */
function walk(node, visit, parent = null, key = '') {
  if (visit(node, parent, key) === false) return;
  for (const [name, value] of Object.entries(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (child && typeof child.type === 'string') walk(child, visit, node, name);
    }
  }
}

/** Whether an identifier is a name of a member and no variable. */
function isMemberName(parent, key) {
  return (parent?.type === 'MemberExpression' && key === 'property' && !parent.computed)
    || (parent?.type === 'Property' && key === 'key' && !parent.computed && !parent.shorthand);
}

/** The variables that `node` speaks of. */
function namesIn(node) {
  const names = new Set();
  walk(node, (each, parent, key) => {
    if (each.type === 'Identifier' && !isMemberName(parent, key)) names.add(each.name);
  });
  return names;
}

/** Whether `node` is `throw new Test262Error(…)`. */
function isFailure(node) {
  return node.type === 'ThrowStatement' && ['NewExpression', 'CallExpression'].includes(node.argument.type)
    && node.argument.callee.name === 'Test262Error';
}

/** The helper that an assertion becomes, with how many of its arguments count. */
function assertion(node) {
  if (node.type !== 'CallExpression') return null;
  const { callee } = node;
  if (callee.type === 'Identifier' && callee.name === 'assert') return ['isTrue', 1];
  if (callee.type !== 'MemberExpression' || callee.object.name !== 'assert') return null;
  const name = HELPER_NAMES[callee.property.name];
  return name ? [name, 2] : null;
}

/** Whether `statement` says that something holds when it runs; what a function says that it declares is said elsewhere. */
function asserts(statement) {
  let found = false;
  if (statement.type === 'FunctionDeclaration') return false;
  walk(statement, (node) => { found ||= isFailure(node) || assertion(node) !== null; });
  return found;
}

/** The source of `node` in plain JavaScript, in one line. */
function written(source, node, semicolons) {
  const edits = [];
  const replace = (start, end, text) => edits.push({ start, end, text });
  walk(node, (each) => {
    if (isFailure(each)) {
      replace(each.start, each.end, 'fail();');
      return false;
    }
    const helper = assertion(each);
    if (helper) {
      const kept = each.arguments.slice(0, helper[1]);
      if (kept.length === helper[1]) {
        replace(each.callee.start, each.callee.end, helper[0]);
        replace(kept.at(-1).end, each.end, ')');
      }
    }
    // A text in an object is the text: where the assertion does not hold for it, V8 says so.
    if (each.type === 'NewExpression' && ['String', 'Number', 'Boolean', 'Object'].includes(each.callee.name)
      && each.arguments.length === 1) {
      const wrapped = each.arguments[0];
      replace(each.start, wrapped.start, '(');
      replace(wrapped.end, each.end, ')');
    }
    // `String.prototype.slice.call(a, b)` is `(a).slice(b)`.
    const callee = each.type === 'CallExpression' ? each.callee : {};
    const method = callee.type === 'MemberExpression' && callee.property.name === 'call' ? callee.object : {};
    if (method.type === 'MemberExpression' && !method.computed && each.arguments.length > 0
      && method.object.type === 'MemberExpression' && method.object.property.name === 'prototype') {
      const [self, ...rest] = each.arguments;
      replace(each.start, self.start, '(');
      replace(self.end, rest[0]?.start ?? self.end, `).${method.property.name}(`);
    }
    return true;
  });
  for (const at of semicolons) if (at > node.start && at <= node.end) replace(at, at, ';');
  edits.sort((a, b) => a.start - b.start || a.end - b.end);
  let text = '';
  let at = node.start;
  for (const edit of edits) {
    if (edit.start < at) continue;
    text += source.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return oneLine(text + source.slice(Math.min(at, node.end), node.end));
}

/** `text` without comments and in one line; null where that cannot be. */
function oneLine(text) {
  const tokens = [];
  try {
    acorn.parse(text, { ecmaVersion: 'latest', onToken: tokens, allowReturnOutsideFunction: true });
  } catch {
    return null;
  }
  let line = '';
  let end = 0;
  for (const token of tokens) {
    const part = text.slice(token.start, token.end);
    if (/[\n\r]/.test(part) && token.type.label !== 'template') return null;
    line += (token.start > end && line !== '' ? ' ' : '') + part.replaceAll('\r', '').replaceAll('\n', '\\n');
    end = token.end;
  }
  return line;
}

/** Why `code` is none of ours; null where it may be. */
function foreign(code) {
  let why = null;
  let tree;
  try {
    tree = acorn.parse(code, { ecmaVersion: 'latest', allowReturnOutsideFunction: true });
  } catch {
    return 'no JavaScript when written plainly';
  }
  const note = (cause) => { why ??= cause; };
  walk(tree, (node, parent, key) => {
    if (FOREIGN_NODES[node.type]) note(FOREIGN_NODES[node.type]);
    if (node.generator || node.async) note('a generator, or what is asynchronous');
    if (typeof node.bigint === 'string') note('a BigInt');
    if (node.type === 'Property' && node.kind !== 'init') note('a getter or setter');
    if (node.type === 'Identifier' && isMemberName(parent, key) && FOREIGN_MEMBERS.has(node.name)) note(`.${node.name}`);
    if (node.type === 'Literal' && FOREIGN_MEMBERS.has(node.value)) note(`.${node.value}`);
    if (node.type === 'Identifier' && !isMemberName(parent, key) && FOREIGN_NAMES.has(node.name)) note(node.name);
    if (node.type === 'UnaryExpression' && node.operator === 'delete') note('delete');
    if (node.type === 'BinaryExpression' && node.operator === 'instanceof') note('instanceof');
    if (node.type === 'NewExpression' && !['Map', 'Set', 'Date', 'Error', 'Array', 'TypeError', 'RangeError']
      .includes(node.callee.name)) note(`new ${node.callee.name ?? 'of a value'}`);
    if (node.type === 'FunctionDeclaration' && ['fail', ...Object.keys(HELPER_NAMES)].includes(node.id?.name)) note('a helper of ours');
  });
  return why;
}

/** Whether V8 says that `code` holds. */
function holds(code) {
  try {
    return vm.runInNewContext(`${HELPERS}(function () { ${code}\n })(); 'holds'`, {}, { timeout: 300 }) === 'holds';
  } catch {
    return false;
  }
}

/** The statements of `list` before `own` that it needs, in their order: those that speak of a name that it speaks of. */
function needed(list, own, takesAssertions) {
  const taken = new Set([own]);
  const names = namesIn(list[own]);
  for (let grew = true; grew;) {
    grew = false;
    list.forEach((statement, place) => {
      const isBefore = place < own || statement.type === 'FunctionDeclaration';
      if (taken.has(place) || !isBefore || (!takesAssertions && asserts(statement))) return;
      const spoken = namesIn(statement);
      if (![...spoken].some((name) => names.has(name) && !COMMON_NAMES.has(name))) return;
      taken.add(place);
      spoken.forEach((name) => names.add(name));
      grew = true;
    });
  }
  return [...taken].sort((a, b) => a - b);
}

const left = new Map();
const count = (why) => left.set(why, (left.get(why) ?? 0) + 1);

/** The assertions of one file. */
function assertionsOf(source) {
  const front = /\/\*---([^]*?)---\*\//.exec(source)?.[1] ?? '';
  if (/negative:|flags:.*(module|async|raw|onlyStrict|CanBlock)/.test(front)) return [];
  const semicolons = [];
  let tree;
  try {
    tree = acorn.parse(source, { ecmaVersion: 'latest', onInsertedSemicolon: (at) => semicolons.push(at) });
  } catch {
    count('not JavaScript as acorn knows it');
    return [];
  }
  const found = [];
  const list = tree.body;
  list.forEach((statement, own) => {
    if (!asserts(statement)) return;
    let why = 'does not hold on its own';
    for (const takesAssertions of [false, true]) {
      const lines = needed(list, own, takesAssertions).map((place) => written(source, list[place], semicolons));
      if (lines.includes(null)) {
        why = 'more than a line';
        continue;
      }
      const code = lines.join(' ');
      if (code.length > MAX_LENGTH) {
        why = 'long';
        continue;
      }
      const cause = foreign(code);
      if (cause) {
        why = cause;
        continue;
      }
      if (holds(code)) {
        found.push(code);
        return;
      }
    }
    count(why);
  });
  return found;
}

/** Every file of ours, with its text. */
async function* files() {
  const git = (...args) => execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const listed = git('ls-tree', '-r', commit, '--', ...FOLDERS).trimEnd().split('\n')
    .map((line) => line.split(/[\t ]/)).filter((parts) => parts[3].endsWith('.js') && !parts[3].endsWith('_FIXTURE.js'));
  const batch = spawn('git', ['-C', repository, 'cat-file', '--batch'], { stdio: ['pipe', 'pipe', 'inherit'] });
  batch.stdin.end(listed.map((parts) => parts[2]).join('\n') + '\n');
  const chunks = [];
  for await (const chunk of batch.stdout) chunks.push(chunk);
  const all = Buffer.concat(chunks);
  let at = 0;
  for (const [, , , path] of listed) {
    const end = all.indexOf(10, at);
    const size = Number(all.toString('utf8', at, end).split(' ')[2]);
    yield [path, all.toString('utf8', end + 1, end + 1 + size)];
    at = end + size + 2;
  }
}

/** Those of `list` that are not yet like so many others of their folder, and no more than may be of one file. */
function some(folder, list) {
  const kept = [];
  for (const code of list) {
    const likeness = `${folder} ${code.replace(/"[^"]*"|'[^']*'|\d[\w.]*/g, '0').replace(/[A-Za-z_$][\w$]*(?!\w*\()/g, 'x')}`;
    const others = alike.get(likeness) ?? 0;
    alike.set(likeness, others + 1);
    if (known.has(code) || others >= MAX_ALIKE || kept.length >= MAX_OF_FILE) {
      count('more of the same');
      continue;
    }
    known.add(code);
    kept.push(code);
  }
  return kept;
}

const known = new Set();
const alike = new Map();
let kept = 0;
let last = '';
for await (const [path, source] of files()) {
  const [, folder, file] = /^test\/(.*)\/([^/]*)$/.exec(path);
  const own = some(folder, assertionsOf(source));
  if (own.length === 0) continue;
  kept += own.length;
  if (folder !== last) console.log(`# ${folder}`);
  last = folder;
  console.log(`@ ${file}\n${own.map((code) => `? ${code}`).join('\n')}`);
}
const causes = [...left].sort((a, b) => b[1] - a[1]);
console.error(`${kept} assertions kept; left out: ${causes.slice(0, 40).map(([why, times]) => `${times} ${why}`).join(', ')}`);
