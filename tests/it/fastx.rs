//! FastX scripts as the product's guides describe them, unmodified, over servers and nodes of both generations.

use std::path::Path;

use crate::support::chain::Suite;

fn suite() -> Suite {
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastx");
    Suite::parse(include_str!("../fastx/cases.json"), Path::new(files))
}

#[test]
fn scripts_run_unmodified() {
    suite().run(|case| !case.runs_programs());
}

#[test]
fn executables_run_unmodified() {
    suite().run(|case| case.runs_programs());
}
