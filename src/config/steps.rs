//! A step by the name in a config: `builtin:NAME`, or the path of a script.
//!
//! The command line reads steps here too, so that a step means the same in both places.

use std::path::Path;

use bytes::Bytes;

use crate::chain::{Mode, ProgramSpec, StepSource, StepSpec};
use crate::engine::builtin::Builtin;
use crate::engine::{self, Form, LANGUAGES, Language};
use crate::script::{Content, ScriptLimits};

use super::files::{Contents, FileError, Files};
use super::problem::{Problem, nearest, quoted};

/// The prefix of a built-in's name.
pub const BUILTIN_PREFIX: &str = "builtin:";

/// Loads the step that `written` names, with a script read from a path relative to `base`.
///
/// # Errors
/// [`Problem`] of the name or the file; the problem has no place, which the caller may add.
pub fn load_step(written: &str, base: &Path, files: &dyn Files, limits: &ScriptLimits) -> Result<StepSpec, Problem> {
    if let Some(name) = written.strip_prefix(BUILTIN_PREFIX) {
        let builtin = builtin(name)?;
        return Ok(StepSpec::new(written, StepSource::Builtin(builtin.name().to_owned())));
    }
    if written.is_empty() || written.contains('\0') {
        return Err(Problem::new(format!("{} is no path of a script", quoted(written))));
    }
    let contents =
        files.read(&base.join(written), engine::max_file_bytes(limits)).map_err(|fault| unread(written, &fault))?;
    if contents.is_executable() {
        if has_windows_first_line(&contents.bytes) {
            let problem =
                format!("executable {}: its first line ends in a carriage return, as on Windows", quoted(written));
            return Err(Problem::new(problem).help(format!("run sed -i 's/\\r$//' {written}")));
        }
        return Ok(StepSpec::new(written, StepSource::Executable(program(written, base, files)?)));
    }
    let language = language(written, &contents)?;
    let content = match language.form {
        form @ (Form::Text | Form::Table) => Content::Text(text(written, &contents, form, limits)?.into()),
        Form::Compiled => Content::Binary(compiled(written, contents, limits)?),
    };
    Ok(StepSpec::new(written, StepSource::script(language.extension, content)))
}

/// Returns the index of the first of `steps` that no request ever reaches, because a step before always chooses; with
/// the problem.
#[must_use]
pub fn never_asked(steps: &[StepSpec]) -> Option<(usize, Problem)> {
    let always_chooses = |step: &StepSpec| match &step.source {
        StepSource::Builtin(name) => Builtin::parse(name).is_ok_and(Builtin::always_chooses),
        StepSource::Script { .. } | StepSource::Executable(_) => false,
    };
    let last = steps.iter().position(always_chooses)?;
    let (chosen, unasked) = (steps.get(last)?, steps.get(last + 1)?);
    let message =
        format!("{} is never asked: {} before it always chooses a node", quoted(&unasked.name), quoted(&chosen.name));
    Some((last + 1, Problem::new(message).help("put the step that chooses last")))
}

/// Whether the first line, which names the interpreter, ends as lines do on Windows: no interpreter has such a name.
fn has_windows_first_line(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#!") && bytes.split(|byte| *byte == b'\n').next().is_some_and(|line| line.ends_with(b"\r"))
}

fn program(written: &str, base: &Path, files: &dyn Files) -> Result<ProgramSpec, Problem> {
    let text = |path: &Path| {
        let problem = || Problem::new(format!("executable {}: its path is not UTF-8", quoted(written)));
        files.absolute(path).into_os_string().into_string().map_err(|_other| problem())
    };
    Ok(ProgramSpec {
        path: text(&base.join(written))?,
        folder: text(base)?,
        mode: Mode::default(),
        wall_ms: None,
        parallel: 1,
    })
}

/// Returns the built-in called `name`.
///
/// # Errors
/// [`Problem`] with the known names, and the name that was probably meant.
pub fn builtin(name: &str) -> Result<Builtin, Problem> {
    let names = Builtin::ALL.map(Builtin::name);
    names.iter().zip(Builtin::ALL).find(|(known, _)| **known == name).map(|(_, builtin)| builtin).ok_or_else(|| {
        let problem = Problem::new(format!("unknown built-in {}, there are: {}", quoted(name), names.join(", ")));
        match nearest(name, names) {
            Some(meant) => problem.help(format!("did you mean `{BUILTIN_PREFIX}{meant}`?")),
            None => problem,
        }
    })
}

fn unread(written: &str, fault: &FileError) -> Problem {
    let problem = Problem::new(format!("script {}: {fault}", quoted(written)));
    match fault {
        FileError::Missing if Builtin::parse(written).is_ok() => {
            problem.help(format!("did you mean `{BUILTIN_PREFIX}{written}`?"))
        }
        _ => problem,
    }
}

/// The interpreters of languages that no engine here runs, by file extension.
const INTERPRETERS: [(&str, &str); 5] =
    [("py", "python3"), ("sh", "bash"), ("rb", "ruby"), ("pl", "perl"), ("ts", "-S npx tsx")];

/// Returns the language of the script, by the extension.
fn language(written: &str, contents: &Contents) -> Result<&'static Language, Problem> {
    let extension = Path::new(written).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if let Some(language) = LANGUAGES.iter().find(|language| language.extension == extension) {
        return Ok(language);
    }
    let known: Vec<_> =
        LANGUAGES.iter().map(|language| format!("`.{}` ({})", language.extension, language.name)).collect();
    let shown = quoted(written);
    if contents.bytes.is_empty() {
        return Err(Problem::new(format!("script {shown} is empty")));
    }
    Err(match contents.bytes.starts_with(b"#!") {
        true => Problem::new(format!("script {shown} is not executable")).help(format!("run chmod +x {written}")),
        false => {
            let problem = Problem::new(format!("script {shown} is in no known language: {}", known.join(", ")));
            match INTERPRETERS.iter().find(|(known, _)| *known == extension) {
                Some((_, interpreter)) => problem.help(format!("add #!/usr/bin/env {interpreter} and chmod +x")),
                None => problem.help("an executable needs a first line such as #!/usr/bin/env python3, and chmod +x"),
            }
        }
    })
}

fn text<'a>(written: &str, contents: &'a Contents, form: Form, limits: &ScriptLimits) -> Result<&'a str, Problem> {
    let refused = |why: &str| Problem::new(format!("script {} {why}", quoted(written)));
    let most = form.max_bytes(limits);
    let text = contents.text(most).map_err(|why| match contents.bytes.len() > most && form == Form::Text {
        true => refused(&why).help("`limits.source_kb` sets how many"),
        false => refused(&why),
    })?;
    if text.trim().is_empty() {
        return Err(refused("is empty"));
    }
    Ok(text)
}

fn compiled(written: &str, contents: Contents, limits: &ScriptLimits) -> Result<Bytes, Problem> {
    let (bytes, most) = (contents.size.max(contents.bytes.len() as u64), limits.component_bytes);
    if contents.bytes.len() > most {
        let problem =
            Problem::new(format!("script {}: has {bytes} bytes, at most {most} are accepted", quoted(written)));
        return Err(problem.help("`limits.component_kb` sets how many"));
    }
    Ok(contents.bytes.into())
}
