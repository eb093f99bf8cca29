//! Steps that cannot be run, each with the words that help.

use std::os::unix::fs::PermissionsExt;

use super::{FEWEST, chose, failed, place, place_by_script, scripted, site};

#[test]
fn a_script_that_cannot_be_read_is_named() {
    let shell = site();
    shell.write("folder.js/file", "");
    for (name, content) in [
        ("empty.js", b"".as_slice()),
        ("blank.js", b" \r\n\t\n"),
        ("latin.js", b"// caf\xe9\n(input) => 1"),
        ("late.js", b"(input) =>\n\n'\xff'"),
        ("script", b"(input) => 1"),
        ("script.txt", b"(input) => 1"),
        ("script.rhai", b"1"),
    ] {
        shell.write(name, content);
    }
    for (step, words) in [
        ("none.js", vec!["`none.js`", "no such file"]),
        ("none/none.js", vec!["`none/none.js`", "no such file"]),
        ("folder.js", vec!["`folder.js`", "directory"]),
        ("empty.js", vec!["`empty.js`", "is empty"]),
        ("blank.js", vec!["`blank.js`", "is empty"]),
        ("latin.js", vec!["`latin.js`", "not UTF-8 on line 1"]),
        ("late.js", vec!["`late.js`", "not UTF-8 on line 3"]),
        ("script", vec!["`script`", "no known language", "`.js`"]),
        ("script.txt", vec!["`script.txt`", "no known language"]),
        ("", vec!["no path"]),
        ("builtin:magic", vec!["`magic`", "fewest-sessions", "sticky-user"]),
        ("builtin:", vec!["fewest-sessions"]),
        ("builtin:fewest-session", vec!["did you mean `builtin:fewest-sessions`"]),
        ("fewest-sessions", vec!["no such file", "did you mean `builtin:fewest-sessions`"]),
    ] {
        failed(&place(&shell, &["--script", step]), 2, &words);
        failed(&place(&shell, &["--script", FEWEST, "--script", step]), 2, &words);
    }
}

#[test]
fn a_source_has_a_size() {
    let shell = scripted(&format!("(input) => 'b' // {}", "x".repeat(300_000)));
    failed(&place_by_script(&shell, &[]), 2, &["`step.js`", "300018 bytes", "262144"]);
    let fitting = "(input) => 'b' //";
    let shell = scripted(&format!("{fitting}{}", "x".repeat(262_144 - fitting.len())));
    chose(&place_by_script(&shell, &[]), "b");
}

#[test]
fn what_does_not_compile_ends_with_4_and_names_its_place() {
    for (script, words) in [
        ("function(input) { return [; }", ["step.js:1:27", "syntax error"]),
        ("function balance(input) {\n  var x = ;\n}", ["step.js:2:11", "syntax error"]),
        ("const x = 1;", ["step.js", "no function"]),
        ("// only words", ["step.js", "no function"]),
        ("function score(node, request, more) { return 1; }", ["step.js", "one parameter"]),
        ("function helper(x) {}", ["step.js", "function"]),
        ("import fs from 'fs'; function balance(input) {}", ["step.js", "executable"]),
    ] {
        failed(&place_by_script(&scripted(script), &[]), 4, &words);
    }
    let deep = format!("(input) => {}1{}", "(".repeat(100), ")".repeat(100));
    failed(&place_by_script(&scripted(&deep), &[]), 4, &["step.js", "deeper than 64"]);
}

#[test]
fn every_step_that_does_not_compile_is_named_at_once() {
    let shell = scripted("function(input) { return [; }");
    shell.write("other.js", "const x = 1;");
    let told = place_by_script(&shell, &["--script", "other.js", "--script", FEWEST]);
    failed(&told, 4, &["step.js:1:27", "other.js", "no function"]);
}

#[test]
fn executables_are_told_from_scripts_by_their_run_bit() {
    let shell = scripted("#!/usr/bin/env node\n(input) => 'b'");
    chose(&place_by_script(&shell, &[]), "b");
    let path = shell.folder().join("step.js");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Node.js prints the value of no expression, and so the program passes.
    failed(&place_by_script(&shell, &[]), 3, &["no choice"]);
    std::fs::write(&path, "(input) => 'c'").unwrap();
    chose(&place_by_script(&shell, &[]), "c");
    shell.write("program.sh", "#!/bin/sh\necho b\n");
    failed(&place(&shell, &["--script", "program.sh"]), 2, &["`program.sh`", "chmod +x"]);
}

#[test]
fn what_editors_leave_in_a_file_is_no_mistake() {
    for script in [
        "\u{feff}(input) => 'b'",
        "(input) =>\r\n  'b'\r\n",
        "(input) => 'b'\n\n\n",
        "/* ü */ (input) => 'b' // ノード",
        "\n\n  (input) => 'b'",
    ] {
        chose(&place_by_script(&scripted(script), &[]), "b");
    }
}
