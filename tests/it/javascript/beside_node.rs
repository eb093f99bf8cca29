//! The engine beside Node.js 20: tables that Node wrote (`node/`), gone through by scripts. None of it needs Node.

use serde_json::Value;

use super::stand::Stand;

/// So many rows go into one script, which may have 256 KiB.
const ROWS: usize = 1_000;

/// The rows of the table `name`.
fn table(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/data/javascript/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Says for each row of the table `name` what `differs`, an expression of the row, calls different.
#[track_caller]
fn check(stand: &Stand, before: &str, rows: &[Value], differs: &str) {
    for rows in rows.chunks(ROWS) {
        let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        let text = format!(
            "{before}\nconst ROWS = [{}];\nfunction balance(input) {{
                const odd = ROWS.map(row => {differs}).filter(odd => odd !== undefined);
                if (odd.length > 0) throw new Error(odd.length + ' of ' + ROWS.length + ' differ: ' + odd.slice(0, 40).join('\\n'));
                return 'a';
            }}",
            rows.join(",\n")
        );
        match stand.returned(&text) {
            Ok(_) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// What an expression of a row says, as the tables say it.
const TOLD: &str = "((text, expected, told) => {
    try { told = JSON.stringify(told()) ?? 'undefined' } catch (error) { told = `throws ${error.name}`; text += ` (${error.message})` }
    return told === expected ? undefined : `${text}: ${told}, Node ${expected}`;
})";

/// Rows of expressions become rows of functions, since no text runs as code.
#[track_caller]
fn check_calls(stand: &Stand, before: &str, rows: &[(String, String)]) {
    let calls: Vec<String> = rows
        .iter()
        .map(|(text, expected)| {
            let (shown, expected) = (Value::from(text.as_str()), Value::from(expected.as_str()));
            format!("() => TOLD({shown}, {expected}, () => ({text}))")
        })
        .collect();
    let text = format!(
        "{before}\n;const TOLD = {TOLD};\nconst CALLS = [{}];\nfunction balance(input) {{
            const odd = CALLS.map(call => call()).filter(odd => odd !== undefined);
            if (odd.length > 0) throw new Error(odd.length + ' of ' + CALLS.length + ' differ:\\n' + odd.join('\\n'));
            return 'a';
        }}",
        calls.join(",\n")
    );
    if let Err(error) = stand.returned(&text) {
        panic!("{error:?}");
    }
}

fn calls(name: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    table(name).iter().map(|row| (text(&row[0]), text(&row[1]))).collect()
}

#[test]
fn texts_of_dates_name_the_same_instant() {
    let differs = "Object.is(Date.parse(row[0]), row[1] ?? NaN) && Object.is(new Date(row[0]).getTime(), row[1] ?? NaN)
        ? undefined : `${JSON.stringify(row[0])}: ${Date.parse(row[0])}, Node ${row[1]}`";
    check(&Stand::new().in_zone("Europe/Berlin"), "", &table("date-texts.jsonl"), differs);
}

#[test]
fn local_times_are_the_same_in_twenty_zones() {
    let before = "function told([y, mo, d, h, mi, s, how]) {
        const date = how < 0 ? new Date(y, mo, d, h, mi, s) : new Date(Date.UTC(y, mo, d - 3, 12, 0, s));
        if (how === 0) { date.setMonth(mo, d); date.setHours(h, mi); }
        if (how === 1) { date.setDate(date.getDate() + 3); date.setHours(h); date.setMinutes(mi); }
        if (how === 2) date.setHours(h + 72, mi, s, 5);
        if (how === 3) { date.setFullYear(y, mo, d); date.setMinutes(h * 60 + mi); }
        return [date.getTime(), date.getHours(), date.getTimezoneOffset()];
    }";
    let zones = table("local-times.jsonl");
    assert_eq!(zones.len(), 20);
    for zone in zones {
        let (times, expected) = (zone[1].as_array().unwrap(), zone[2].as_array().unwrap());
        let rows: Vec<Value> = times
            .iter()
            .zip(expected)
            .map(|(time, expected)| Value::from(vec![time.clone(), expected.clone()]))
            .collect();
        let name = zone[0].as_str().unwrap();
        let differs = format!(
            "`${{told(row[0])}}` === `${{row[1]}}` ? undefined : `{name} ${{row[0]}}: ${{told(row[0])}}, Node ${{row[1]}}`"
        );
        check(&Stand::new().in_zone(name), before, &rows, &differs);
    }
}

