// Writes the tables of what Node.js 20 says, beside which the engine is tried:
//
//   node tests/javascript/node/tables.mjs tests/data/javascript
//
// Every table is made from a seed, so that it is the same each time. The tests read the tables and need no Node.js.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';

const folder = process.argv[2];
mkdirSync(folder, { recursive: true });
let state = 20260301;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const below = count => Math.floor(random() * count);
const one = list => list[below(list.length)];
const write = (name, rows) => writeFileSync(`${folder}/${name}`, rows.map(row => JSON.stringify(row)).join('\n') + '\n');

// Texts of dates: what people write, and random rows of tokens.
const WRITTEN = [
  '2026-11-20', '2026-11-20T11:30', '2026-11-20T11:30Z', '2026-11-20T11:30:15.25+01:00', '2026-11-20 11:30', '2026-11-20 11:30:15',
  '2026-11-20 11:30 UTC', '2026-11-20 11:30 +0100', '2026-11', '2026', '20261120', '+012026-11-20T00:00:00Z', '-000001-01-01T00:00:00Z',
  'Nov 20, 2026', 'November 20, 2026', '20 November 2026', '20 Nov 2026 11:30', 'Nov 20 2026 11:30:15', 'Fri, 20 Nov 2026 11:30:15 GMT',
  'Fri, 20 Nov 2026 11:30:15 +0200', 'Fri Nov 20 2026 11:30:15 GMT-0600 (Central Standard Time)', 'Fri Nov 20 2026', '11/20/2026',
  '11/20/26', '11/20/2026 11:30', '11/20/2026 11:30 PM', '11/20/2026, 11:30:15 AM', '2026/11/20', '2026/11/20 11:30', '20/11/2026',
  '20.11.2026', '20.11.2026 11:30', '1.2.2026', '2026-1-5', '2026-1-5 7:05', '11-20-2026', 'Nov 2026', '20-Nov-2026', '20-Nov-26', 'Nov-20-2026',
  'now', 'today', 'tomorrow', '', ' ', '0', '1', '12', '13', '32', '99', '100', '1000', 'abc', 'abc 5', 'Monday', 'Mai 5, 2026', '12:30',
  '2026-11-20T24:00', '2026-11-20T24:01', '2026-11-20T11', '2026-11-20T11:30:61', '2026-02-30', '2026-02-31', '2026-13-01', '2026-00-01',
  'Feb 30 2026', 'Feb 32 2026', '2026-11-20T11:30:15.123456789Z', '2026-11-20T11:30:15,5Z', '2026-11-20t11:30z', '2026-11-20 11:30am',
  '2026-11-20 11:30 pm', '2026-11-20 12:30 am', '2026-11-20 13:30 pm', 'Nov 20, 2026 11:30 PST', 'Nov 20, 2026 11:30 EST', 'Nov 20, 2026 11:30 CET',
  'Nov 20, 2026 11:30 GMT+1', 'Nov 20, 2026 11:30 GMT+01:30', 'Nov 20, 2026 11:30 UTC-5', 'Nov 20, 2026 11:30 Z', '(comment) Nov 20, 2026',
  'Nov 20, 2026 (a (nested) comment) 11:30', 'Nov 20, 2026 )', '2026-11-20T11:30:15+0100', '2026-11-20T11:30:15+1', '2026-11-20T11:30:15 +01:00',
  '2026-03-29 02:30', '2026-10-25 02:30', '1/1/1970', '12/31/1969', '1/1/49', '1/1/50', '275760-09-13', '+275760-09-13T00:00:00.000Z',
  '+275760-09-13T00:00:00.001Z', '2026-11-20\t11:30', ' 2026-11-20', '2026-11-20 ', '\u00a02026-11-20', '2026 Nov 20', '2026 20 Nov', 'Sept 20, 2026',
  'September 20th, 2026', 'Nov 20th 2026', '20:15 Nov 20 2026', '11:30:15.5 Nov 20 2026', '11::30', '2026-W47-5', '2026-324', '١/٢/٢٠٢٦',
];
const TOKENS = ['2026', '26', '11', '20', '5', '05', '1999', '13', '32', '0', '00', '123456', '-', '-', '/', '/', ':', ':', ':', '.', ' ', ' ', ' ', ' ', ',', '+', 'T', 'Z', 'GMT', 'UTC',
  'PST', 'Nov', 'march', 'Friday', 'am', 'PM', '(x)', ')', '(', '11:30', '11:30:15', '2026-11-20', '11/20/2026', '+0100', '-5', 'T11:30', '.5'];
