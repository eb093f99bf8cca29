//! The tour of `docs/src/guide/first-script.md`: its commands are run in one folder, one after the other, and print what
//! the page shows.
//!
//! A block of `sh` is run; the block of `text` behind it is what it prints, on both streams. Times may differ, and so the
//! width of tables. A block ends with the exit code that the prose behind it names as `exit code N`, else with 0.
//! `WHITHER_BLESS=1` writes what is printed into the page.

use std::path::Path;

use super::root;
use crate::support::shell::{Shell, WHITHER};

/// The page, below the crate's root.
const PAGE: &str = "docs/src/guide/first-script.md";
/// The characters that tables are drawn with.
const DRAWN: &str = "─═┌┬┐╞╪╡└┴┘│┆";

/// A block of commands, with what follows it on the page.
#[derive(Debug, Default)]
struct Block {
    commands: String,
    /// The lines of the page that show what is printed, from and to; absent where nothing is shown.
    shown: Option<(usize, usize)>,
    code: i32,
}

/// The blocks of `lines`, in order.
fn blocks(lines: &[&str]) -> Vec<Block> {
    let (mut blocks, mut open): (Vec<Block>, Option<(&str, usize)>) = (Vec::new(), None);
    for (number, line) in lines.iter().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), None) => {
                open = Some((language, number + 1));
                if language == "sh" {
                    blocks.push(Block::default());
                }
            }
            (Some(_), Some((language, start))) => {
                open = None;
                let block = blocks.last_mut().expect("output stands behind commands");
                match language {
                    "sh" => block.commands = lines[start..number].join("\n"),
                    "text" => block.shown = Some((start, number)),
                    other => panic!("{PAGE}:{number}: a block of `{other}`"),
                }
            }
            (None, None) => {
                let named = line.split_once("exit code ").map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()));
                let code = named.and_then(|mut words| words.next()?.parse().ok());
                if let (Some(code), Some(block)) = (code, blocks.last_mut()) {
                    block.code = code;
                }
            }
            (None, Some(_)) => {}
        }
    }
    blocks
}

/// `text` without what differs from run to run: times, and the widths that hang on them.
fn steady(text: &str) -> String {
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let line = |line: &str| {
        let plain: String = line.chars().map(|c| if DRAWN.contains(c) { ' ' } else { c }).collect();
        let mut words: Vec<String> = plain.split_whitespace().map(str::to_owned).collect();
        for place in 1..words.len() {
            if ["us", "ms", "s"].contains(&bare(&words[place]).as_str())
                && bare(&words[place - 1]).parse::<f64>().is_ok()
            {
                words[place - 1] = "TIME".to_owned();
                words[place] = "UNIT".to_owned();
            }
        }
        words.join(" ")
    };
    text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_tour_is_as_the_page_shows() {
    let text = std::fs::read_to_string(root().join(PAGE)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let own = Path::new(WHITHER).parent().unwrap().to_string_lossy().into_owned();
    let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
    let shell = Shell::new().with("PATH", &path);
    let is_blessed = std::env::var_os("WHITHER_BLESS").is_some();
    let (mut anew, mut end, mut wrong) = (Vec::new(), 0, Vec::new());
    let blocks = blocks(&lines);
    assert!(blocks.len() >= 10, "{} blocks", blocks.len());
    for Block { commands, shown, code } in blocks {
        let told = shell.run(Path::new("sh"), ["-c", &format!("exec 2>&1\n{commands}")], "");
        let printed: Vec<_> = told.stdout.lines().map(str::trim_end).collect();
        assert_eq!(told.code, Some(code), "{commands}\n{}", told.stdout);
        let Some((start, stop)) = shown else { continue };
        let is = lines[start..stop].join("\n");
        if steady(&is) == steady(&told.stdout) {
            continue;
        }
        wrong.push(format!("{PAGE}:{}: {commands}\nprints\n{}", start + 1, printed.join("\n")));
        anew.extend(lines[end..start].iter().map(|line| (*line).to_owned()));
        anew.extend(printed.into_iter().map(str::to_owned));
        end = stop;
    }
    if is_blessed && !wrong.is_empty() {
        anew.extend(lines[end..].iter().map(|line| (*line).to_owned()));
        std::fs::write(root().join(PAGE), anew.join("\n") + "\n").unwrap();
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn times_do_not_count() {
    assert_eq!(steady("│ a.js   1 call  730 us │\n──\n"), steady("│ a.js  1 call  2.5 ms │"));
    assert_ne!(steady("chosen node-1"), steady("chosen node-2"));
}
