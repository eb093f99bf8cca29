//! Nasty texts, from whoever brings them: in no log line and on no terminal is there a control byte but the line's end,
//! or anything that hides or re-orders what stands beside it.

mod corpus;
mod living;
mod sinks;

/// Fails where `text` has anything raw in it but line ends.
#[track_caller]
fn must_be_plain(text: &str) {
    let raw = text.char_indices().find(|(_, character)| *character != '\n' && !whither::plain::is_plain(*character));
    if let Some((place, character)) = raw {
        let from = text.floor_char_boundary(place.saturating_sub(200));
        panic!("{character:?} is raw at {place}: {:?}", &text[from..text.ceil_char_boundary(place + 200)]);
    }
}

/// `text` without the sequences that set a colour.
fn without_colours(text: &str) -> String {
    let mut shown = String::new();
    let mut parts = text.split("\u{1b}[");
    shown.push_str(parts.next().unwrap());
    for part in parts {
        let end = part.find(|character: char| !character.is_ascii_digit() && character != ';').unwrap();
        assert_eq!(&part[end..=end], "m", "another sequence than one for a colour: {part:?}");
        shown.push_str(&part[end + 1..]);
    }
    shown
}
