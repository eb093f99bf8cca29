//! A folder of balancer scripts as files: FastX 3 functions that somebody saved, and programs of FastX 4.
//!
//! The chain of a script is the one that its folder or its name means (`login/gpu.js`, `login-gpu.js`), and its place in
//! the chain that of its name among the others (`10-gpu.js` before `20-fewest.js`).

use std::path::{Path, PathBuf};

use crate::config::Files;
use crate::engine::{Form, LANGUAGES};
use crate::host::Disk;
use crate::model::head::DEFAULT_ACTION;

use super::found::{ChainPlace, ChainTarget, FoundScript, JAVASCRIPT, ScriptBody, predefined};
use super::function_text::is_function;
use super::report::{ImportOutcome, ImportReport};
use super::stored_scripts::StoreContents;
use super::words::action;

/// The most bytes of a script.
const MAX_BYTES: usize = 1 << 20;
/// The most files of a folder.
const MAX_FILES: usize = 500;
/// The most levels of folders below the folder.
const MAX_DEPTH: usize = 3;

/// Reads the scripts in `folder` and the folders below.
pub(super) fn read(folder: &Path, report: &mut ImportReport) -> StoreContents {
    let (mut files, mut contents, mut others) = (Vec::new(), StoreContents::default(), Vec::new());
    find(folder, MAX_DEPTH, &mut files);
    let shown = folder.to_string_lossy().into_owned();
    if files.len() > MAX_FILES {
        let message = format!("more than {MAX_FILES} files; the rest is not read");
        report.add(ImportOutcome::NotImported, &shown, "", message);
        files.truncate(MAX_FILES);
    }
    for path in files {
        let source = path.to_string_lossy().into_owned();
        match body(&path) {
            Ok(Some(body)) => take(&mut contents, folder, &path, body, report),
            Ok(None) => others.push(source),
            Err(why) => report.add(ImportOutcome::NotImported, &source, "", why),
        }
    }
    if contents.scripts.is_empty() {
        report.add(ImportOutcome::NotImported, &shown, "", "no script: a function in a file, or a program");
    }
    if let Some(first) = others.first() {
        let message = format!("files that are no scripts: {}, the first is `{first}`", others.len());
        report.add(ImportOutcome::Note, &shown, "", message);
    }
    contents
}

fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let is_hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if is_hidden || found.len() > MAX_FILES {
            continue;
        }
        if path.is_dir() {
            if depth > 0 && !path.is_symlink() {
                find(&path, depth - 1, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// Returns the script in the file at `path`, or `None` where the file is none.
fn body(path: &Path) -> Result<Option<ScriptBody>, String> {
    let contents = Disk.read(path, MAX_BYTES).map_err(|fault| fault.to_string())?;
    if contents.is_executable() {
        return Ok(Some(ScriptBody::Program(Disk.absolute(path))));
    }
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let language =
        LANGUAGES.iter().find(|language| language.extension == extension && matches!(language.form, Form::Text));
    let text = match contents.text(MAX_BYTES) {
        Ok(text) => text,
        Err(why) if language.is_some() => return Err(why),
        Err(_no_script) => return Ok(None),
    };
    Ok(match language {
        _ if text.trim().is_empty() => None,
        Some(language) => Some(ScriptBody::Text(text.to_owned(), language.extension)),
        None => is_function(text).then(|| ScriptBody::Text(text.to_owned(), JAVASCRIPT)),
    })
}

fn take(contents: &mut StoreContents, folder: &Path, path: &Path, body: ScriptBody, report: &mut ImportReport) {
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    // The name first: `login/start-page.js` is of the folder, `login-gpu.js` of the name.
    let below = path.strip_prefix(folder).unwrap_or(path).parent();
    let folders = below.into_iter().flat_map(Path::components).map(|part| part.as_os_str().to_string_lossy());
    let action = folders.filter_map(|part| action(&part)).next_back().or_else(|| action(&name));
    let builtin = predefined(without_number(&name));
    let target = builtin.map_or(ChainTarget::Script(contents.scripts.len()), ChainTarget::Builtin);
    let source = path.to_string_lossy().into_owned();
    let ids = vec![name.clone(), file, without_number(&name).to_owned()];
    if action.is_none() {
        let message = format!("neither its name nor its folder tells its chain: taken for `{DEFAULT_ACTION}`");
        report.add(ImportOutcome::Note, &source, "", message);
    }
    contents.places.push(ChainPlace {
        action: action.or(Some(DEFAULT_ACTION)),
        target,
        is_listed: false,
        order: None,
        is_off: false,
        source: source.clone(),
        place: String::new(),
    });
    contents.scripts.push(FoundScript { name, ids, body, source, place: String::new(), builtin });
}

/// Returns `name` without the number that puts files in order, as in `10-gpu`.
fn without_number(name: &str) -> &str {
    let rest = name.trim_start_matches(|character: char| character.is_ascii_digit());
    let trimmed = rest.trim_start_matches(['-', '_', '.', ' ']);
    if rest.len() < name.len() && !trimmed.is_empty() { trimmed } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_scripts_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str, mode: u32| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        put("20-Fewest Sessions.js", "function(input) {}", 0o644);
        put("10-gpu.txt", "function (input) { return }", 0o644);
        put("login/stay.js", "input => input.user.serverId", 0o644);
        put("choose", "#!/bin/sh\n", 0o755);
        put("README", "to read", 0o644);
        put(".hidden.js", "function() {}", 0o644);
        put("large.js", &"x".repeat(MAX_BYTES + 1), 0o644);
        let mut report = ImportReport::default();
        let contents = read(folder.path(), &mut report);
        let names: Vec<_> = contents.scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(names, ["10-gpu", "20-Fewest Sessions", "choose", "stay"]);
        let actions: Vec<_> = contents.places.iter().map(|place| place.action).collect();
        let start = Some("session/start");
        assert_eq!(actions, [start, start, start, Some("user/login")]);
        assert_eq!(contents.scripts[1].builtin.map(|builtin| builtin.name()), Some("fewest-sessions"));
        assert!(matches!(&contents.scripts[2].body, ScriptBody::Program(path) if path.is_absolute()));
        let told: Vec<_> = report.lines().iter().map(|line| line.message.as_str()).collect();
        for words in ["taken for `session/start`", "at most 1048576", "files that are no scripts: 1, the first"] {
            assert!(told.iter().any(|line| line.contains(words)), "{words}: {told:?}");
        }
        assert_eq!(without_number("2024"), "2024");
    }
}
