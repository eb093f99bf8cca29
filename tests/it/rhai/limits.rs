//! Scripts that take too much: each is stopped where it runs, and the next request finds everything as it was.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Alarm, Overtime, Stopped, Wake};
use whither::evaluator::{Evaluator, EvaluatorHost, Question};
use whither::model::{Arrangement, Change, LimitKind, Outcome, Report, Request};
use whither::script::{Argument, Call, ReturnedValue, ScriptError};

use super::stand::{Stand, three};

/// Rings after so many looks at it.
#[derive(Debug)]
struct After(Cell<u32>, Overtime);

impl Alarm for After {
    fn overtime(&self) -> Option<Overtime> {
        self.0.set(self.0.get().saturating_sub(1));
        (self.0.get() == 0).then_some(self.1)
    }

    fn on_overtime(&self, _wake: Wake) {}

    fn acknowledge(&self) {}
}

/// Rings from so many milliseconds after it was made: Rhai may swallow what ends it within a text, but not the next one.
#[derive(Debug)]
struct Clock(Instant);

impl Clock {
    fn start(ms: u64) -> Rc<Self> {
        Rc::new(Self(Instant::now() + Duration::from_millis(ms)))
    }
}

impl Alarm for Clock {
    fn overtime(&self) -> Option<Overtime> {
        (Instant::now() >= self.0).then_some(Overtime::Step)
    }

    fn on_overtime(&self, _wake: Wake) {}

    fn acknowledge(&self) {}
}

#[track_caller]
fn is_limit(stand: &Stand, script: &str, kind: LimitKind, words: &str) {
    let start = Instant::now();
    match stand.returned(script) {
        Err(ScriptError::Limit(found, message)) => {
            assert_eq!(found, kind, "{script}: {message}");
            assert!(message.contains(words), "{script}: {message}");
        }
        other => panic!("{script}: {:.300}", format!("{other:?}")),
    }
    println!("{:6} ms {script:.80}", start.elapsed().as_millis());
    // Too few operations for a look at an alarm that rings by now.
    assert_eq!(stand.id("fn balance(input) { `b` }"), "b", "after {script}");
}

