//! FastX 4's `fastx.env`: the load balancer, the variables that programs keep, and the metadata of a node.

use crate::cli::fastx::{FastX, FastxHost, LOAD_BALANCER, LOAD_BALANCER_SCRIPT, Runs};
use crate::config::{LimitSettings, Problem};

use super::report::{ImportOutcome, ImportReport};

/// The prefix of the variables that FastX's nodes show as metadata.
const METADATA: &str = "METADATA_";
/// The variables that tell how FastX starts a session on a node.
const LAUNCHER: [&str; 3] = ["LAUNCHER_SCRIPT", "LAUNCHER_ARGS", "LAUNCH_AS_CURRENT_USER"];

/// The settings of `fastx.env` that whither has too.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EnvironmentSettings {
    /// The step of the chain for sessions.
    pub(super) step: Option<String>,
    /// The variables that programs of the chain keep.
    pub(super) kept: Vec<String>,
    /// The variables of this node's metadata, with their values.
    pub(super) metadata: Vec<(String, String)>,
}

impl EnvironmentSettings {
    /// Reads what `fastx` says on the machine `host`.
    pub(super) fn read(fastx: &FastX, host: &FastxHost<'_>, report: &mut ImportReport) -> Self {
        let source =
            fastx.file().map_or_else(|| "the environment".to_owned(), |file| file.to_string_lossy().into_owned());
        let mut settings = Self::default();
        let mut is_program = false;
        match balancer(fastx, host) {
            Ok(Some((step, runs, origin))) => {
                is_program = matches!(runs, Runs::Script(_));
                let what = format!("{origin} is the chain of `session/start`: `{step}`");
                match is_program {
                    false => report.add(ImportOutcome::Imported, &source, LOAD_BALANCER, what),
                    true => {
                        let advice = "it stays where it is: move it beside the config before FastX goes";
                        report.advise(ImportOutcome::Imported, &source, LOAD_BALANCER_SCRIPT, what, advice);
                    }
                }
                settings.step = Some(step);
            }
            Ok(None) => {
                let message = format!("`{LOAD_BALANCER}` is not set: FastX chooses by nothing of its own");
                report.add(ImportOutcome::Note, &source, LOAD_BALANCER, message);
            }
            Err(problem) => {
                let Problem { message, help, .. } = problem;
                let advice = help.unwrap_or_else(|| "put a script of yours into the chain".to_owned());
                report.advise(ImportOutcome::NotImported, &source, LOAD_BALANCER, message, advice);
            }
        }
        settings.take(fastx, is_program, &source, report);
        settings
    }

    /// Takes the variables that are not about the load balancer.
    fn take(&mut self, fastx: &FastX, is_program: bool, source: &str, report: &mut ImportReport) {
        let mut unused = Vec::new();
        for (name, value) in fastx.variables() {
            if [LOAD_BALANCER, LOAD_BALANCER_SCRIPT].contains(&name.as_str()) {
                continue;
            }
            if name.strip_prefix(METADATA).is_some_and(|name| !name.is_empty()) {
                self.metadata.push((name.clone(), value.clone()));
                report.add(ImportOutcome::Imported, source, name, "metadata of this node, in `agent.env`");
            } else if LAUNCHER.contains(&name.as_str()) {
                let message = "says how FastX starts a session, which is up to the launcher that asks whither";
                let advice = "see \"Jobs and start commands\" in the guide \"Move from FastX\"";
                report.advise(ImportOutcome::Note, source, name, message, advice);
            } else if is_program {
                self.kept.push(name.clone());
                report.add(ImportOutcome::Imported, source, name, "`service.environment`: the program keeps it");
            } else {
                unused.push(format!("`{name}`"));
            }
        }
        if !unused.is_empty() {
            let message = format!("not about placing, and no program needs them: {}", unused.join(", "));
            report.add(ImportOutcome::Note, source, "", message);
        }
    }

    /// Returns the file with the variables for the agent of this node, or `None` where there are none.
    pub(super) fn agent_file(&self) -> Option<String> {
        let lines: Vec<_> =
            self.metadata.iter().map(|(name, value)| format!("{name}={}\n", environment_value(value))).collect();
        (!lines.is_empty()).then(|| {
            format!(
                "# Metadata of one node, for `EnvironmentFile=` of its agent's unit. Each node has its own values.\n{}",
                lines.concat()
            )
        })
    }
}

/// Returns the step of the load balancer, what it runs, and the setting that names it.
fn balancer(fastx: &FastX, host: &FastxHost<'_>) -> Result<Option<(String, Runs, String)>, Problem> {
    let Some(balancer) = fastx.balancer(host)? else { return Ok(None) };
    balancer.chain(host.files, &LimitSettings::default().script())?;
    Ok(Some((balancer.step(), balancer.runs.clone(), balancer.origin)))
}

/// Returns `value` as systemd and a shell read the value of a variable.
fn environment_value(value: &str) -> String {
    let is_simple = |character: char| character.is_ascii_alphanumeric() || "_-./:,@%+".contains(character);
    if !value.is_empty() && value.chars().all(is_simple) {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::MemoryFiles;

    fn read(text: &str) -> (EnvironmentSettings, String) {
        let files = MemoryFiles::default().with("/etc/fastx/fastx.env", text).with_mode("/s", "#!/bin/sh\n", 0o755);
        let host = FastxHost {
            environment: Default::default(),
            files: &files,
            resolve: &|path| Some(path.to_owned()),
            own: None,
        };
        let fastx = FastX::read_file(Path::new("/etc/fastx/fastx.env"), &files).unwrap();
        let mut report = ImportReport::default();
        let settings = EnvironmentSettings::read(&fastx, &host, &mut report);
        (settings, report.text())
    }

    #[test]
    fn a_program_keeps_its_variables_and_a_node_its_metadata() {
        let (settings, told) = read(
            "LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=/s\nLM_LICENSE_FILE=1700@x\nMETADATA_GPU=a100\n\
             METADATA_site=\"a $b\"\nLAUNCHER_SCRIPT=/l\n",
        );
        assert_eq!(settings.step.as_deref(), Some("/s"));
        assert_eq!(settings.kept, ["LM_LICENSE_FILE"]);
        let file = settings.agent_file().unwrap();
        assert!(file.ends_with("METADATA_GPU=a100\nMETADATA_site=\"a \\$b\"\n"), "{file}");
        assert!(told.contains("LAUNCHER_SCRIPT") && !told.contains("1700@x"), "{told}");
    }

    #[test]
    fn a_load_balancer_that_cannot_be_had_is_named() {
        let (settings, told) = read("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=/gone\nA=1\n");
        assert_eq!((settings.step, settings.kept.len()), (None, 0));
        assert!(told.contains("`/gone`: no such file") && told.contains("no program needs them: `A`"), "{told}");
        let (settings, told) = read("LOAD_BALANCER=Round Robin\n");
        assert_eq!((settings.step.as_deref(), settings.agent_file()), (Some("builtin:round-robin"), None));
        assert!(told.contains("builtin:round-robin"), "{told}");
        assert!(read("A=1\n").1.contains("`LOAD_BALANCER` is not set"));
    }
}
