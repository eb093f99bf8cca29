// What depends on a language: orders of texts, numbers and dates as people write them, as Node.js has them for `en-US`,
// `en-GB` and `de-DE`. Any other language, and any option that is not known here, is an error that names it.
//
// The file is the body of one function of the native helpers; it runs once for each context, after `prelude.js`.
'use strict';
const { Array, BigInt, Boolean, Date, Map, Math, Number, Object, RangeError, Reflect, String, Symbol, TypeError } = globalThis;
const DATA = new Map([['en-us', 0], ['en', 0], ['en-gb', 1], ['de-de', 2], ['de', 2]]);
const hide = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });
const unavailable = what => new RangeError(`${what} is not available in a balancer script: use an executable step for that`);

// The languages that `locales` asks for, in the standard's spelling.
function asked(locales) {
  if (locales === undefined) return [];
  if (locales === null) throw new TypeError('Incorrect locale information provided');
  return (typeof locales === 'string' ? [locales] : Array.from(locales)).map(tag => {
    if (typeof tag !== 'string' && (typeof tag !== 'object' || tag === null)) throw new TypeError('Incorrect locale information provided');
    const parts = `${tag}`.split('-');
    if (!/^[a-z]{2,8}$/i.test(parts[0]) || !parts.slice(1).every(part => /^[a-z0-9]{1,8}$/i.test(part))) {
      throw new RangeError(`Incorrect locale information provided: ${tag}`);
    }
    return parts.map((part, place) => (place > 0 && part.length === 2 && parts.slice(0, place).every(before => before.length > 1) ? part.toUpperCase() : part.toLowerCase())).join('-');
  });
}

function localeOf(locales, where) {
  const [name = 'en-US'] = asked(locales);
  const data = DATA.get(name.toLowerCase());
  if (data === undefined) throw unavailable(`the locale \`${name}\` in ${where} (there are en-US, en-GB and de-DE)`);
  return { name, data };
}

function settings(options) {
  if (options === null) throw new TypeError('Cannot convert undefined or null to object');
  return options === undefined ? {} : Object(options);
}

function choice(options, name, values, fallback, where) {
  const value = options[name];
  if (value === undefined) return fallback;
  const text = `${value}`;
  if (!values.includes(text)) throw new RangeError(`Value ${text} out of range for ${where} options property ${name}`);
  return text;
}

function refuse(options, names, where) {
  for (const [name, values] of Object.entries(names)) {
    const value = options[name];
    if (value !== undefined && !values.includes(`${value}`)) throw unavailable(`the option \`${name}: ${value}\` of ${where}`);
  }
}

const MATCHERS = ['lookup', 'best fit'];

// Orders of texts.
const SENSITIVITIES = ['base', 'accent', 'case', 'variant'];
const CASES = ['false', 'upper', 'lower'];
function collation(locales, given, where) {
  const [name = 'en-US'] = asked(locales);
  // All of English and German is in the root's order; there is more than three of either.
  if (!/^(en|de)(-[A-Z]{2})?$/.test(name)) throw unavailable(`the locale \`${name}\` in ${where} (there are English and German)`);
  const options = settings(given);
  refuse(options, { usage: ['sort'], collation: ['default'] }, where);
  choice(options, 'localeMatcher', MATCHERS, '', where);
  const numeric = options.numeric === undefined ? false : Boolean(options.numeric);
  const caseFirst = choice(options, 'caseFirst', CASES, 'false', where);
  const sensitivity = choice(options, 'sensitivity', SENSITIVITIES, 'variant', where);
  const ignorePunctuation = Boolean(options.ignorePunctuation);
  const code = SENSITIVITIES.indexOf(sensitivity) + 4 * Number(numeric) + 8 * CASES.indexOf(caseFirst) + 32 * Number(ignorePunctuation);
  return { name, code, numeric, caseFirst, sensitivity, ignorePunctuation };
}
// No function of this file that looks anything up in a prototype may run before the prototypes are frozen: the engine
// remembers at each place where it found a property, and looks there again. So this is a number and no call of `collation`.
const PLAIN_ORDER = 3;

