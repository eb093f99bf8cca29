//! Programs that stay running, as real processes: the helpers of `scripts/`, their examples, and what `new exec` writes.
//!
//! The wire is that of `scripts/PROTOCOL.md`, written here by hand: whatever reads these lines must keep to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::shell::{Shell, Told};
use serde_json::{Value, json};

/// An interpreter with the extension of its programs.
const LANGUAGES: [(&str, &str); 2] = [("python3", "py"), ("node", "js")];

fn script(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "scripts", name].iter().collect()
}

/// A folder; Python leaves no compiled copies beside what it imports.
fn shell() -> Shell {
    Shell::new().with("PYTHONDONTWRITEBYTECODE", "1")
}

/// The answers of `program` to `lines`, once its input has ended.
#[track_caller]
fn converse(shell: &Shell, program: &Path, lines: &[Value]) -> (Vec<Value>, Told) {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let told = shell.run(program, std::iter::empty::<&str>(), &input);
    assert_eq!(told.code, Some(0), "{}: {}", program.display(), told.stderr);
    let answers = told.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (answers, told)
}

/// Checks what `program` answers to `lines`, request by request; a pass may also be an absent answer.
#[track_caller]
fn check(shell: &Shell, program: &Path, lines: &[Value], expected: &[Value]) -> Told {
    let (mut answers, told) = converse(shell, program, lines);
    for answer in &mut answers {
        let line = answer.as_object_mut().unwrap();
        if !line.contains_key("error") {
            line.entry("answer").or_insert(Value::Null);
        }
    }
    let name = program.display();
    assert_eq!(answers, expected, "{name}: {}", told.stderr);
    told
}