#[test]
fn hostile_scripts_end_with_the_limit_that_they_pass() {
    // A worker's stack, as scripts have it there.
    let work = || {
        let (time, memory) = ((LimitKind::Time, "CPU time"), (LimitKind::Memory, "too large"));
        let deep = (LimitKind::Memory, "64 levels");
        for (body, (kind, words)) in [
            ("loop { }", time),
            ("while true { }", time),
            ("let x = 0; for i in 0..99999999999 { x += 1; }", time),
            ("try { loop { } } catch { return `a`; }", time),
            ("loop { try { throw 1; } catch { } }", time),
            ("input.nodes.filter(|n| { loop { } })", time),
            ("let f = |x| { for i in 0..1000000 { random(); } true }; loop { input.nodes.filter(f); }", time),
            ("let l = [3, 2, 1, 0]; l.sort(|a, b| { loop { } })", time),
            ("for i in 0..1000 { for j in 0..1000 { for k in 0..1000 { random(); } } }", time),
            ("let s = `x`; loop { s += s; }", memory),
            ("let s = `x`; loop { s = s + s; }", memory),
            ("let s = `x`; loop { s = `${s}${s}`; }", memory),
            ("let s = ``; s.pad(1000000000, `x`);", memory),
            ("let a = [0]; loop { a += a; }", memory),
            ("let a = [0]; loop { a = a + a; }", memory),
            ("let a = [0]; loop { a.append(a); }", memory),
            ("let a = []; loop { a.push(`0123456789012345678901234567890123456789`); }", memory),
            ("let a = []; a.pad(1000000000, 0);", memory),
            ("let a = blob(1000000000);", memory),
            ("let a = []; loop { a = [a, a]; }", memory),
            ("let m = #{}; for i in 0..10000000 { m[`${i}`] = i; m.len(); }", memory),
            ("let m = #{a: 1}; loop { m = #{a: m, b: m}; }", memory),
            ("let n = input.nodes[0].metadata; for i in 0..10000000 { n[`${i}`] = i; n.len(); }", memory),
            ("let u = input.nodes[0].urls; loop { u.push(1); }", memory),
            ("let s = `x`; s.replace(`x`, `xx`); loop { s.replace(`x`, `xx`); }", memory),
            ("f(0)", deep),
            ("let f = |f| f.call(f); f.call(f)", deep),
            ("input.nodes[0].g()", deep),
        ] {
            let script = format!("fn balance(input) {{ {body} }} fn f(x) {{ f(x + 1) + 1 }} fn g() {{ this.g() }}");
            // What is slow in a build for tests must not run out of time where it is not about that.
            let ms = if kind == LimitKind::Time { 250 } else { 60_000 };
            is_limit(&Stand::new().in_language("rhai", Clock::start(ms)), &script, kind, words);
        }
        is_limit(&Stand::speaking("rhai"), "loop { }\nfn balance(input) { `a` }", LimitKind::Time, "operations");
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn a_list_of_very_many_is_refused() {
    let mut stand = Stand::speaking("rhai");
    stand.limits.returned_elements = 100;
    let stand = stand.in_language("rhai", Rc::new(whither::clock::Silent));
    is_limit(
        &stand,
        "fn balance(input) { let a = []; for i in 0..101 { a.push(`a`); } a }",
        LimitKind::Output,
        "at most 100 are accepted",
    );
}

#[test]
fn the_alarm_stops_what_runs() {
    for (overtime, words) in [(Overtime::Step, "used up its CPU time"), (Overtime::Call, "CPU time for one node")] {
        let stand = Stand::new().in_language("rhai", Rc::new(After(Cell::new(1_000), overtime)));
        match stand.returned("fn balance(input) { loop { } }") {
            Err(ScriptError::Limit(LimitKind::Time, message)) => assert!(message.contains(words), "{message}"),
            other => panic!("{other:?}"),
        }
    }
}

/// Rhai looks through all that a value holds at each operation on it, and counts neither that nor what is nested.
#[test]
fn what_grows_slower_and_slower_ends_in_time() {
    let work = || {
        for body in [
            "let a = []; for i in 0..50000 { a = [a]; }",
            "let a = 0; for i in 0..50000 { a = #{a: a}; }",
            "let m = #{}; for i in 0..100000000 { m[`${i}`] = i; }",
            "let m = #{}; let l = []; l.pad(9000, 0); for i in 0..100000000 { m[`${i}`] = l; }",
            "let f = |x| x; let l = []; l.pad(9000, 0); for i in 0..100000000 { input.nodes[0][`${i}`] = l; }",
            "let l = []; l.pad(9000, 0); fn f(l) { let m = l; m[0] = 1; f(m) } loop { f(l); }",
        ] {
            let stand = Stand::new().in_language("rhai", Clock::start(250));
            let (body, functions) =
                body.split_once("fn f").map_or((body.to_owned(), String::new()), |(before, after)| {
                    let (function, after) = after.split_once("} ").unwrap();
                    (format!("{before}{after}"), format!("fn f{function}}}"))
                });
            let start = Instant::now();
            let found = stand.returned(&format!("fn balance(input) {{ {body} }} {functions}"));
            let took = start.elapsed();
            assert!(matches!(found, Err(ScriptError::Limit(..))), "{body}: {found:?}");
            assert!(took < Duration::from_secs(5), "{body}: {took:?}");
        }
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap();
}

#[test]
fn comparators_of_every_kind_end() {
    let stand = Stand::speaking("rhai");
    for comparator in
        ["random() - 0.5", "0.0 / 0.0", "1", "-1", "true", "false", "x ?? 0", "if random() < 0.5 { 1 } else { -1 }"]
    {
        let script = format!(
            "fn balance(input) {{ let l = []; for i in 0..200 {{ l.push(i); }} l.sort(|x, y| {comparator}); `${{l.len()}}` }}"
        );
        assert_eq!(stand.id(&script), "200", "{comparator}");
    }
    let (_, message, _) = stand.thrown("fn balance(input) { let l = [2, 1]; l.sort(|x, y| { throw `no order`; }); l }");
    assert_eq!(message, "no order");
    let (_, message, _) = stand.thrown("fn balance(input) { let l = [2, `x`]; l.sort(); l }");
    assert!(message.contains("give `sort` a comparator"), "{message}");
    assert_eq!(stand.id("fn balance(input) { let l = [2.5, 1, 0.0/0.0, 3]; l.sort(); `${l[0]} ${l[1]}` }"), "1 2.5");
}

/// Each is either refused when it is loaded, or runs; neither takes the process along.
#[test]
fn deep_sources_are_refused_or_run() {
    let work = || {
        let stand = Stand::speaking("rhai");
        let sources: Vec<String> = [100, 1_000, 20_000]
            .into_iter()
            .flat_map(|times: usize| {
                let repeat = |before: &str, middle: &str, after: &str| {
                    format!("fn balance(input) {{ {}{middle}{}; `a` }}", before.repeat(times), after.repeat(times))
                };
                [
                    repeat("(", "1", ")"),
                    repeat("[", "1", "]"),
                    repeat("#{a:", "1", "}"),
                    repeat("{", "1", "}"),
                    repeat("if true {", "1", "}"),
                    repeat("if false { 1 } else ", "{ 2 }", ""),
                    repeat("while false {", "1", "}"),
                    repeat("!", "true", ""),
                    repeat("- ", "1", ""),
                    repeat("1 + ", "1", ""),
                    repeat("1 ** ", "1", ""),
                    repeat("true && ", "true", ""),
                    repeat("let x = `${", "1", "}`"),
                    repeat("|x| ", "x", ""),
                    repeat("f(", "1", ")"),
                    repeat("let x = #{}; x", "", ".a"),
                    repeat("let x = []; x", "", "[0]"),
                    repeat("let x = input; x", "", "?.a"),
                    repeat("let x = input; x", "", ".len()"),
                    repeat("/*", "", "*/"),
                    repeat("switch 1 { _ => ", "1", "}"),
                    repeat("try {", "1", "} catch {}"),
                    repeat("() ?? ", "1", ""),
                    repeat("return ", "1", ""),
                    repeat("1;", "1", ""),
                    repeat("let y = 1;", "1", ""),
                ]
            })
            .filter(|source| source.len() < 250_000)
            .collect();
        for source in sources {
            match stand.try_load(&source) {
                Err(error) => assert!(!error.message.is_empty()),
                Ok(script) => {
                    let found = stand.balance(&*script, &stand.candidates());
                    let is_fine = match &found {
                        Ok(returned) => {
                            *returned == ReturnedValue::Id("a".into())
                                || *returned == ReturnedValue::Other("the number 1".into())
                        }
                        Err(_) => true,
                    };
                    assert!(is_fine, "{source:.60}: {found:?}");
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap();
}

/// A filter that hangs costs its node; the engine says so, and the next call goes on.
#[test]
fn a_call_that_is_stopped_leaves_nothing_behind() {
    let stand = Stand::speaking("rhai");
    let script = stand.load("fn filter(node) { node.mark = 1; if node.id == `b` { loop { } } true }");
    let call = |id: &str| script.open(stand.pure_scene())?.call(Call::Filter(&stand.candidate(id), Argument::Nothing));
    assert!(matches!(call("b"), Err(ScriptError::Limit(LimitKind::Time, _))));
    assert!(call("a").is_ok());
}

/// What the alarm rings for decides what is lost: a call costs its node, a step that is out of time its request.
#[test]
fn a_call_costs_its_node_and_a_step_its_request() {
    let script = "fn score(node) { if node.id == `b` { loop { } } node.sessions }";
    let chain = ChainSpec::new("session/start", vec![StepSpec::new("hang.rhai", StepSource::script("rhai", script))]);
    for (overtime, placed) in [(Overtime::Call, true), (Overtime::Step, false)] {
        let alarm = Rc::new(After(Cell::new(1_000), overtime));
        let senses = EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm };
        let set = ChainSet::new(vec![chain.clone()]);
        let evaluator = Evaluator::new(&set, Arrangement::Arrival, senses, &mut |_| ());
        let mut evaluator = evaluator.unwrap_or_else(|errors| panic!("{errors:?}"));
        for node in three() {
            evaluator.apply(Change::Report(Arc::new(Report::from_value(node).unwrap())));
        }
        let ask = Ask {
            request: Arc::new(Request::from_value(json!({}), "").unwrap()),
            purpose: Purpose::Explain,
            about: None,
            anew: false,
            now_ms: 0,
            seed: 0,
            sequence: 0,
            limited: Vec::new(),
            assigned: None,
            cooling: Default::default(),
        };
        let Progress::Decided(decision) = evaluator.decide(&Question { decision: "d".into(), ask }) else {
            panic!("it waits for nobody");
        };
        match decision.outcome {
            Outcome::Placed(node) if placed => assert_eq!(&*node, "a"),
            Outcome::Failed(failure) if !placed => assert_eq!(failure.limit, Some(LimitKind::Time)),
            other => panic!("{overtime:?}: {other:?}"),
        }
    }
}
