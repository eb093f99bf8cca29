// Writes what Node.js 20 says to calls that depend on a language, to the host's functions, and to pasted libraries:
//
//   node tests/javascript/node/calls.mjs tests/javascript/libraries tests/data/javascript
//
// Each line is an expression and its value, or the name of what it throws. The time zone is Europe/Berlin.
import { readFileSync, writeFileSync } from 'node:fs';
import vm from 'node:vm';

process.env.TZ = 'Europe/Berlin';
const [libraries, folder] = process.argv.slice(2);
const told = expression => {
  try {
    return [expression, JSON.stringify(vm.runInThisContext(`(${expression})`)) ?? 'undefined'];
  } catch (error) {
    return [expression, `throws ${error.name}`];
  }
};
const write = (name, rows) => writeFileSync(`${folder}/${name}`, rows.map(row => JSON.stringify(row)).join('\n') + '\n');
const T = 'new Date(Date.UTC(2026, 10, 20, 17, 5, 9))';
const locale = [
  '["beta", "Alpha", "alpha2", "Zeta", "alpha", "äpfel", "Zebra", "zoo", "10", "9", "_x", "-y", "ß", "ss", "é", "e", "É"].sort((a, b) => a.localeCompare(b))',
  '["node10", "node9", "node1", "Node2", "node-3", "node 4"].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))',
  '["a", "B", "A", "b", "á"].sort((a, b) => a.localeCompare(b, "en", { caseFirst: "upper" }))',
  '["a", "B", "A", "b", "á"].sort((a, b) => a.localeCompare(b, "de-DE", { caseFirst: "lower" }))',
  '"a".localeCompare("A", undefined, { sensitivity: "base" })', '"a".localeCompare("á", undefined, { sensitivity: "base" })',
  '"a".localeCompare("A", "en-US", { sensitivity: "accent" })', '"a".localeCompare("á", "en-GB", { sensitivity: "accent" })',
  '"a".localeCompare("A", "de", { sensitivity: "case" })', '"a".localeCompare("á", "en", { sensitivity: "case" })',
  '"a".localeCompare("b")', '"b".localeCompare("a")', '"a".localeCompare("a")', '"a".localeCompare("A")', '"A".localeCompare("a")', '"".localeCompare("a")',
  '"a-b".localeCompare("ab", "en", { ignorePunctuation: true })', '"node02".localeCompare("node2", "en", { numeric: true })',
  '"x".localeCompare("y", "no such")', '"x".localeCompare("y", "en", { sensitivity: "none" })', '"x".localeCompare("y", null)',
  '["z", "a", "Z"].sort(new Intl.Collator("en", { numeric: true }).compare)', 'new Intl.Collator("de").resolvedOptions()',
  '(40000).toLocaleString("en-US")', '(40000).toLocaleString()', '(1234567.891).toLocaleString("de-DE")', '(1234.5).toLocaleString("en-GB")',
  '(1.005).toLocaleString("en-US", { maximumFractionDigits: 2 })', '(0.5).toLocaleString("en", { maximumFractionDigits: 0 })', '(2.5).toLocaleString("en", { maximumFractionDigits: 0 })',
  '(0.256).toLocaleString("en-US", { style: "percent" })', '(0.256).toLocaleString("de-DE", { style: "percent", minimumFractionDigits: 1 })',
  '(1234.5).toLocaleString("en-US", { minimumFractionDigits: 2 })', '(1234.5).toLocaleString("en-US", { useGrouping: false })', '(7).toLocaleString("en-US", { minimumIntegerDigits: 2 })',
  '(123456).toLocaleString("en", { maximumSignificantDigits: 2 })', '(0).toLocaleString("en", { minimumSignificantDigits: 3 })', '(0.00012345).toLocaleString("en", { maximumSignificantDigits: 2 })',
  '(-0).toLocaleString()', 'NaN.toLocaleString()', '(-Infinity).toLocaleString("de")', '(1e21).toLocaleString("en-US")', '(1e-7).toLocaleString()', '123456789012345678901234567890n.toLocaleString("de-DE")',
  '(5).toLocaleString("en", { signDisplay: "always" })', '(0).toLocaleString("en", { signDisplay: "exceptZero" })', '(1234).toLocaleString("en", { useGrouping: "min2" })', '(999.9996).toLocaleString()',
  '(99.95).toLocaleString("en", { maximumFractionDigits: 1 })', '(1).toLocaleString("en", { maximumFractionDigits: 200 })', '(1).toLocaleString("en", { minimumFractionDigits: 5, maximumFractionDigits: 2 })',
  'new Intl.NumberFormat("en-US").format(1234.5678)', 'Intl.NumberFormat("de").format("12345678901234567890.5")', '[1234.5, null, undefined, "x"].toLocaleString("de-DE")',
  'new Intl.NumberFormat("en-US", { style: "percent" }).resolvedOptions().maximumFractionDigits',
  ...['en-US', 'en-GB', 'de-DE'].flatMap(name => [`${T}.toLocaleString("${name}")`, `${T}.toLocaleDateString("${name}")`, `${T}.toLocaleTimeString("${name}")`,
    `${T}.toLocaleDateString("${name}", { weekday: "long" })`, `${T}.toLocaleDateString("${name}", { weekday: "short", day: "2-digit", month: "short", year: "numeric" })`,
    `${T}.toLocaleTimeString("${name}", { hour: "2-digit", minute: "2-digit" })`, `${T}.toLocaleString("${name}", { timeZone: "America/New_York", hour: "2-digit", hour12: false })`,
    `${T}.toLocaleString("${name}", { timeZone: "Asia/Tokyo", weekday: "short", hour: "numeric" })`, `${T}.toLocaleString("${name}", { dateStyle: "full", timeStyle: "short" })`,
    `${T}.toLocaleDateString("${name}", { month: "long", year: "numeric" })`, `${T}.toLocaleString("${name}", { hour: "numeric", hour12: true, timeZone: "UTC" })`,
    `${T}.toLocaleTimeString("${name}", { hourCycle: "h23" })`, `new Date(Date.UTC(2026, 2, 1)).toLocaleTimeString("${name}", { hour12: false, timeZone: "UTC" })`,
    `${T}.toLocaleDateString("${name}", { year: "2-digit", month: "numeric", day: "numeric" })`]),
  `${T}.toLocaleString()`, `${T}.toLocaleDateString()`, `${T}.toLocaleTimeString()`, `${T}.toLocaleDateString(undefined, { hour: "2-digit" })`, `${T}.toLocaleTimeString([], { timeStyle: "short" })`,
  'new Date(NaN).toLocaleString()', 'new Intl.DateTimeFormat().format(new Date(NaN))', `${T}.toLocaleString("en-US", { timeZone: "Mars/Olympus" })`, `${T}.toLocaleDateString("en-US", { timeStyle: "short" })`,
  `${T}.toLocaleString("en-US", { dateStyle: "short", hour: "numeric" })`, `${T}.toLocaleString("en-US", { month: "tiny" })`,
  `new Intl.DateTimeFormat("en-US", { timeZone: "Australia/Sydney", hour: "numeric", hourCycle: "h23", weekday: "long" }).formatToParts(${T})`,
  'new Intl.DateTimeFormat("de-DE", { month: "long", day: "numeric" }).resolvedOptions()', 'Intl.DateTimeFormat().resolvedOptions().timeZone', '"ä".toLocaleUpperCase("de-DE")', '"I".toLocaleLowerCase()',
  'Object.keys(Intl.Collator.prototype).length', 'typeof Intl.DateTimeFormat("en").format', 'String(Intl)', 'Intl.getCanonicalLocales("EN-us")', 'Intl.DateTimeFormat.supportedLocalesOf(["en-US", "de"])',
];
write('locale-calls.jsonl', locale.map(told));

