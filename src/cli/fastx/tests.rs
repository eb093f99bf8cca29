//! Tests of FastX's settings over files in memory: the load balancer that they name, and the answer to every mistake.

use super::*;
use crate::config::MemoryFiles;

/// Returns a machine with `files` and the environment `real`, on which `/link` and `/usr/bin/whither-place` lead to the
/// running binary.
pub(super) fn host<'a>(files: &'a MemoryFiles, real: &[(&str, &str)]) -> FastxHost<'a> {
    FastxHost {
        environment: real.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        files,
        resolve: &|path| match path.to_str() {
            Some("/link" | "/usr/bin/whither-place") => Some(PathBuf::from("/opt/whither/bin/whither")),
            Some("/other/whither-place") => Some(PathBuf::from("/other/whither-0.1")),
            _ => Some(path.to_owned()),
        },
        own: Some(PathBuf::from("/opt/whither/bin/whither")),
    }
}

/// Returns `files` with a program at `path`.
pub(super) fn executable(files: MemoryFiles, path: &str) -> MemoryFiles {
    files.with_mode(path, "#!/bin/sh\n", 0o755)
}

/// Returns the step that the settings name; or the words of the problem.
fn step(files: &MemoryFiles, real: &[(&str, &str)]) -> Result<String, String> {
    let host = host(files, real);
    let balancer = FastX::read(&host).and_then(|fastx| fastx.balancer(&host)).map_err(|problem| problem.to_string())?;
    Ok(balancer.map_or("none".to_owned(), |balancer| balancer.step()))
}

/// Returns the step of settings that stand in FastX's file alone.
fn step_of(text: &str) -> Result<String, String> {
    step(&MemoryFiles::default().with("/etc/fastx/fastx.env", text), &[])
}

#[test]
fn names_match_however_they_are_written() {
    for (name, builtin) in [
        ("Fewest Sessions", "fewest-sessions"),
        ("fewest-sessions", "fewest-sessions"),
        ("FEWEST_SESSIONS", "fewest-sessions"),
        ("FewestSessions", "fewest-sessions"),
        ("Most Available Memory", "most-memory"),
        ("most-memory", "most-memory"),
        ("round robin", "round-robin"),
        ("Least Load", "least-load"),
        ("weighted", "weighted"),
        ("sticky user", "sticky-user"),
    ] {
        assert_eq!(step_of(&format!("LOAD_BALANCER={name}\n")), Ok(format!("builtin:{builtin}")));
    }
    let unknown = step_of("LOAD_BALANCER=Fewest Session\n").unwrap_err();
    for words in
        ["`LOAD_BALANCER` in `/etc/fastx/fastx.env` is `Fewest Session`", "custom, ", "sticky-user", "mean `Fewest"]
    {
        assert!(unknown.contains(words), "{words}: {unknown}");
    }
    assert!(!step_of("LOAD_BALANCER=magic").unwrap_err().contains("did you mean"));
}

#[test]
fn the_real_environment_wins_over_the_file_and_the_named_folder_over_etc() {
    let files = MemoryFiles::default()
        .with("/etc/fastx/fastx.env", "LOAD_BALANCER=Round Robin\nA=etc\n")
        .with("/fx/fastx.env", "LOAD_BALANCER=Fewest Sessions\nA=fx\nB=fx\n");
    assert_eq!(step(&files, &[]).unwrap(), "builtin:round-robin");
    assert_eq!(step(&files, &[("FX_CONFIG_DIR", "")]).unwrap(), "builtin:round-robin");
    assert_eq!(step(&files, &[("FX_CONFIG_DIR", "/fx")]).unwrap(), "builtin:fewest-sessions");
    assert_eq!(step(&files, &[("FX_CONFIG_DIR", "/gone")]).unwrap(), "builtin:round-robin");
    assert_eq!(step(&files, &[("LOAD_BALANCER", "weighted")]).unwrap(), "builtin:weighted");
    assert_eq!(step(&files, &[("LOAD_BALANCER", "")]).unwrap(), "none");
    let fastx = FastX::read(&host(&files, &[("FX_CONFIG_DIR", "/fx"), ("B", "real"), ("C", "real")])).unwrap();
    let variables: Vec<_> = fastx.variables().iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(variables, ["A=fx", "B=real", "LOAD_BALANCER=Fewest Sessions"]);
}

