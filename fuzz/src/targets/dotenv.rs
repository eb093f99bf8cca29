//! FastX's environment file.

use std::collections::BTreeMap;

use whither::cli::fastx::{FastX, FastxHost};
use whither::config::MemoryFiles;
use whither::script::ScriptLimits;

use super::{must_be_plain, must_be_short};

/// Where the file is.
const FILE: &str = "/etc/fastx/fastx.env";

/// A file that is accepted has names and values that an environment can have, and comes back where it is written anew.
pub fn run(bytes: &[u8]) {
    let files = MemoryFiles::default().with(FILE, bytes).with_mode("/etc/fastx/b.sh", "#!/bin/sh\n", 0o755);
    let fastx = match FastX::read(&host(&files)) {
        Ok(fastx) => fastx,
        Err(problem) => return must_be_plain(&must_be_short(&problem)),
    };
    let mut written = String::new();
    let mut quotable = BTreeMap::new();
    for (name, value) in fastx.variables() {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)));
        assert!(!value.contains('\0'));
        // A backslash before the quote would hide it, and FastX knows no way to write both kinds of quotes.
        if !value.contains(['\'', '\\']) {
            written += &format!("{name}='{value}' # again\n");
            quotable.insert(name.clone(), value.clone());
        }
    }
    let again = MemoryFiles::default().with(FILE, &written);
    let again = FastX::read(&host(&again)).expect("what was written by the rules is read by them");
    assert_eq!(again.variables(), &quotable);
    let chain = fastx
        .balancer(&host(&files))
        .and_then(|balancer| balancer.map(|balancer| balancer.chain(&files, &ScriptLimits::default())).transpose());
    if let Err(problem) = chain {
        must_be_plain(&must_be_short(&problem));
    }
}

fn host(files: &MemoryFiles) -> FastxHost<'_> {
    FastxHost { environment: BTreeMap::new(), files, resolve: &|path| Some(path.to_owned()), own: None }
}
