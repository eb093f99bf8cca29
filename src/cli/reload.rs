//! `whither reload`: has every replica of the running service read its config again, and prints the results.
//!
//! Over NATS, and not by a signal or the HTTP port: replicas run on several machines, and each login that may take
//! nodes out of service may reload. Each replica reads its own file and answers for itself; each answer names the
//! number of replicas.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::output;
use super::remote::{RemoteArgs, ask_each};

/// The most time that the command waits for replicas to read their config and compile the scripts.
const COMPILING: Duration = Duration::from_secs(120);

/// Have the service read its config again, wait, and say what is wrong with it.
///
/// Every replica of the service reads its own config and compiles its scripts. Where that works, the new chains take
/// over as soon as their workers are ready; where it does not, the old ones stay.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 every replica has read its config · 1 no answer · 2 a config or a script cannot be used"
)]
pub struct ReloadArgs {
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Runs `whither reload`.
///
/// # Errors
/// A replica that did not answer in time, or a config or script that cannot be used.
pub fn run(args: &ReloadArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let answers = ask_each(&bus, namespace.reload(), &json!({}), COMPILING).await?;
        let (mut failed, count) = (0, answers.len());
        for answer in &answers {
            let text = |field: &str| answer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
            let problems = text("problems");
            match text("state").as_str() {
                "reloaded" => {
                    for note in answer.get("notes").and_then(Value::as_array).into_iter().flatten() {
                        output::aside(format_args!("note: {}", Plain(note.as_str().unwrap_or_default())));
                    }
                    let chains = Plain(text("chains"));
                    output::answer(format_args!(
                        "reloaded; its chains ({chains}) decide as soon as their workers are ready"
                    ))?;
                }
                _ => {
                    failed += 1;
                    problems.lines().for_each(|line| output::aside(Plain(line)));
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => {
                let message = format!("{failed} of {count} replicas cannot use the config; the old one stays there");
                Err(CommandExit::new(exit::USAGE, message))
            }
        }
    })
}
