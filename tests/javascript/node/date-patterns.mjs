// Writes what Node.js makes of every choice of date and time options in the locales that scripts have:
//
//   node tests/javascript/node/date-patterns.mjs > src/engine/javascript/locales/patterns.txt
//
// Each choice is formatted for all months, weekdays and hours, and its parts become a pattern. Lists of names stand once.
const LOCALES = ['en-US', 'en-GB', 'de-DE'];
const WEEKDAY = ['', 'short', 'long', 'narrow'];
const YEAR = ['', 'numeric', '2-digit'];
const MONTH = ['', 'numeric', '2-digit', 'short', 'long', 'narrow'];
const DAY = ['', 'numeric', '2-digit'];
const CYCLES = [{}, { hour12: true }, { hour12: false }, { hourCycle: 'h11' }, { hourCycle: 'h12' }, { hourCycle: 'h23' }, { hourCycle: 'h24' }];
const STYLES = ['full', 'long', 'medium', 'short'];
const BASE = Date.UTC(2026, 2, 5, 4, 6, 7);
const HOUR = 3_600_000;

const lists = [];
const list = names => {
  const text = names.join('|');
  if (!lists.includes(text)) lists.push(text);
  return lists.indexOf(text);
};

function pattern(locale, options) {
  const format = new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' });
  const part = (type, time) => format.formatToParts(time).find(part => part.type === type)?.value;
  const months = () => Array.from({ length: 12 }, (_, month) => part('month', Date.UTC(2026, month, 5, 4, 6, 7)));
  const weekdays = () => Array.from({ length: 7 }, (_, day) => part('weekday', Date.UTC(2026, 2, 1 + day, 4, 6, 7)));
  const hours = () => Array.from({ length: 24 }, (_, hour) => part('hour', Date.UTC(2026, 2, 5, hour, 6, 7)));
  return format.formatToParts(BASE).map(({ type, value }) => {
    switch (type) {
      case 'literal': return value;
      case 'year': return value === '2026' ? '{y}' : value === '26' ? '{yy}' : fail(type, value);
      case 'month': return `{M${list(months())}}`;
      case 'weekday': return `{W${list(weekdays())}}`;
      case 'day': return value === '5' ? '{d}' : value === '05' ? '{dd}' : fail(type, value);
      case 'hour': return `{H${list(hours())}}`;
      case 'minute': return value === '6' ? '{m}' : value === '06' ? '{mm}' : fail(type, value);
      case 'second': return value === '7' ? '{s}' : value === '07' ? '{ss}' : fail(type, value);
      case 'dayPeriod': return `{P${list([part('dayPeriod', BASE), part('dayPeriod', BASE + 12 * HOUR)])}}`;
      default: return fail(type, value);
    }
  }).join('');
}

function fail(type, value) {
  throw new Error(`${type}: ${value}`);
}

const given = object => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== ''));
const dates = [];
WEEKDAY.forEach((weekday, w) => YEAR.forEach((year, y) => MONTH.forEach((month, m) => DAY.forEach((day, d) => {
  if (w + y + m + d > 0) dates.push([`${w}${y}${m}${d}`, given({ weekday, year, month, day })]);
}))));
STYLES.forEach((dateStyle, s) => dates.push([`s${s}`, { dateStyle }]));
const times = [];
YEAR.forEach((hour, h) => YEAR.forEach((minute, m) => YEAR.forEach((second, s) => CYCLES.forEach((cycle, c) => {
  if (h + m + s > 0) times.push([`${h}${m}${s}${c}`, { ...given({ hour, minute, second }), ...cycle }]);
}))));
['medium', 'short'].forEach((timeStyle, s) => CYCLES.forEach((cycle, c) => times.push([`s${s + 2}${c}`, { timeStyle, ...cycle }])));

const lines = [];
// Whole patterns of those choices that are more than a date, something between, and a time.
const odd = new Map();
for (const locale of LOCALES) {
  const dateLines = new Map();
  const timeLines = new Map();
  const timePatterns = new Map(times.map(([key, options]) => [key, pattern(locale, options)]));
  for (const [key, options] of dates) {
    const date = pattern(locale, options);
    const time = key[0] === 's' ? ['s30', { timeStyle: 'short' }] : ['1100', { hour: 'numeric', minute: 'numeric' }];
    const both = pattern(locale, { ...options, ...time[1] });
    const timePattern = timePatterns.get(time[0]);
    // The rest of a line is empty where nothing stands between the two.
    const glue = both.startsWith(date) && both.endsWith(timePattern) ? both.slice(date.length, both.length - timePattern.length) : '';
    for (const [other, otherOptions] of times) {
      if ((other[0] === 's') !== (key[0] === 's')) continue;
      const whole = pattern(locale, { ...options, ...otherOptions });
      if (whole !== date + glue + timePatterns.get(other)) odd.set(`${locale}\t${whole}`, [...odd.get(`${locale}\t${whole}`) ?? [], `${key}+${other}`]);
    }
    const line = `${glue}\t${date}`;
    dateLines.set(line, [...dateLines.get(line) ?? [], key]);
  }
  for (const [key, line] of timePatterns) timeLines.set(line, [...timeLines.get(line) ?? [], key]);
  for (const [line, keys] of dateLines) lines.push(`D\t${locale}\t${keys.join(' ')}\t${line}`);
  for (const [line, keys] of timeLines) lines.push(`T\t${locale}\t${keys.join(' ')}\t\t${line}`);
}
for (const [line, keys] of odd) lines.push(`B\t${line.split('\t')[0]}\t${keys.join(' ')}\t\t${line.split('\t')[1]}`);
lists.forEach((names, place) => process.stdout.write(`N\t${place}\t${names}\n`));
process.stdout.write(lines.join('\n') + '\n');
