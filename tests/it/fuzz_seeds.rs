//! The fuzz targets over their seeds, so that neither rots: `make fuzz` goes on from here.
#![expect(unreachable_pub, reason = "the targets are a crate's modules in the package `fuzz`")]

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::path::{Path, PathBuf};

use targets::TARGETS;

/// So many beginnings of each seed are tried, the seed itself beside them.
const BEGINNINGS: usize = 32;

/// The folder `name` of the package `fuzz`.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The files in `folder`, by path.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.map(|entry| entry.path()).expect("a readable folder")).collect();
    files.sort();
    files
}

#[test]
fn every_target_holds_over_its_seeds() {
    for (name, target) in TARGETS {
        let seeds = files(&folder("seeds").join(name));
        assert!(seeds.len() > 1, "{name} has {} seeds", seeds.len());
        for seed in seeds {
            let bytes = std::fs::read(&seed).expect("a readable seed");
            println!("{}: {} bytes", seed.display(), bytes.len());
            for beginning in 0..BEGINNINGS {
                target(bytes.get(..bytes.len() * beginning / BEGINNINGS).unwrap_or_default());
            }
            target(&bytes);
        }
    }
}

#[test]
fn every_target_has_its_file_and_its_dictionary() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    for (of, extension) in [("fuzz_targets", "rs"), ("dictionaries", "dict")] {
        let expected: Vec<_> = names.iter().map(|name| folder(of).join(name).with_extension(extension)).collect();
        assert_eq!(files(&folder(of)), expected);
    }
    let manifest = std::fs::read_to_string(folder("Cargo.toml")).expect("the package's manifest");
    assert!(names.iter().all(|name| manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\""))));
}
