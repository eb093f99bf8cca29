//! Metrics from executables: each executable file of a folder prints a JSON object, which becomes `metrics.NAME` of the
//! node, with the file's name without the extension.
//!
//! A failure leaves the last good value in force, marked: a script may still prefer that value to nothing, and can see
//! the value's age. The folder is read anew each time, so that executables come and go without a restart.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Map, Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

use super::command::{self, CommandError};
use crate::model::json::{self, JsonError, JsonLimits};

/// The longest output of an executable in bytes: a node's whole document has 256 KiB.
pub const MAX_OUTPUT: usize = 16 * 1024;
/// The most executables of a folder that are run; the number of further files is in a warning.
pub const MAX_EXECUTABLES: usize = 64;
/// The most executables that run at once.
const AT_ONCE: usize = 4;
/// Two levels less than a node document may have, because the value becomes part of the document.
const LIMITS: JsonLimits = JsonLimits { max_bytes: MAX_OUTPUT, max_depth: json::MAX_DEPTH - 2 };

/// A folder of executables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsFolder {
    /// The folder.
    pub path: PathBuf,
    /// The time between two runs.
    pub every: Duration,
    /// The longest time that each executable may take.
    pub limit: Duration,
}

/// The metrics in force.
#[derive(Clone, Debug, Default)]
pub struct AgentMetrics {
    by_name: BTreeMap<String, Metric>,
    /// The reason why the folder could not be read the last time, or a note on the files that are left alone.
    fault: Option<String>,
}

/// The result of an executable.
#[derive(Clone, Debug)]
struct Metric {
    /// The last good value, and the time of that value.
    good: Option<(Value, Instant)>,
    /// The reason why the last run brought no value.
    fault: Option<String>,
}

/// The reason why an executable brought no value.
#[derive(Debug, thiserror::Error)]
enum MetricError {
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("printed no object: {0}")]
    Json(#[from] JsonError),
    #[error("printed {0}, expected an object")]
    NotAnObject(&'static str),
}

/// Whether the folder `path` can be read.
///
/// # Errors
/// The system's error.
pub fn check(path: &Path) -> std::io::Result<()> {
    std::fs::read_dir(path).map(drop)
}

/// Runs the executables of `folder` again and again, and never ends by itself.
pub async fn follow(folder: MetricsFolder, current: watch::Sender<AgentMetrics>) {
    loop {
        let before = current.borrow().clone();
        let now = ask(&folder, &before).await;
        now.log_changes(&before);
        current.send_if_modified(|known| {
            // The same value again is no change.
            let is_news = known.values() != now.values() || !known.warnings().eq(now.warnings());
            *known = now;
            is_news
        });
        tokio::time::sleep(folder.every).await;
    }
}

/// Runs the executables of `folder` once; their values replace those of `before`.
pub async fn ask(folder: &MetricsFolder, before: &AgentMetrics) -> AgentMetrics {
    let mut files = match executables(&folder.path) {
        Ok(files) => files,
        Err(error) => {
            let fault = format!("the metrics folder `{}` cannot be read: {error}", folder.path.display());
            return AgentMetrics { fault: Some(fault), ..before.clone() };
        }
    };
    let left = files.len().saturating_sub(MAX_EXECUTABLES);
    let fault =
        (left > 0).then(|| format!("{left} executables for metrics are not run: at most {MAX_EXECUTABLES} are"));
    while files.len() > MAX_EXECUTABLES {
        files.pop_last();
    }
    let runs = files.into_iter().map(async |(name, path)| {
        let outcome = run(&path, folder.limit).await;
        (name, outcome)
    });
    let outcomes: Vec<_> = stream::iter(runs).buffer_unordered(AT_ONCE).collect().await;
    let by_name = outcomes.into_iter().map(|(name, outcome)| {
        let metric = match outcome {
            Ok(value) => Metric { good: Some((value, Instant::now())), fault: None },
            Err(error) => {
                let good = before.by_name.get(&name).and_then(|metric| metric.good.clone());
                Metric { good, fault: Some(error.to_string()) }
            }
        };
        (name, metric)
    });
    AgentMetrics { by_name: by_name.collect(), fault }
}

/// Returns the executable files of `folder`, by their names without extensions; of two files with the same name the
/// first counts.
fn executables(folder: &Path) -> std::io::Result<BTreeMap<String, PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let may_run = |about: std::fs::Metadata| about.is_file() && about.permissions().mode() & 0o111 != 0;
        // A file that is gone meanwhile, or a link to nothing, is no executable.
        if std::fs::metadata(&path).is_ok_and(may_run) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut files = BTreeMap::new();
    for path in paths {
        let name = path.file_stem().and_then(|stem| stem.to_str()).filter(|name| !name.starts_with('.'));
        if let Some(name) = name.map(str::to_owned) {
            files.entry(name).or_insert(path);
        }
    }
    Ok(files)
}

async fn run(path: &Path, limit: Duration) -> Result<Value, MetricError> {
    let printed = command::run(Command::new(path), limit, MAX_OUTPUT).await?;
    match json::parse(&printed, LIMITS)? {
        value @ Value::Object(_) => Ok(value),
        other => Err(MetricError::NotAnObject(json::kind(&other))),
    }
}

impl AgentMetrics {
    /// The values in force, by name.
    #[must_use]
    pub fn values(&self) -> Map<String, Value> {
        let good = |metric: &Metric| metric.good.as_ref().map(|(value, _)| value.clone());
        self.by_name.iter().filter_map(|(name, metric)| Some((name.clone(), good(metric)?))).collect()
    }