#[test]
fn a_script_is_custom_and_custom_is_a_script() {
    assert_eq!(step_of("LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=/s/choose\n").unwrap(), "/s/choose");
    assert_eq!(step_of("LOAD_BALANCER=Custom\nLOAD_BALANCER_SCRIPT=choose.py\n").unwrap(), "/etc/fastx/choose.py");
    let real = [("LOAD_BALANCER", "custom"), ("LOAD_BALANCER_SCRIPT", "choose.py")];
    assert_eq!(step(&MemoryFiles::default(), &real).unwrap(), "/choose.py", "from the current folder");
    for (text, words) in [
        ("LOAD_BALANCER=custom", "`LOAD_BALANCER` in `/etc/fastx/fastx.env` is `custom`, and there is no"),
        ("LOAD_BALANCER_SCRIPT=/s", "would not be run by FastX: `LOAD_BALANCER` is not set (LOAD_BALANCER=custom"),
        ("LOAD_BALANCER=weighted\nLOAD_BALANCER_SCRIPT=/s", "fastx.env` is `weighted` (LOAD_BALANCER=custom"),
    ] {
        let problem = step_of(text).unwrap_err();
        assert!(problem.contains(words), "{words}: {problem}");
    }
}

#[test]
fn whither_is_not_asked_to_ask_itself() {
    let files = MemoryFiles::default().with_mode("/other/whither-0.1", "\x7fELF…", 0o755).with_mode(
        "/copied/whither",
        "\x7fELF…",
        0o755,
    );
    let files = executable(executable(files, "/own/whither-place"), "/own/choose");
    let told = |path| step(&files, &[("LOAD_BALANCER", "custom"), ("LOAD_BALANCER_SCRIPT", path)]);
    for path in
        ["/opt/whither/bin/whither", "/usr/bin/whither-place", "/link", "/other/whither-place", "/copied/whither"]
    {
        let problem = told(path).unwrap_err();
        for words in [path, "whither itself", "for ever", "in the environment", "`Fewest Sessions`"] {
            assert!(problem.contains(words), "{words}: {problem}");
        }
    }
    for path in ["/own/whither-place", "/own/choose"] {
        assert_eq!(told(path).unwrap(), path);
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let read = |files: MemoryFiles| step(&files, &[("FX_CONFIG_DIR", "/fx")]).unwrap_err();
    let path = "/fx/fastx.env";
    let broken = read(MemoryFiles::default().with(path, "A=1\nB\n"));
    assert!(broken.contains("`/fx/fastx.env`: line 2: expected NAME=value"), "{broken}");
    let folder = read(MemoryFiles::default().with_fault(path, FileError::Directory));
    assert!(folder.contains("`/fx/fastx.env`: is a directory"), "{folder}");
    let long = read(MemoryFiles::default().with(path, "#".repeat(MAX_BYTES + 1)));
    assert!(long.contains("at most 1048576 are accepted"), "{long}");
    let latin = read(MemoryFiles::default().with(path, b"A=\xfc"));
    assert!(latin.contains("is not UTF-8 on line 1"), "{latin}");
}

#[test]
fn a_script_that_cannot_be_run_says_where_it_stands() {
    let files = MemoryFiles::default();
    let host = host(&files, &[("LOAD_BALANCER", "custom"), ("LOAD_BALANCER_SCRIPT", "/s/gone")]);
    let balancer = FastX::read(&host).unwrap().balancer(&host).unwrap().unwrap();
    let problem = balancer.chain(&files, &ScriptLimits::default()).unwrap_err().to_string();
    assert!(problem.contains("`LOAD_BALANCER_SCRIPT` in the environment: script `/s/gone`: no such file"), "{problem}");
}