const host = [
  'atob("aGVsbG8=")', 'atob(" aGVs bG8 ")', 'atob("aGVsbG8")', 'atob("a")', 'atob("ab=c")', 'atob("")', 'atob("/+8=")', 'atob("%%%%")', 'btoa("hello")', 'btoa("\\xff\\x00")', 'btoa("€")', 'btoa()',
  'atob(btoa("täst"))', 'JSON.parse(atob("eyJkZXB0IjoiY2FkIn0")).dept',
  'structuredClone({ a: [1, { b: 2 }], d: new Date(5), m: new Map([[1, new Set([2])]]), r: /x/gi, u: undefined }).m.get(1).has(2)',
  '(() => { const a = { x: 1 }; a.self = a; const b = structuredClone(a); return b !== a && b.self === b })()', 'structuredClone(() => 1)', 'structuredClone(Symbol("x"))', 'structuredClone([1, , 3])',
  'structuredClone(new TypeError("no")).name', 'structuredClone(new Error("no", { cause: 1 })).cause', 'structuredClone(Object(1n)) instanceof BigInt', 'structuredClone(new Uint16Array([1, 2])).length', 'structuredClone(new (class A { x = 1 })()).constructor === Object',
  'structuredClone(new Proxy({}, {}))', 'structuredClone(Promise.resolve(1))', 'structuredClone()', 'structuredClone("x")', 'Object.prototype.toString.call(structuredClone(new Date(0)))',
  'new URL("https://u:p@node2.example.org:8443/a/../b?x=1&y=%20#h").href', 'Object.assign({}, { ...["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"].map(k => new URL("http://u:p@Ex.org:80/ä?q#f")[k]) })',
  'new URL("../c?d", "https://a.b/x/y/z").href', 'new URL("/x")', 'new URL("x", "nonsense")', 'URL.canParse("a:b")', 'URL.canParse("b")', '(() => { const u = new URL("http://a/b"); u.port = "99"; u.hash = "z"; u.searchParams.append("k", "v w"); return u.href })()',
  '(() => { const u = new URL("http://a/b?x=1"); const p = u.searchParams; u.search = "?y=2"; p.set("z", 3); return [u.href, p.get("x"), p.get("y")] })()', '(() => { const u = new URL("http://a/b"); u.protocol = "nonsense:"; u.host = ""; return u.href })()',
  'JSON.stringify(new URL("http://a/b"))', 'String(new URL("HTTP://A/%7Eb"))', 'Object.prototype.toString.call(new URL("a:b"))', 'Object.keys(URL.prototype).includes("href")', 'new URL("http://[::1]:80/").host', 'new URL("http://xn--bcher-kva.example/").hostname', 'new URL("http://bücher.example/").hostname', 'new URL("file:///c:/x").pathname',
  'new URLSearchParams("?a=1&b=2&a=3").getAll("a")', '[...new URLSearchParams({ x: 1, y: "ü" })]', 'String(new URLSearchParams([["a", "b c"], ["d", "&"]]))', 'new URLSearchParams([["a"]])', '(() => { const p = new URLSearchParams("b=1&a=2&b=0"); p.sort(); p.delete("b", "1"); return [String(p), p.size, p.has("b", "0"), p.has("q")] })()',
  '[...new URLSearchParams("a=1&b=2").keys()]', 'new URLSearchParams("a=%zz+b").get("a")', 'new URLSearchParams("a").get("a")', 'new URLSearchParams("").get("a")',
  '[...new TextEncoder().encode("aé€😀\\ud800")]', 'new TextEncoder().encodeInto("aé€", new Uint8Array(3))', 'new TextDecoder().decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff]))', 'new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff]))',
  'new TextDecoder("utf-16le").decode(new Uint8Array([0x61, 0, 0x3d, 0xd8, 0, 0xde]))', 'new TextDecoder("latin1").decode(new Uint8Array([0xa9, 0xe4]))', 'new TextDecoder("klingon")', 'new TextDecoder().encoding', 'new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])).length',
  'new TextDecoder().decode(new Uint8Array([1, 0x62, 3]).subarray(1, 2))', 'new TextDecoder().decode(new Uint8Array([0x63]).buffer)', 'queueMicrotask(5)', 'typeof queueMicrotask(() => {})', 'new DOMException("m", "DataCloneError").code', 'new DOMException("m") instanceof Error',
  'typeof Function("return this")()', 'Function("return this")() === globalThis', 'new Function("return this;")() === globalThis', 'typeof global', 'global === globalThis', 'console.time("x")', 'Object.keys(globalThis).includes("URL")',
];
write('host-calls.jsonl', host.map(told));