const texts = [...WRITTEN];
while (texts.length < WRITTEN.length + 3000) texts.push(Array.from({ length: 1 + below(8) }, () => one(TOKENS)).join(''));
const inZone = (zone, source, input) => JSON.parse(execFileSync(process.execPath, ['-e', source], { env: { TZ: zone }, input: JSON.stringify(input), maxBuffer: 1 << 28 }));
const PARSE = 'process.stdout.write(JSON.stringify(JSON.parse(require("fs").readFileSync(0)).map(text => Date.parse(text))))';
const parsed = inZone('Europe/Berlin', PARSE, texts);
write('date-texts.jsonl', texts.map((text, place) => [text, parsed[place]]));

// Local times in twenty zones, half of them near a change of the clocks: by the constructor and by setters.
const ZONES = ['Europe/Berlin', 'Europe/London', 'Europe/Lisbon', 'Europe/Moscow', 'America/New_York', 'America/Chicago', 'America/Los_Angeles', 'America/Sao_Paulo',
  'America/St_Johns', 'America/Santiago', 'Asia/Kolkata', 'Asia/Tokyo', 'Asia/Tehran', 'Asia/Kathmandu', 'Australia/Sydney', 'Australia/Lord_Howe', 'Pacific/Auckland',
  'Pacific/Chatham', 'Africa/Cairo', 'UTC'];
const LOCAL = `
  const zone = JSON.parse(require("fs").readFileSync(0));
  const shown = zone.map(([y, mo, d, h, mi, s, how]) => {
    const date = how < 0 ? new Date(y, mo, d, h, mi, s) : new Date(Date.UTC(y, mo, d - 3, 12, 0, s));
    if (how === 0) { date.setMonth(mo, d); date.setHours(h, mi); }
    if (how === 1) { date.setDate(date.getDate() + 3); date.setHours(h); date.setMinutes(mi); }
    if (how === 2) date.setHours(h + 72, mi, s, 5);
    if (how === 3) { date.setFullYear(y, mo, d); date.setMinutes(h * 60 + mi); }
    return [date.getTime(), date.getHours(), date.getTimezoneOffset()];
  });
  const changes = [];
  if (zone.length === 0) {
    let before = new Date(2000, 0, 1).getTimezoneOffset();
    for (let t = Date.UTC(2000, 0, 1); t < Date.UTC(2030, 0, 1); t += 1800000) {
      const now = new Date(t).getTimezoneOffset();
      if (now !== before) changes.push(t);
      before = now;
    }
  }
  process.stdout.write(JSON.stringify(zone.length === 0 ? changes : shown));`;
const local = [];
for (const zone of ZONES) {
  const changes = inZone(zone, LOCAL, []);
  const times = Array.from({ length: 60 }, (_, place) => {
    const near = place % 2 === 0 && changes.length > 0;
    const date = near ? new Date(one(changes) + (below(96) - 48) * 900_000) : new Date(Date.UTC(1975, 0, 1) + below(60 * 365) * 86_400_000 + below(96) * 900_000);
    return [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), below(60), below(5) - 1];
  });
  local.push([zone, times, inZone(zone, LOCAL, times)]);
}
write('local-times.jsonl', local);

// Sorts with comparators that contradict themselves: the list, which comparator, and a print of the order that came out.
const COMPARATORS = {
  nan: (a, b) => b.v - a.v,
  sane: (a, b) => a.k - b.k,
  truth: (a, b) => a.k > b.k,
  coin: (a, b) => ((a.i * 7 + b.i * 13) % 5) - 2,
  cycle: (a, b) => ((a.k - b.k + 10) % 3) - 1,
  random: null,
};
const print = list => {
  let hash = 0x811c9dc5;
  for (const { i } of list) hash = Math.imul(hash ^ i, 0x01000193) >>> 0;
  return hash;
};
const sorts = [];
for (let number = 0; number < 10000; number++) {
  const seed = below(2 ** 31);
  const length = number % 100 === 0 ? 200 + below(1200) : below(number % 3 === 0 ? 140 : 40);
  const kind = one(Object.keys(COMPARATORS));
  let own = seed;
  const next = () => (own = (Math.imul(own, 1103515245) + 12345) & 0x7fffffff) >>> 8;
  const spread = 1 + (next() % 50);
  const list = Array.from({ length }, (_, i) => ({ i, k: next() % spread, v: next() % 4 === 0 ? undefined : next() % 100 }));
  if (next() % 4 === 0) list.sort((a, b) => a.k - b.k);
  const comparator = COMPARATORS[kind] ?? (() => (next() % 3) - 1);
  sorts.push([seed, length, kind, print(list.sort(comparator))]);
}
write('sorts.jsonl', sorts);
