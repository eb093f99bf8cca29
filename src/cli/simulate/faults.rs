//! `whither simulate --faults`: the service in simulated worlds where everything goes wrong, as many as are wanted.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::exit::{self, CommandExit};
use crate::cli::output;
use crate::simulate::{FailedPlan, SimulationPlan, find};

/// The number of broken worlds after which the search ends.
const ENOUGH: usize = 5;
/// The interval between two moves of the bar.
const PERIOD: Duration = Duration::from_millis(200);

/// Reads `N`, for the worlds of the seeds below that, or `FROM..TO`.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| "expected N or FROM..TO, as 1000 or 7..8".to_owned());
    match text.split_once("..") {
        Some((from, to)) => Ok(number(from)?..number(to)?),
        None => Ok(0..number(text)?),
    }
}

/// Runs the worlds of `seeds` on all processors, and prints the story of each broken world.
///
/// # Errors
/// A world in which something is broken.
pub(super) fn run(seeds: &Range<u64>) -> Result<(), CommandExit> {
    let bar = ProgressBar::new(seeds.end.saturating_sub(seeds.start));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} worlds, {eta} left") {
        bar.set_style(style);
    }
    let (next, is_enough) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let (found, broken) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let failures = thread::scope(|scope| {
        for _ in 0..threads {
            let (next, is_enough, found) = (&next, &is_enough, found.clone());
            scope.spawn(move || {
                while !is_enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || found.send((seed, find(&SimulationPlan::of(seed)))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(found);
        let mut failures = Vec::new();
        let mut moved = std::time::Instant::now();
        for (done, (seed, result)) in broken.iter().enumerate() {
            if let Err(failed) = result {
                bar.suspend(|| output::aside(render_failure(seed, &failed)));
                failures.push(seed);
                is_enough.store(failures.len() >= ENOUGH, Ordering::Relaxed);
            }
            if moved.elapsed() >= PERIOD {
                bar.set_position(done as u64);
                moved = std::time::Instant::now();
            }
        }
        failures
    });
    bar.finish_and_clear();
    let worlds = next.load(Ordering::Relaxed).min(seeds.end).saturating_sub(seeds.start);
    match failures.is_empty() {
        true => output::answer(format_args!("{worlds} worlds, and nothing that must hold was broken")),
        false => Err(CommandExit::new(
            exit::OTHER,
            format!("{} of {worlds} worlds are broken: {failures:?}", failures.len()),
        )),
    }
}

/// Renders the story of a failed plan, reduced as far as possible.
fn render_failure(seed: u64, failed: &FailedPlan) -> String {
    let FailedPlan { plan, violations, story } = failed;
    let violations: String = violations.iter().map(|violation| format!("  {violation}\n")).collect();
    let story = story.join("\n");
    format!("The world of seed {seed} is broken. As small as it can be made:\n{plan}{violations}\n{story}")
}
