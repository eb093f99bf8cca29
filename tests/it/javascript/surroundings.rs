use serde_json::json;
use whither::model::diagnosis::LogLevel;
use whither::script::{Argument, Call, CallAnswer, ReturnedValue, Score, ScriptError};

use super::stand::{NOW_MS, Stand, three};

#[test]
fn the_input_has_both_generations_names() {
    let request = json!({
        "action": "user/login", "user": {"login": "u0", "department": "cad"}, "userGroups": ["cad"], "isAdmin": true,
        "data": {"app": "maya", "deep": {"list": [1, {"x": null}]}}, "params": {"jwt": "secret"}, "extra": [1, 2],
    });
    let stand = Stand::with(three(), request);
    for truth in [
        "i.action === 'user/login' && i.user.login === 'u0' && i.user.department === 'cad'",
        "i.userGroups.includes('cad') && i.isAdmin === true && i.isManager === false",
        "i.local.serverId === 'here' && i.data.app === 'maya' && i.data.deep.list[1].x === null",
        "i.params.me.login === 'u0' && i.params.start.app === 'maya' && i.params.jwt === null",
        "i.user.sessions.length === 3 && i.user.sessions[2].serverId === 'c' && i.params.me.sessions.length === 3",
        "Object.keys(i.user).includes('sessions') && JSON.parse(JSON.stringify(i)).user.sessions.length === 3",
        "i.extra[1] === 2 && i.sequence === 5 && i.servers.length === 3",
        "i.now === 1795195800000 && i.time.ms === i.now && i.time.hour === 11 && i.time.minute === 30 && i.time.weekday === 5 && i.time.offset_min === -360",
        "!JSON.stringify(i).includes('secret')",
    ] {
        assert_eq!(stand.id(&format!("i => {truth} ? 'b' : 'a'")), "b", "{truth}");
    }
    let text = "function score(node, request) { return request.user.sessions.length + ('servers' in request) + ('nodes' in request) }";
    assert_eq!(stand.call(text, "score", "a", Argument::Request).unwrap(), CallAnswer::Score(Score::Number(3.0)));
    let nobody = Stand::with(three(), json!({}));
    assert_eq!(nobody.id("i => i.user.login === '' && i.user.sessions.length === 0 ? 'b' : 'a'"), "b");
}

#[test]
fn fields_that_a_script_does_not_name_are_there_all_the_same() {
    let stand = Stand::with(three(), json!({"user": {"login": "u0"}, "data": {"app": "maya"}, "extra": {"x": 1}}));
    for truth in [
        "i['us' + 'er'].login === 'u0' && i['us' + 'er'].sessions.length === 3",
        "JSON.parse(JSON.stringify(i)).data.app === 'maya'",
        "({...i}).params.me.login === 'u0'",
        "Object.values(i).length === Object.keys(i).length",
        "(() => { for (var k in i) if (i[k] === undefined) return false; return true })()",
        "(() => { try { return i['da' + 'ta'].app === 'maya' } catch (e) { return false } })()",
        "(function () { return arguments[0][['ti', 'me'].join('')].hour })(i) === 11",
        "(function ({['ex' + 'tra']: {x}}) { return x })(i) === 1",
        "Object.entries(i).find(e => e[0] === 'lo' + 'cal')[1].serverId === 'here'",
        "Object.assign({}, i).userGroups.length === 0",
    ] {
        let script =
            stand.load(&format!("console.log('top'); i => {{ console.log('call'); return {truth} ? 'b' : 'a' }}"));
        for _ in 0..2 {
            let returned = stand.balance(&*script, &stand.candidates()).unwrap();
            assert_eq!(returned, ReturnedValue::Id("b".to_owned()), "{truth}");
            assert_eq!(stand.log.take().len(), 2, "{truth}");
        }
    }
    let replaced = "i => { i.us\u{65}r = 5; i['da' + 'ta'] = 6; return i.user + i['data'] === 11 ? 'b' : 'a' }";
    assert_eq!(stand.id(replaced), "b");
}