const pasted = {
  'lodash.min.js': ['_.chunk([1, 2, 3], 2)', '_.sortBy([{ a: 2 }, { a: 1 }], "a")', '_.get({ a: { b: [5] } }, "a.b[0]")', '_.groupBy([6.1, 4.2, 6.3], Math.floor)', '_.VERSION', '_.minBy([{ n: 2 }, { n: 1 }], o => o.n)', '_.cloneDeep({ a: new Date(3), b: /x/ })', '_.camelCase("Foo bar-baz")', '_.isEqual({ a: [1] }, { a: [1] })'],
  'underscore-umd-min.js': ['_.VERSION', '_.sortBy([3, 1, 2])', '_.min([{ a: 2 }, { a: 1 }], o => o.a)', '_.chain([1, 2, 3]).map(x => x * 2).filter(x => x > 2).value()', '_.groupBy(["one", "two", "three"], "length")', '_.pluck([{ a: 1 }], "a")'],
  'dayjs.min.js': ['dayjs("2026-11-20").format("YYYY-MM-DD dddd")', 'dayjs(1795195800000).hour()', 'dayjs("2026-03-28 12:00").add(1, "day").valueOf()', 'dayjs("2026-10-25").endOf("month").toISOString()', 'dayjs("nonsense").isValid()', 'dayjs("2026-01-01").diff("2026-02-01", "week")'],
  'moment.min.js': ['moment.version', 'moment("2026-11-20T11:30").format("dddd, MMMM Do YYYY, h:mm:ss a")', 'moment(1795195800000).isoWeekday()', 'moment("2026-03-28 12:00").add(1, "day").valueOf()', 'moment("11:30", "HH:mm").isValid()', 'moment.duration(90, "minutes").humanize()', 'moment.utc(0).isDST()'],
  'compare-versions.js': ['compareVersions.compareVersions("11.1.1", "10.0.0")', 'compareVersions.satisfies("10.0.1", "~10.0.0")', '["1.10.0", "1.9.0", "1.2.3-rc.1"].sort(compareVersions.compareVersions)', 'compareVersions.validate("1.0")', 'compareVersions.compare("10.1", "nonsense", ">")'],
};
const rows = [];
for (const [file, expressions] of Object.entries(pasted)) {
  vm.runInThisContext(readFileSync(`${libraries}/${file}`, 'utf8'));
  for (const expression of expressions) rows.push([file, ...told(expression)]);
}
write('library-calls.jsonl', rows);