/// A program of `function`'s lines in the language of `extension`, on top of the helper.
fn program(shell: &Shell, extension: &str, function: &str) -> PathBuf {
    shell.write(&format!("resident.{extension}"), std::fs::read(script(&format!("resident.{extension}"))).unwrap());
    let text = match extension {
        "py" => format!("#!/usr/bin/env python3\nfrom resident import serve\n{function}\nserve(decide)\n"),
        _ => {
            format!("#!/usr/bin/env node\nconst {{ serve }} = require('./resident.js');\n{function}\nserve(decide);\n")
        }
    };
    let path = shell.write(&format!("decide.{extension}"), text);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn node(id: &str, sessions: u32) -> Value {
    json!({"node": {"id": id, "sessions": sessions, "nodeData": {"sessions": []}}})
}

fn request(number: u32) -> Value {
    json!({"request": number, "input": {"action": "session/start", "user": {"login": "ann"}}})
}

/// `request(number)` with further fields.
fn request_with(number: u32, fields: Value) -> Value {
    let mut request = request(number);
    request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    request
}

fn answer(number: u32, said: Value) -> Value {
    json!({"request": number, "answer": said})
}

#[test]
fn the_examples_follow_the_cluster() {
    let lines = [
        request(0),
        node("b", 3),
        node("a", 3),
        json!({"node": {"id": "dark"}}),
        request(1),
        node("b", 1),
        request(2),
        json!({"gone": "b"}),
        json!({"gone": "never"}),
        request(3),
        node("b", 0),
        request(4),
        request_with(5, json!({"candidates": ["dark", "a"]})),
        request_with(6, json!({"candidates": ["dark"]})),
        request_with(7, json!({"candidates": []})),
        request_with(8, json!({"overlays": {"a": {"sessions": -1}}})),
        request_with(9, json!({"candidates": ["dark", "a"], "overlays": {"dark": {"sessions": 2}}})),
        request(10),
        json!({"something": "of a later version"}),
        request(11),
    ];
    let expected = [
        answer(0, Value::Null),
        answer(1, json!("a")),
        answer(2, json!("b")),
        answer(3, json!("a")),
        answer(4, json!("b")),
        answer(5, json!("a")),
        answer(6, json!("dark")),
        answer(7, Value::Null),
        answer(8, json!("a")),
        answer(9, json!("dark")),
        answer(10, json!("b")),
        answer(11, json!("b")),
    ];
    for extension in ["py", "js"] {
        let example = script(&format!("resident-fewest.{extension}"));
        assert_eq!(std::fs::metadata(&example).unwrap().permissions().mode() & 0o111, 0o111);
        check(&shell(), &example, &lines, &expected);
    }
}

/// The function sees ids in the order of their bytes, in a list that it cannot spoil for the next question.
#[test]
fn nodes_come_in_order_whatever_is_done_to_the_list() {
    let decide = [
        (
            "py",
            "def decide(nodes, input):\n    try: nodes.clear()\n    except AttributeError: return [node['id'] for node in nodes]",
        ),
        (
            "js",
            "const decide = (nodes) => { try { nodes.reverse(); } catch { return nodes.map((node) => node.id); } };",
        ),
    ];
    let lines = [
        node("b", 1),
        node("\u{10400}", 1),
        node("\u{ff5e}", 1),
        node("B", 1),
        node("a\u{2028}", 1),
        request(1),
        node("b", 2),
        request(2),
        node("aa", 2),
        request(3),
        request_with(4, json!({"candidates": ["b", "aa"]})),
    ];
    let all = json!(["B", "a\u{2028}", "b", "\u{ff5e}", "\u{10400}"]);
    let more = json!(["B", "aa", "a\u{2028}", "b", "\u{ff5e}", "\u{10400}"]);
    let expected = [answer(1, all.clone()), answer(2, all), answer(3, more), answer(4, json!(["b", "aa"]))];
    for (extension, function) in decide {
        let shell = shell();
        check(&shell, &program(&shell, extension, function), &lines, &expected);
    }
}

#[test]
fn whatever_a_function_returns_is_answered() {
    let python = "
def decide(nodes, input):
    ask = input['ask']
    if ask == 'nothing': return None
    if ask == 'id': return 'a'
    if ask == 'node': return nodes[0]
    if ask == 'nodes': return nodes
    if ask == 'tuple': return ('b', nodes[0])
    if ask == 'added': return [{**nodes[0], 'rank': 1}, nodes[1]]
    if ask == 'nan': return float('nan')
    if ask == 'chatty': print('chatty'); return 'a'
    if ask == 'refuse': raise Exception('All GPU nodes are in use')
    if ask == 'exit': raise SystemExit('no node of that group')
    if ask == 'silent': raise ValueError()
    return list(nodes)[9]['id']";
    let node_js = "
async function decide(nodes, input) {
  const { ask } = input;
  if (ask === 'nothing') return;
  if (ask === 'id') return Promise.resolve('a');
  if (ask === 'node') return nodes[0];
  if (ask === 'nodes') return nodes;
  if (ask === 'tuple') return ['b', nodes[0]];
  if (ask === 'added') return [{ ...nodes[0], rank: 1 }, nodes[1]];
  if (ask === 'nan') throw new RangeError('Out of range float values are not JSON compliant');
  if (ask === 'chatty') { console.log('chatty'); return 'a'; }
  if (ask === 'refuse') throw new Error('All GPU nodes are in use');
  if (ask === 'exit') throw 'no node of that group';
  if (ask === 'silent') throw new class ValueError extends Error { name = 'ValueError'; toString() { return this.name; } };
  throw new TypeError('list index out of range');
}";
    let asks =
        ["nothing", "id", "node", "nodes", "tuple", "added", "nan", "chatty", "refuse", "exit", "silent", "bug", "id"];
    let mut lines = vec![json!({"node": {"id": "a", "gpu": true}}), json!({"node": {"id": "b"}})];
    lines.extend((0..).zip(asks).map(|(number, ask)| json!({"request": number, "input": {"ask": ask}})));
    let error = |number: u32, words: &str| json!({"request": number, "error": words});
    let expected = [
        answer(0, Value::Null),
        answer(1, json!("a")),
        answer(2, json!({"id": "a", "gpu": true})),
        answer(3, json!(["a", "b"])),
        answer(4, json!(["b", "a"])),
        answer(5, json!([{"id": "a", "gpu": true, "rank": 1}, "b"])),
        error(6, "Out of range float values are not JSON compliant"),
        answer(7, json!("a")),
        error(8, "All GPU nodes are in use"),
        error(9, "no node of that group"),
        error(10, "ValueError"),
        error(11, "list index out of range"),
        answer(12, json!("a")),
    ];
    for (extension, function) in [("py", python), ("js", node_js)] {
        let shell = shell();
        let told = check(&shell, &program(&shell, extension, function), &lines, &expected);
        assert!(told.stderr.contains("chatty"), "what it prints is its log: {}", told.stderr);
        assert!(told.stderr.contains("list index out of range"), "a mistake is traced: {}", told.stderr);
        assert!(!told.stderr.contains("All GPU nodes"), "a refusal is none: {}", told.stderr);
    }
}

/// An answer is out before the next question is in, and a line may come in pieces.
#[test]
fn an_answer_does_not_wait_for_more_input() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    for (interpreter, extension) in LANGUAGES {
        let mut child = Command::new(interpreter)
            .arg(script(&format!("resident-fewest.{extension}")))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        for number in 0..5 {
            let lines = format!("{}\n{}\n", node(&format!("n{}\u{fc}", 9 - number), 1), request(number));
            let (first, second) = lines.as_bytes().split_at(lines.find('\u{fc}').unwrap() + 1);
            for piece in [first, second] {
                input.write_all(piece).unwrap();
                input.flush().unwrap();
            }
            let said: Value = serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap();
            assert_eq!(said, answer(number, json!(format!("n{}\u{fc}", 9 - number))), "{interpreter}");
        }
        drop(input);
        assert!(child.wait().unwrap().success() && answers.next().is_none(), "{interpreter}");
    }
}

