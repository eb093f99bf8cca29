//! The machine that was measured on: without the machine, a figure says nothing.

use serde_json::{Value, json};

/// The machine and the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MachineInfo {
    cpu: String,
    cores: usize,
}

impl MachineInfo {
    /// Returns this machine.
    #[must_use]
    pub(super) fn here() -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cpu: model(&text).unwrap_or(std::env::consts::ARCH).to_owned(), cores }
    }

    /// Returns the machine as a line for a person.
    #[must_use]
    pub(super) fn line(&self) -> String {
        let cores = if self.cores == 1 { "core" } else { "cores" };
        format!("whither {}, {} · {}, {} {cores}", env!("CARGO_PKG_VERSION"), build(), self.cpu, self.cores)
    }

    /// Returns the machine as JSON.
    #[must_use]
    pub(super) fn to_json(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"), "build": build(), "cpu": self.cpu, "cores": self.cores,
        })
    }
}

/// Returns the resident memory of this process in bytes; 0 where the kernel does not report the memory.
#[must_use]
pub(super) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split_ascii_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

const fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug build" } else { "release build" }
}

/// Returns the processor's name as Linux writes the name on x86.
fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_says_which_machine_and_build() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7B13\nflags : x\n";
        assert_eq!((model(text), model("processor : 0")), (Some("AMD EPYC 7B13"), None));
        let line = MachineInfo { cpu: "AMD EPYC 7B13".to_owned(), cores: 2 }.line();
        assert!(line.contains("AMD EPYC 7B13, 2 cores") && line.contains(env!("CARGO_PKG_VERSION")), "{line}");
        assert!(resident_bytes() > 0);
    }
}
