//! A short login storm: `whither bench --storm` over 100 and 1,000 nodes, 64 in flight, two seconds a row.
//!
//! The storm is a command, because an administrator runs it with scripts of his own; this bench is that command with
//! short cells, so that a change of the service has a figure before and after within two minutes. Options behind `--`
//! are the command's own, instead of those.

use std::process::{Command, ExitCode};

const SHORT: [&str; 6] = ["--sizes", "100,1000", "--in-flight", "64", "--seconds", "2"];
/// What cargo hands to every bench.
const FROM_CARGO: &str = "--bench";

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args().skip(1).filter(|argument| argument != FROM_CARGO).collect();
    if cfg!(debug_assertions) {
        println!("a debug build measures nothing; use cargo bench");
        return ExitCode::SUCCESS;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_whither"));
    command.args(["bench", "--storm"]);
    match given.as_slice() {
        [] => command.args(SHORT),
        given => command.args(given),
    };
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error}", env!("CARGO_BIN_EXE_whither"));
            ExitCode::FAILURE
        }
    }
}