#[test]
fn time_and_chance_come_from_the_request() {
    let mut stand = Stand::new();
    for truth in [
        "Date.now() === i.now && new Date().getTime() === i.now && +new Date === i.now",
        "new Date().getHours() === 11 && new Date(i.now).getHours() === 11 && new Date().getTimezoneOffset() === 360",
        "new Date().getDay() === 5 && new Date(2026, 6, 1).getTimezoneOffset() === 300",
        "new Date('2025-11-20 23:00').getHours() === 23 && Date.parse('2025-11-20 23:00') === Date.parse('2025-11-20T23:00')",
        "new Date() instanceof Date && new Date(5).constructor === Date && Date.prototype.constructor === Date && typeof Date() === 'string'",
        "Date.UTC(1970, 0, 1) === 0 && new Date(2025, 0, 2).getDate() === 2 && isNaN(new Date('x')) && new Date(new Date(7)).getTime() === 7",
        "(() => { class D extends Date { two() { return 2 } } return new D(5).getTime() + new D().two() === 7 })()",
        "Math.random() >= 0 && Math.random() < 1 && Math.random() !== Math.random()",
        "typeof performance === 'undefined' && typeof WeakRef === 'undefined' && typeof Atomics === 'undefined'",
        "typeof SharedArrayBuffer === 'undefined' && typeof FinalizationRegistry === 'undefined' && typeof Temporal === 'undefined'",
    ] {
        assert_eq!(stand.id(&format!("i => {truth} ? 'b' : 'a'")), "b", "{truth}");
    }
    assert_eq!(stand.moment.ms, NOW_MS);
    let text = "i => [Math.random(), Math.random()].join()";
    let first = stand.id(text);
    assert_eq!(stand.id(text), first);
    let eager = "const r = Math.random(); i => [r, Math.random()].join()";
    assert_eq!(stand.id(eager), first, "the top level draws from the same stream");
    stand.seed = 8;
    assert_ne!(stand.id(text), first);

    let script = stand.load("function score(node, request) { return Math.random() }");
    let ask = |order: [&str; 3]| {
        let mut run = script.open(stand.scene()).unwrap();
        order.map(|id| run.call(Call::Score(&stand.candidate(id), Argument::Request)).unwrap())
    };
    let (there, mut back) = (ask(["a", "b", "c"]), ask(["c", "b", "a"]));
    back.reverse();
    assert_eq!(there, back, "lazy and eager evaluation agree");
    assert_ne!(there[0], there[1]);
}

#[test]
fn a_pure_function_has_neither_clock_nor_dice() {
    let stand = Stand::new();
    for (text, word) in [
        ("function score(node) { return Math.random() }", "Math.random"),
        ("const r = Math.random(); function score(node) { return r }", "Math.random"),
        ("function score(node) { return Date.now() }", "Date"),
        ("function score(node) { return new Date().getHours() }", "Date"),
        ("const t = Date(); function score(node) { return 1 }", "Date"),
        ("function score(node) { try { return Date.now() } catch (e) { return 1 } }", "Date"),
    ] {
        let error = stand.call(text, "score", "a", Argument::Nothing).unwrap_err();
        assert!(error.message().contains(word) && error.message().contains("second parameter"), "{text}: {error:?}");
        assert!(matches!(error, ScriptError::Thrown(..)));
    }
    let fixed = "function score(node) { return new Date(2026, 0, 1).getMonth() }";
    assert_eq!(stand.call(fixed, "score", "a", Argument::Nothing).unwrap(), CallAnswer::Score(Score::Number(0.0)));
}

#[test]
fn what_is_logged_stands_in_the_log() {
    let stand = Stand::new();
    let text = "i => { console.log('plain', 1, true, null, undefined); console.info({a: [1, 'x']}, [2]); console.debug(Symbol('s'), 5n, () => 1);\n\
                console.warn(new TypeError('bad')); console.error('worse'); var c = {}; c.c = c; console.log(c, new Map()); console.trace('t'); console.table([1]) }";
    stand.returned(text).unwrap();
    let lines: Vec<_> = stand.lines().into_iter().map(|line| (line.level, line.text)).collect();
    let line = |level, text: &str| (level, text.to_owned());
    assert_eq!(
        lines,
        [
            line(LogLevel::Info, "plain 1 true null undefined"),
            line(LogLevel::Info, "{\"a\":[1,\"x\"]} [2]"),
            line(LogLevel::Info, "Symbol(s) 5n [function]"),
            line(LogLevel::Warn, "TypeError: bad"),
            line(LogLevel::Error, "worse"),
            line(LogLevel::Info, "[object] {}"),
            line(LogLevel::Error, "t"),
            line(LogLevel::Info, "[1]"),
        ]
    );
    stand.returned("i => { for (var n = 0; n < 1e4; n++) console.log(n + 'x'.repeat(1e4)) }").unwrap();
    let lines = stand.lines();
    assert_eq!(lines.len(), 100 - 8 + 1);
    assert!(lines.iter().all(|line| line.text.len() <= stand.limits.text_bytes + 3));
    let failing = Stand::new();
    assert!(failing.returned("i => { console.log('before'); throw 1 }").is_err());
    assert_eq!(failing.lines().len(), 1);
    let again = Stand::new();
    again.returned("console.log('top'); i => { console.log('once'); i.nodes[0].urls.push(1) }").unwrap();
    assert_eq!(again.lines().len(), 2, "a repeated call logs once");
}