    /// Returns the metrics without a value from the last run, by name: each with the reason, and the age of the value
    /// in force in seconds.
    #[must_use]
    pub fn stale(&self) -> Map<String, Value> {
        let stale = self.by_name.iter().filter_map(|(name, metric)| {
            let mut about = Map::from_iter([("error".to_owned(), json!(metric.fault.as_ref()?))]);
            about.extend(metric.good.as_ref().map(|(_, at)| ("age_s".to_owned(), json!(at.elapsed().as_secs()))));
            Some((name.clone(), Value::Object(about)))
        });
        stale.collect()
    }

    /// The warnings for the administrator.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let failing = self.by_name.iter().filter_map(|(name, metric)| Some((name, metric.fault.as_ref()?)));
        let failing = failing.map(|(name, fault)| format!("the metrics of `{name}` are stale: it {fault}"));
        self.fault.iter().cloned().chain(failing)
    }

    /// Logs the changes since `before`: each failure once, and each end of a failure.
    fn log_changes(&self, before: &Self) {
        let known: Vec<_> = before.warnings().collect();
        self.warnings().filter(|warning| !known.contains(warning)).for_each(|warning| warn!("{warning}"));
        let failed = |name: &str| before.by_name.get(name).is_some_and(|metric| metric.fault.is_some());
        let well = self.by_name.iter().filter(|(name, metric)| metric.fault.is_none() && failed(name));
        well.for_each(|(name, _)| info!("the metrics of `{name}` work again"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(folder: &Path, name: &str, text: &str, mode: u32) {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn folder(path: &Path) -> MetricsFolder {
        MetricsFolder { path: path.to_owned(), every: Duration::from_secs(1), limit: Duration::from_secs(30) }
    }

    #[tokio::test]
    async fn each_executable_is_a_metric_and_a_failure_leaves_its_last_value() {
        let place = tempfile::tempdir().unwrap();
        put(place.path(), "gpu.sh", "#!/bin/sh\necho '{\"free\": 3}'\n", 0o755);
        put(place.path(), "list", "#!/bin/sh\necho '[1]'\n", 0o755);
        put(place.path(), "notes.txt", "no executable", 0o644);
        put(place.path(), ".hidden", "#!/bin/sh\necho '{}'\n", 0o755);
        let first = ask(&folder(place.path()), &AgentMetrics::default()).await;
        assert_eq!(Value::Object(first.values()), json!({"gpu": {"free": 3}}));
        assert_eq!(Value::Object(first.stale()), json!({"list": {"error": "printed a list, expected an object"}}));

        put(place.path(), "gpu.sh", "#!/bin/sh\necho lost >&2; exit 2\n", 0o755);
        let second = ask(&folder(place.path()), &first).await;
        assert_eq!(second.values(), first.values());
        let stale = second.stale();
        assert_eq!(stale["gpu"]["error"], "ended with exit status: 2: lost");
        assert!(stale["gpu"]["age_s"].is_u64(), "{stale:?}");
        assert!(second.warnings().any(|warning| warning.starts_with("the metrics of `gpu` are stale")));

        std::fs::remove_file(place.path().join("gpu.sh")).unwrap();
        assert!(ask(&folder(place.path()), &second).await.values().is_empty(), "it is gone, and so is its value");
        let gone = MetricsFolder { path: place.path().join("gone"), ..folder(place.path()) };
        let unread = ask(&gone, &first).await;
        assert_eq!((unread.values(), unread.fault.is_some()), (first.values(), true));
    }

    #[tokio::test]
    async fn what_hangs_or_floods_costs_its_own_metric() {
        let place = tempfile::tempdir().unwrap();
        put(place.path(), "a-hangs", "#!/bin/sh\nsleep 1000 & wait\n", 0o755);
        put(place.path(), "b-floods", "#!/bin/sh\ncat /dev/zero\n", 0o755);
        put(place.path(), "c-nests", "#!/bin/sh\nprintf '[%0100d' | tr 0 '['\n", 0o755);
        put(place.path(), "d-works", "#!/bin/sh\necho '{\"x\": 1}'\n", 0o755);
        let hasty = MetricsFolder { limit: Duration::from_secs(5), ..folder(place.path()) };
        let metrics = ask(&hasty, &AgentMetrics::default()).await;
        assert_eq!(Value::Object(metrics.values()), json!({"d-works": {"x": 1}}));
        let stale = metrics.stale();
        assert_eq!(stale["a-hangs"]["error"], "took longer than 5 s");
        assert_eq!(stale["b-floods"]["error"], "printed more than 16 KiB");
        assert!(stale["c-nests"]["error"].as_str().unwrap().contains("nested deeper"), "{stale:?}");
    }

    #[tokio::test]
    async fn a_folder_of_too_many_is_cut_and_said() {
        let place = tempfile::tempdir().unwrap();
        (0..MAX_EXECUTABLES + 2).for_each(|n| put(place.path(), &format!("m{n:03}"), "#!/bin/sh\necho '{}'\n", 0o755));
        let metrics = ask(&folder(place.path()), &AgentMetrics::default()).await;
        assert_eq!(metrics.values().len(), MAX_EXECUTABLES);
        assert!(metrics.warnings().any(|warning| warning.starts_with("2 executables")));
    }
}
