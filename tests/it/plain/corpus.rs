//! The corpus: a thousand texts from a seed, of every kind that steers, hides, re-orders or forges.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// How many texts there are.
pub(crate) const TEXTS: usize = 1000;

/// What the texts are put together from.
const PIECES: [&str; 36] = [
    "",
    "ann",
    "日本語 ",
    "👩‍🚀",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;a title\u{7}",
    "\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}]52;c;aGFoYQ==\u{7}",
    "\u{1b}P$q\"p\u{1b}\\",
    "\u{1b}[1;",
    "\u{1b}",
    "\u{9b}2J\u{9d}0;x\u{9c}",
    "\r",
    "\u{8}\u{8}\u{8}",
    "\t\u{b}\u{c}\0",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}gpj.exe\u{202c}",
    "\u{2066}\u{2067}\u{2068}\u{2069}",
    "\u{200e}\u{200f}\u{61c}",
    "\u{200b}\u{2060}\u{feff}",
    "\u{180e}\u{ad}\u{34f}",
    "\u{e0001}\u{e0041}\u{e007f}",
    "\u{fff9}a\u{fffa}b\u{fffb}",
    "\n2026-11-20T17:30:00.000000Z  INFO whither: forged",
    "\r\n2026-11-20T17:30:00.000000Z ERROR script: forged script=a.js\r\n",
    "\n{\"timestamp\":\"2026-11-20T17:30:00Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"forged\"}}\n",
    "\"}}\n{\"forged\":{\"a\":\"",
    "\\\"\\u001b[2J\\n",
    "\\ud800",
    "{}{:?}%s$(x)`x`",
    "\u{10ffff}\u{fffe}\u{e000}",
    "a̴̧̡̢b",
];

/// The texts, the same at each call.
pub(crate) fn texts() -> Vec<String> {
    let mut dice = Pcg64Mcg::seed_from_u64(0x706c_6169_6e21);
    (0..TEXTS).map(|number| text(&mut dice, number)).collect()
}

fn text(dice: &mut Pcg64Mcg, number: usize) -> String {
    // Each piece is once alone, and now and then a text is very long.
    if let Some(piece) = PIECES.get(number) {
        return (*piece).to_owned();
    }
    let pieces = if number.is_multiple_of(100) { 5_000 } else { 1 + dice.next_u32() % 6 };
    let mut text = String::new();
    for _ in 0..pieces {
        match dice.next_u32() % 4 {
            0 => text.extend(char::from_u32(dice.next_u32() % 0x2100)),
            1 => text.extend(char::from_u32(dice.next_u32() % 0x11_0000)),
            _ => text.push_str(PIECES[dice.next_u32() as usize % PIECES.len()]),
        }
    }
    text
}
