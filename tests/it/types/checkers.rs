//! The checkers from npm: TypeScript's, and ajv.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const NOT_CHECKED: &str = "types were not checked, because WHITHER_CHECKERS is not set: install Node.js and npm (Debian: \
    `apt install nodejs npm`) and run `make test`, which then installs the npm packages `typescript` and `ajv` and sets \
    the variable; or set it to the folder `node_modules` that has them";

/// The folder of the npm packages, as `make test` exports it; found out here where a test is run by hand. Without Node.js
/// there is none: a failure where CI is set, and said aloud elsewhere.
pub(crate) fn checkers() -> Option<PathBuf> {
    if let Some(given) = std::env::var_os("WHITHER_CHECKERS") {
        return Some(given.into());
    }
    let found = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/tools/type-checkers")).output().unwrap();
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let line = String::from_utf8(found.stdout).unwrap();
    let folder = line.trim().strip_prefix("export WHITHER_CHECKERS=").map(|path| path.trim_matches('\'').into());
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{NOT_CHECKED}");
        // `eprintln!` would be captured, and shown of a test that fails alone.
        std::io::stderr().write_all(format!("{NOT_CHECKED}\n").as_bytes()).unwrap();
    }
    folder
}

/// What TypeScript's checker says of the scripts in `folder`, all of which it looks at; empty where they are right.
pub(crate) fn tsc(checkers: &Path, folder: &Path) -> String {
    let mut command = Command::new("node");
    command.arg(checkers.join("typescript/bin/tsc")).args(["-p", "jsconfig.json", "--checkJs", "--pretty", "false"]);
    let output = command.current_dir(folder).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.success(), said.is_empty(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// What ajv says of each of `documents` under `schema`; nothing where the document is as the schema says.
pub(crate) fn ajv(checkers: &Path, schema: &Value, documents: &[Value]) -> Vec<Option<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/types/validate.cjs");
    let mut command = Command::new("node");
    command.arg(script).env("NODE_PATH", checkers).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let question = json!({"schema": schema, "documents": documents});
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
