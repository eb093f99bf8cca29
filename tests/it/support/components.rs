//! Components to ask, built from their sources when the first test wants one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folders of their sources.
const WORKSPACES: [&str; 2] = ["scripts/wasm", "tests/wasm/guests"];

/// Where they are once they are built. Cargo waits where two tests want them at once.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("components");
    for workspace in WORKSPACES {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join(workspace).join("Cargo.toml");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--release", "--quiet", "--target", "wasm32-wasip2", "--manifest-path"])
            .arg(manifest)
            .env("CARGO_TARGET_DIR", &folder)
            // What is meant for the tests themselves.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status();
        assert!(built.is_ok_and(|built| built.success()), "{workspace} cannot be built (scripts/tools/wasm-target?)");
    }
    folder.join("wasm32-wasip2/release")
});

/// The file of a component, by the name of its package.
pub(crate) fn path(name: &str) -> PathBuf {
    BUILT.join(format!("{}.wasm", name.replace('-', "_")))
}

/// The component.
pub(crate) fn component(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