#[test]
fn every_method_of_the_console_is_there() {
    let stand = Stand::new();
    let text = "console.count('top');
        function balance(i) {
            console.group('servers', 2); console.log('%s has %d of %i, %j%%', 'a', 1.5, 2.7, {x: 1}, 'more'); console.groupEnd();
            console.assert(true, 'never'); console.assert(0, 'no %s', 'node'); console.assert(false); console.count(); console.count();
            console.countReset(); console.count('top'); console.countReset('none'); console.time('pick'); console.time('pick');
            console.timeLog('pick', 'so far'); console.timeEnd('pick'); console.timeEnd('pick'); console.groupCollapsed(); console.dir({a: 1}, {depth: 0});
            console.dirxml('d'); console.clear(); console.profile(); console.profileEnd(); console.timeStamp(); console.groupEnd(); console.groupEnd();
            return console.createTask('t').run(() => 'b');
        }";
    assert_eq!(stand.id(text), "b");
    let lines: Vec<_> = stand.lines().into_iter().map(|line| line.text).collect();
    let expected = [
        "top: 1",
        "servers 2",
        "  a has 1.5 of 2, {\"x\":1}% more",
        "Assertion failed: no node",
        "Assertion failed",
        "default: 1",
        "default: 2",
        "top: 2",
        "Count for 'none' does not exist",
        "Label 'pick' already exists for console.time()",
        "pick: 0ms so far",
        "pick: 0ms",
        "No such label 'pick' for console.timeEnd()",
        "  {\"a\":1}",
        "  d",
    ];
    assert_eq!(lines, expected);
    // The next run counts anew.
    assert_eq!(stand.id(text), "b");
    assert_eq!(stand.lines().first().map(|line| line.text.clone()), Some("top: 1".to_owned()));
}

#[test]
fn what_is_left_for_later_runs_with_the_promises() {
    let stand = Stand::new();
    let text = "async i => { let x = 'a'; queueMicrotask(() => { x = 'b' }); await null; await null; return x }";
    assert_eq!(stand.id(text), "b");
    assert_eq!(stand.id("async i => { const l = await Array.fromAsync(i.servers, async s => s.id); for await (const x of l) return x }"), "a");
    assert_eq!(stand.id("async i => (await Array.fromAsync({length: 2, 0: 'a', 1: Promise.resolve('b')}))[1]"), "b");
    // What a script that returned at once leaves behind is dropped.
    assert_eq!(stand.id("i => { queueMicrotask(() => { throw new Error('late') }); return 'a' }"), "a");
    assert_eq!(stand.id("i => 'b'"), "b");
}

#[test]
fn sorting_survives_any_comparator() {
    let many = (0..40).map(|n| json!({"id": format!("m{n:02}"), "freemem": n % 7})).collect();
    let stand = Stand::with(many, json!({}));
    for truth in [
        "i.servers.sort(() => Math.random() - 0.5).length === 40",
        "i.servers.sort((a, b) => b.missing - a.missing)[0].id === 'm00'",
        "i.servers.sort(() => 1).length === 40 && i.servers.sort(() => -1).length === 40",
        "i.servers.sort((a, b) => a.freemem < b.freemem)[0] !== undefined",
        "i.servers.sort((a, b) => b.freemem - a.freemem).slice(0, 2).map(n => n.id).join() === 'm06,m13'",
        "[3, 1, 10, 2].sort().join() === '1,10,2,3' && [3, 1, 10, 2].sort((a, b) => a - b).join() === '1,2,3,10'",
        "[3, undefined, 1, , 2].sort().length === 5 && !(4 in [3, undefined, 1, , 2].sort())",
        "[2, 1].toSorted().join() === '1,2' && (a => a.toSorted().join() + a.join())([2, 1]) === '1,22,1'",
        "new Uint8Array([3, 1, 2]).sort().join() === '1,2,3' && new Float64Array([1, NaN, -1]).sort((a, b) => NaN).length === 3",
        "new Int8Array([3, 1, 2]).toSorted((a, b) => b - a).join() === '3,2,1'",
        "Array.prototype.sort.call({length: 2, 0: 'b', 1: 'a'})[0] === 'a'",
        "(() => { try { [2, 1].sort(() => { throw new Error('c') }) } catch (e) { return e.message === 'c' } })()",
        "(() => { try { [2, 1].sort(5) } catch (e) { return e instanceof TypeError } })()",
        "[{k: 1, v: 'a'}, {k: 0, v: 'b'}, {k: 1, v: 'c'}].sort((x, y) => x.k - y.k).map(x => x.v).join('') === 'bac'",
        "[3, 2, 1].sort((a, b) => ({valueOf() { return a - b }})).join() === '1,2,3'",
    ] {
        assert_eq!(stand.id(&format!("i => {truth} ? 'b' : 'a'")), "b", "{truth}");
    }
}