#[test]
fn comparators_that_contradict_themselves_come_to_the_same_order() {
    let before = "
        const COMPARATORS = {
            nan: (a, b) => b.v - a.v,
            sane: (a, b) => a.k - b.k,
            truth: (a, b) => a.k > b.k,
            coin: (a, b) => ((a.i * 7 + b.i * 13) % 5) - 2,
            cycle: (a, b) => ((a.k - b.k + 10) % 3) - 1,
        };
        function told([seed, length, kind]) {
            let own = seed;
            const next = () => (own = (Math.imul(own, 1103515245) + 12345) & 0x7fffffff) >>> 8;
            const spread = 1 + (next() % 50);
            const list = Array.from({ length }, (_, i) => ({ i, k: next() % spread, v: next() % 4 === 0 ? undefined : next() % 100 }));
            if (next() % 4 === 0) list.sort((a, b) => a.k - b.k);
            list.sort(COMPARATORS[kind] ?? (() => (next() % 3) - 1));
            let hash = 0x811c9dc5;
            for (const { i } of list) hash = Math.imul(hash ^ i, 0x01000193) >>> 0;
            return hash;
        }";
    // The sort itself goes through all of them (`engine/timsort.rs`).
    let rows: Vec<_> = table("sorts.jsonl").into_iter().step_by(10).collect();
    assert_eq!(rows.len(), 1_000);
    check(&Stand::new(), before, &rows, "told(row) === row[3] ? undefined : `${row}: ${told(row)}`");
}

#[test]
fn calls_that_depend_on_a_language_say_the_same() {
    check_calls(&Stand::new().in_zone("Europe/Berlin"), "", &calls("locale-calls.jsonl"));
}

#[test]
fn functions_of_the_host_say_the_same() {
    check_calls(&Stand::new().in_zone("Europe/Berlin"), "", &calls("host-calls.jsonl"));
}

#[test]
fn pasted_libraries_say_the_same() {
    let rows = table("library-calls.jsonl");
    for file in ["lodash.min.js", "underscore-umd-min.js", "dayjs.min.js", "moment.min.js", "compare-versions.js"] {
        let path = format!("{}/tests/javascript/libraries/{file}", env!("CARGO_MANIFEST_DIR"));
        let library = std::fs::read_to_string(path).unwrap();
        let of_file = rows.iter().filter(|row| row[0] == file);
        let calls: Vec<_> =
            of_file.map(|row| (row[1].as_str().unwrap().to_owned(), row[2].as_str().unwrap().to_owned())).collect();
        assert!(calls.len() > 4, "{file}");
        for strict in ["", "'use strict';\n"] {
            check_calls(&Stand::new().in_zone("Europe/Berlin"), &format!("{strict}{library}"), &calls);
        }
        // Nothing of it is there for the next script.
        let stand = Stand::new();
        stand.id(&format!("{library}\n;function balance(input) {{ return 'a' }}"));
        assert_eq!(stand.id("i => typeof _ + typeof dayjs + typeof moment + typeof compareVersions === 'undefined'.repeat(4) ? 'a' : 'b'"), "a");
    }
}

/// What is not there is an error by its name, and never another answer.
#[test]
fn what_no_table_knows_is_refused_by_name() {
    let stand = Stand::new();
    for (call, named) in [
        ("'a'.localeCompare('b', 'sv')", "`sv`"),
        ("'a'.localeCompare('b', 'de-u-co-phonebk')", "`de-u-co-phonebk`"),
        ("'a'.localeCompare('b', 'de', { usage: 'search' })", "`usage: search`"),
        ("(5).toLocaleString('fr-FR')", "`fr-FR`"),
        ("(5).toLocaleString('en-US', { style: 'currency', currency: 'USD' })", "`style: currency`"),
        ("(5).toLocaleString('en-US', { notation: 'compact' })", "`notation: compact`"),
        ("new Date(0).toLocaleString('en-US', { timeZoneName: 'short' })", "`timeZoneName: short`"),
        ("new Date(0).toLocaleTimeString('en-US', { timeStyle: 'full' })", "`timeStyle: full`"),
        ("new Date(0).toLocaleString('en-US', { fractionalSecondDigits: 3 })", "`fractionalSecondDigits: 3`"),
        ("new Date(0).toLocaleString('th-TH')", "`th-TH`"),
        ("'i'.toLocaleUpperCase('tr')", "`tr`"),
        ("new Intl.PluralRules('en')", "`Intl.PluralRules`"),
        ("new Intl.NumberFormat('en').formatToParts(1)", "`formatToParts`"),
    ] {
        let (name, message, _) = stand.thrown(&format!("input => {call}"));
        assert!(message.contains(named) && message.contains("use an executable step"), "{call}: {name}: {message}");
    }
}
