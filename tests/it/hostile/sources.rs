//! Sources that are attacks on the compiler: refused when they are loaded, all at once, before any port opens.

use serde::Deserialize;

use crate::support::nats::Nats;
use crate::support::serve::Serve;
use crate::support::shell::Shell;

const NODES: &str = r#"[{"id": "n03", "nodeData": {"sessions": []}}, {"id": "n04", "nodeData": {"sessions": []}}]"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Vec<Source>,
}

/// A source, and the words with which it is refused, or that it compiles and chooses what it is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    name: String,
    script: Script,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    compiles: bool,
    /// The exit code that refuses it, where it is not that of a script's fault.
    exit: Option<i32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Script {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repeated { repeat: String, times: usize },
}

impl Source {
    fn read() -> Vec<Self> {
        let file: File =
            toml::from_str(include_str!("../../hostile/sources.toml")).unwrap_or_else(|error| panic!("{error}"));
        for source in &file.source {
            assert_eq!(
                source.compiles,
                source.words.is_empty(),
                "{}: it compiles, or is refused in words",
                source.name
            );
        }
        file.source
    }

    fn file(&self) -> String {
        format!("{}.js", self.name)
    }

    fn text(&self) -> String {
        match &self.script {
            Script::Text(text) => text.clone(),
            Script::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Repeated { repeat, times } => repeat.repeat(*times),
                })
                .collect(),
        }
    }
}

#[test]
fn sources_that_no_compiler_bears_are_refused_in_words() {
    let mut wrongs = Vec::new();
    for source in Source::read() {
        let shell = Shell::new();
        shell.write("nodes.json", NODES);
        shell.write(&source.file(), source.text());
        let told = shell.whither(["place", "--nodes", "nodes.json", "--data", "pick=n04", "--script", &source.file()]);
        let right = if source.compiles {
            (told.code, told.stdout.as_str()) == (Some(0), "n04\n")
        } else {
            let named = told.stderr.contains(&source.file());
            told.code == source.exit.or(Some(4))
                && told.stdout.is_empty()
                && named
                && source.words.iter().all(|word| told.stderr.contains(word))
        };
        if !right || told.stderr.contains("panicked at") || told.stderr.len() > 20_000 {
            let words = told.last_words();
            wrongs.push(format!("{}: exit {:?}, chose `{}`: {words}", source.name, told.code, told.stdout.trim()));
        }
    }
    assert!(wrongs.is_empty(), "{} sources\n  {}", wrongs.len(), wrongs.join("\n  "));
}

#[tokio::test]
async fn a_service_names_every_source_that_it_refuses() {
    let scripts = Source::read().into_iter().filter(|source| source.exit.is_none());
    let (refused, good): (Vec<_>, Vec<_>) = scripts.partition(|source| !source.compiles);
    let chains: String = refused
        .iter()
        .chain(&good)
        .map(|source| format!("[chain.\"{}\"]\nsteps = [\"{}\"]\n", source.name, source.file()))
        .collect();
    let texts: Vec<_> = refused.iter().chain(&good).map(|source| (source.file(), source.text())).collect();
    let files: Vec<_> = texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    let nats = Nats::start();
    let mut serve = Serve::spawn(&nats, &chains, &files);
    assert_eq!(serve.ended().await, Some(4), "{}", serve.log());
    let log = serve.log();
    let unnamed: Vec<_> = refused.iter().map(Source::file).filter(|file| !log.contains(file.as_str())).collect();
    assert!(unnamed.is_empty(), "not named: {unnamed:?}\n{log}");
    let blamed: Vec<_> = good.iter().map(Source::file).filter(|file| log.contains(file.as_str())).collect();
    assert!(blamed.is_empty(), "named without reason: {blamed:?}\n{log}");
}