// A class whose constructor may be called without `new`, as those of `Intl` may.
function callable(made) {
  const { [made.name]: outer } = {
    [made.name]: function (locales, options) { return Reflect.construct(made, [locales, options], new.target || outer); },
  };
  Object.defineProperty(outer, 'length', { value: 0, configurable: true });
  Object.defineProperty(outer, 'prototype', { value: made.prototype, writable: false });
  hide(made.prototype, 'constructor', outer);
  Object.defineProperty(made.prototype, Symbol.toStringTag, { value: `Intl.${made.name}`, configurable: true });
  hide(outer, 'supportedLocalesOf', { supportedLocalesOf: locales => asked(locales).filter(name => DATA.has(name.toLowerCase())) }.supportedLocalesOf);
  return outer;
}

const Collator = callable(class Collator {
  #order;
  #compare;
  constructor(locales, options) { this.#order = collation(locales, options, 'Intl.Collator'); }
  get compare() {
    this.#compare ??= (left, right) => native.collate(`${left}`, `${right}`, this.#order.code);
    return this.#compare;
  }
  resolvedOptions() {
    const { name, sensitivity, ignorePunctuation, numeric, caseFirst } = this.#order;
    return { locale: name, usage: 'sort', sensitivity, ignorePunctuation, collation: 'default', numeric, caseFirst };
  }
});

// Numbers.
const MARKS = [[',', '.', '%'], [',', '.', '%'], ['.', ',', '\u00a0%']];
function count(options, name, least, most, fallback) {
  const value = options[name];
  if (value === undefined) return fallback;
  const number = Math.floor(Number(value));
  if (!(number >= least && number <= most)) throw new RangeError(`${name} value is out of range.`);
  return number;
}

function numberPlan(locales, given, where) {
  const locale = localeOf(locales, where);
  const options = settings(given);
  choice(options, 'localeMatcher', MATCHERS, '', where);
  const style = choice(options, 'style', ['decimal', 'percent', 'currency', 'unit'], 'decimal', where);
  refuse(options, {
    style: ['decimal', 'percent'], notation: ['standard'], numberingSystem: ['latn'], roundingIncrement: ['1'], roundingMode: ['halfExpand'],
    roundingPriority: ['auto'], trailingZeroDisplay: ['auto'],
  }, where);
  const minInteger = count(options, 'minimumIntegerDigits', 1, 21, 1);
  const significant = options.minimumSignificantDigits !== undefined || options.maximumSignificantDigits !== undefined;
  let digits;
  if (significant) {
    const least = count(options, 'minimumSignificantDigits', 1, 21, 1);
    digits = { least, most: count(options, 'maximumSignificantDigits', least, 21, 21) };
  } else {
    const least = count(options, 'minimumFractionDigits', 0, 100, undefined);
    const most = count(options, 'maximumFractionDigits', 0, 100, undefined);
    const usual = style === 'percent' ? 0 : 3;
    digits = { least: least ?? Math.min(0, most ?? 0), most: most ?? Math.max(usual, least ?? 0) };
    if (digits.least > digits.most) throw new RangeError('maximumFractionDigits value is out of range.');
  }
  const sign = choice(options, 'signDisplay', ['auto', 'never', 'always', 'exceptZero', 'negative'], 'auto', where);
  const wanted = options.useGrouping;
  const words = { true: 'always', false: false, undefined: 'auto', '': false, null: false, 0: false };
  let grouping = typeof wanted === 'string' && ['true', 'false'].includes(wanted) ? 'auto' : words[`${wanted}`] ?? `${wanted}`;
  if (grouping !== false && !['min2', 'auto', 'always'].includes(grouping)) {
    throw new RangeError(`Value ${wanted} out of range for ${where} options property useGrouping`);
  }
  return { locale, style, minInteger, significant, digits, sign, grouping };
}

// A number as its digits, without a sign, and the place of its point.
function decimal(value) {
  const text = typeof value === 'string' && /^\s*[+-]?\d+(\.\d*)?\s*$/.test(value) ? value.trim() : String(typeof value === 'bigint' ? value : Number(value));
  const [, sign, whole, fraction = '', exponent = '0'] = /^([+-]?)(\d+)(?:\.(\d*))?(?:e([+-]\d+))?$/.exec(text) ?? [];
  if (whole === undefined) return { negative: text.startsWith('-'), special: text.endsWith('Infinity') ? '∞' : 'NaN' };
  const all = whole + fraction;
  const digits = all.replace(/^0+/, '');
  const point = whole.length + Number(exponent) - (all.length - digits.length);
  const negative = sign === '-' || Object.is(value, -0);
  return digits === '' ? { negative, digits: '', point: 0 } : { negative, digits, point };
}

// `digits` cut behind the first `keep`, the last one rounded, halves away from zero.
function rounded({ digits, point }, keep) {
  if (keep >= digits.length) return { digits, point };
  if (keep < 0) return { digits: '', point: 0 };
  const kept = digits.slice(0, keep);
  if (digits[keep] < '5') return { digits: kept, point };
  const up = String(BigInt(`0${kept}`) + 1n).padStart(keep, '0');
  return { digits: up, point: point + (up.length - keep) };
}

function written(plan, value) {
  const [group, mark, percent] = MARKS[plan.locale.data];
  const read = decimal(value);
  let body = read.special;
  let isZero = false;
  if (body === undefined) {
    const point = read.point + (plan.style === 'percent' && read.digits !== '' ? 2 : 0);
    const { least, most } = plan.digits;
    const cut = rounded({ digits: read.digits, point }, plan.significant ? most : point + most);
    const digits = cut.digits.replace(/0+$/, '');
    const at = digits === '' ? 0 : cut.point;
    isZero = digits === '';
    let whole = at > 0 ? digits.slice(0, at).padEnd(at, '0') : '';
    let fraction = at > 0 ? digits.slice(at) : '0'.repeat(-at) + digits;
    whole = whole.padStart(plan.minInteger, '0');
    const wanted = plan.significant ? Math.max(least - (isZero ? 1 : at), 0) : least;
    fraction = fraction.padEnd(wanted, '0');
    const groups = plan.grouping !== false && whole.length > (plan.grouping === 'min2' ? 4 : 3);
    if (groups) whole = whole.replace(/\B(?=(\d{3})+$)/g, group);
    body = fraction === '' ? whole : whole + mark + fraction;
  }
  const isNumber = read.special !== 'NaN';
  const minus = read.negative && isNumber && { auto: true, never: false, always: true, exceptZero: !isZero, negative: !isZero }[plan.sign];
  const plus = !read.negative && { always: true, exceptZero: isNumber && !isZero }[plan.sign];
  return (minus ? '-' : plus ? '+' : '') + body + (plan.style === 'percent' ? percent : '');
}

const NumberFormat = callable(class NumberFormat {
  #plan;
  #format;
  constructor(locales, options) { this.#plan = numberPlan(locales, options, 'Intl.NumberFormat'); }
  get format() {
    this.#format ??= value => written(this.#plan, value);
    return this.#format;
  }
  formatToParts() { throw unavailable('`formatToParts` of Intl.NumberFormat'); }
  resolvedOptions() {
    const { locale, style, minInteger, significant, digits, sign, grouping } = this.#plan;
    const names = significant ? ['minimumSignificantDigits', 'maximumSignificantDigits'] : ['minimumFractionDigits', 'maximumFractionDigits'];
    return {
      locale: locale.name, numberingSystem: 'latn', style, minimumIntegerDigits: minInteger, [names[0]]: digits.least, [names[1]]: digits.most,
      useGrouping: grouping, notation: 'standard', signDisplay: sign, roundingIncrement: 1, roundingMode: 'halfExpand', roundingPriority: 'auto',
      trailingZeroDisplay: 'auto',
    };
  }
});

// Dates.
const WIDTHS = {
  weekday: ['short', 'long', 'narrow'], year: ['numeric', '2-digit'], month: ['numeric', '2-digit', 'short', 'long', 'narrow'],
  day: ['numeric', '2-digit'], hour: ['numeric', '2-digit'], minute: ['numeric', '2-digit'], second: ['numeric', '2-digit'],
};
const [DAY_FIELDS, TIME_FIELDS] = [['weekday', 'year', 'month', 'day'], ['hour', 'minute', 'second']];
const CYCLES = ['h11', 'h12', 'h23', 'h24'];
const STYLES = ['full', 'long', 'medium', 'short'];

// The number of a cycle in the table of patterns: 1 and 2 are `hour12`, 0 is the language's own.
const cycleOf = name => (name === undefined ? 0 : CYCLES.indexOf(name) + 3);

function datePlan(locales, given, required, defaults, where) {
  const locale = localeOf(locales, where);
  const options = settings(given);
  choice(options, 'localeMatcher', MATCHERS, '', where);
  choice(options, 'formatMatcher', ['basic', 'best fit'], '', where);
  refuse(options, { calendar: ['gregory'], numberingSystem: ['latn'], era: [], dayPeriod: [], fractionalSecondDigits: [], timeZoneName: [] }, where);
  const fields = {};
  for (const [name, widths] of Object.entries(WIDTHS)) {
    const width = choice(options, name, widths, undefined, where);
    if (width !== undefined) fields[name] = width;
  }
  const cycle = options.hour12 !== undefined ? (options.hour12 ? 1 : 2) : cycleOf(choice(options, 'hourCycle', CYCLES, undefined, where));

  const zone = options.timeZone === undefined ? undefined : native.zone(`${options.timeZone}`);
  if (options.timeZone !== undefined && zone === undefined) throw new RangeError(`Invalid time zone specified: ${options.timeZone}`);
  const dateStyle = choice(options, 'dateStyle', STYLES, undefined, where);
  const timeStyle = choice(options, 'timeStyle', STYLES, undefined, where);
  if (dateStyle !== undefined || timeStyle !== undefined) {
    const field = Object.keys(fields)[0];
    if (field !== undefined) throw new TypeError(`Can't set option ${field} when ${dateStyle === undefined ? 'timeStyle' : 'dateStyle'} is used`);
    if (required === 'date' && timeStyle !== undefined) throw new TypeError('Invalid option : timeStyle');
    if (required === 'time' && dateStyle !== undefined) throw new TypeError('Invalid option : dateStyle');
    refuse(options, { timeStyle: ['medium', 'short'] }, where);
    const date = dateStyle === undefined ? '' : `s${STYLES.indexOf(dateStyle)}`;
    return { locale, date, time: timeStyle === undefined ? '' : `s${STYLES.indexOf(timeStyle)}${cycle}`, zone, fields, dateStyle, timeStyle };
  }
  const matters = [...required === 'time' ? [] : DAY_FIELDS, ...required === 'date' ? [] : TIME_FIELDS];
  if (!matters.some(name => fields[name] !== undefined)) {
    if (defaults !== 'time') fields.year = fields.month = fields.day = 'numeric';
    if (defaults !== 'date') fields.hour = fields.minute = fields.second = 'numeric';
  }
  const code = names => names.map(name => (fields[name] === undefined ? 0 : WIDTHS[name].indexOf(fields[name]) + 1)).join('');
  const [date, time] = [code(DAY_FIELDS), code(TIME_FIELDS)];
  return { locale, date: date === '0000' ? '' : date, time: time === '000' ? '' : `${time}${cycle}`, zone, fields };
}

function dateParts(plan, time, where) {
  const number = time === undefined ? Date.now() : Number(time);
  if (!(Math.abs(number) <= 8.64e15)) throw new RangeError('Invalid time value');
  const parts = native.dateParts(Math.trunc(number), plan.locale.data, plan.date, plan.time, plan.zone);
  if (parts === undefined) throw unavailable(`this choice of fields in ${where}`);
  return parts.map(([type, value]) => ({ type, value }));
}
// V8 writes a plain blank before AM and PM, whatever ICU has there, but not in `formatToParts`.
const joined = parts => parts.map(part => part.value).join('').replaceAll('\u202f', ' ');

const DateTimeFormat = callable(class DateTimeFormat {
  #plan;
  #format;
  constructor(locales, options) { this.#plan = datePlan(locales, options, 'any', 'date', 'Intl.DateTimeFormat'); }
  get format() {
    this.#format ??= time => joined(this.formatToParts(time));
    return this.#format;
  }
  formatToParts(time) { return dateParts(this.#plan, time, 'Intl.DateTimeFormat'); }
  resolvedOptions() {
    const { locale, zone, fields, dateStyle, timeStyle } = this.#plan;
    const styles = dateStyle === undefined && timeStyle === undefined ? {} : { dateStyle, timeStyle };
    return { locale: locale.name, calendar: 'gregory', numberingSystem: 'latn', timeZone: zone ?? native.zone(), ...fields, ...styles };
  }
});

const Intl = {};
hide(Intl, 'Collator', Collator);
hide(Intl, 'DateTimeFormat', DateTimeFormat);
hide(Intl, 'NumberFormat', NumberFormat);
hide(Intl, 'getCanonicalLocales', { getCanonicalLocales: locales => asked(locales) }.getCanonicalLocales);
for (const name of ['DisplayNames', 'ListFormat', 'Locale', 'PluralRules', 'RelativeTimeFormat', 'Segmenter']) {
  hide(Intl, name, function () { throw unavailable(`\`Intl.${name}\``); });
}
Object.defineProperty(Intl, Symbol.toStringTag, { value: 'Intl', configurable: true });

// The methods that other objects have.
const [upper, lower] = [String.prototype.toUpperCase, String.prototype.toLowerCase];
function plainCase(locales, where) {
  // These have letters of their own between the cases.
  const [name = ''] = asked(locales);
  if (['az', 'el', 'hy', 'lt', 'tr', 'und'].includes(name.split('-')[0])) throw unavailable(`the locale \`${name}\` in ${where}`);
}
const texts = {
  localeCompare(that, locales, options) {
    if (this === undefined || this === null) throw new TypeError('String.prototype.localeCompare called on null or undefined');
    const plain = locales === undefined && options === undefined;
    return native.collate(`${this}`, `${that}`, plain ? PLAIN_ORDER : collation(locales, options, 'localeCompare').code);
  },
  toLocaleUpperCase(locales) {
    plainCase(locales, 'toLocaleUpperCase');
    return upper.call(this);
  },
  toLocaleLowerCase(locales) {
    plainCase(locales, 'toLocaleLowerCase');
    return lower.call(this);
  },
};
const numbers = { toLocaleString(locales, options) { return written(numberPlan(locales, options, 'toLocaleString'), Number.prototype.valueOf.call(this)); } };
const wholes = { toLocaleString(locales, options) { return written(numberPlan(locales, options, 'toLocaleString'), BigInt.prototype.valueOf.call(this)); } };
const told = (date, locales, options, required, defaults, where) => {
  const time = Date.prototype.getTime.call(date);
  const plan = datePlan(locales, options, required, defaults, where);
  return time !== time ? 'Invalid Date' : joined(dateParts(plan, time, where));
};
const dates = {
  toLocaleString(locales, options) { return told(this, locales, options, 'any', 'all', 'toLocaleString'); },
  toLocaleDateString(locales, options) { return told(this, locales, options, 'date', 'date', 'toLocaleDateString'); },
  toLocaleTimeString(locales, options) { return told(this, locales, options, 'time', 'time', 'toLocaleTimeString'); },
};
const lists = {
  toLocaleString(locales, options) {
    return Array.from(this, item => (item === undefined || item === null ? '' : `${item.toLocaleString(locales, options)}`)).join(',');
  },
};
const typed = Object.getPrototypeOf(globalThis.Uint8Array.prototype);
const holders = [[String.prototype, texts], [Number.prototype, numbers], [BigInt.prototype, wholes], [Date.prototype, dates], [Array.prototype, lists], [typed, lists]];
for (const [holder, methods] of holders) {
  for (const [name, method] of Object.entries(methods)) {
    Object.defineProperty(method, 'length', { value: name === 'localeCompare' ? 1 : 0, configurable: true });
    hide(holder, name, method);
  }
}

return { Intl };