#[test]
fn a_line_that_is_no_json_ends_the_program() {
    for extension in ["py", "js"] {
        let example = script(&format!("resident-fewest.{extension}"));
        let told = shell().run(&example, std::iter::empty::<&str>(), "{\"request\": 1\n");
        assert_eq!((told.code, told.stdout.as_str()), (Some(1), ""), "{extension}: {}", told.stderr);
        assert!(told.stderr.contains("JSON"), "{extension}: {}", told.stderr);
    }
}

#[test]
fn new_programs_that_stay_running_need_nothing_beside_them() {
    let shell = shell();
    let working = json!({"node": {"id": "b", "sessions": 9, "nodeData": {"sessions": [{"user": "ann"}]}}});
    let dark = json!({"node": {"id": "0", "nodeData": {"sessions": []}}});
    let zoe = json!({"request": 3, "input": {"user": {"login": "zoe"}}});
    let nobody = json!({"request": 4, "input": {"user": {}}});
    let lines = [request(0), dark, node("a", 1), request(1), working, request(2), zoe, nobody];
    let expected = [
        answer(0, Value::Null),
        answer(1, json!("a")),
        answer(2, json!("b")),
        answer(3, json!("a")),
        answer(4, json!("a")),
    ];
    for (language, file) in [("python", "kept.py"), ("node", "kept.js")] {
        let told = shell.whither(["new", "exec", "kept", "--resident", "--in", language]);
        assert_eq!((told.code, told.stdout.as_str()), (Some(0), ""), "{}", told.stderr);
        assert!(told.stderr.contains(&format!("| ./{file}")) && told.stderr.contains("mode = \"resident\""));
        check(&shell, &shell.folder().join(file), &lines, &expected);
        // What it says to try works as it is written.
        let by_hand = told.stderr.lines().find_map(|line| line.strip_prefix("try: ")).unwrap();
        let tried = shell.run(Path::new("/bin/sh"), ["-c", by_hand], "");
        let said: Value = serde_json::from_str(&tried.stdout).unwrap();
        assert_eq!(said, answer(1, json!("a")), "{}", tried.stderr);
    }
}

/// Whatever PROTOCOL.md shows as a program is one.
#[test]
fn the_programs_of_the_page_run() {
    let page = include_str!("../../scripts/PROTOCOL.md");
    let block = |language: &str| {
        let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let gpu = json!({"node": {"id": "g", "sessions": 2, "metadata": {"gpu": "true"}}});
    let plain = json!({"node": {"id": "p", "sessions": 0, "metadata": {}}});
    for (language, extension) in [("python", "py"), ("js", "js")] {
        let shell = shell();
        let helper = format!("resident.{extension}");
        shell.write(&helper, std::fs::read(script(&helper)).unwrap());
        let path = shell.write(&format!("gpu.{extension}"), block(language));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let lines = [plain.clone(), request(1), gpu.clone(), request(2)];
        let refused = json!({"request": 1, "error": "All GPU nodes are in use"});
        check(&shell, &path, &lines, &[refused, answer(2, json!("g"))]);
    }
}
