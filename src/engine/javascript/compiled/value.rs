//! How values of a script lie in eight bytes: numbers as they are, everything else in the room of the numbers that are
//! none.
//!
//! Hardware makes one NaN of either sign and no other, so what is greater than that is free for tags. Two values of one
//! kind are the same exactly when their bits are, numbers aside: texts are interned, lists and objects are where they are.

/// Bits at and above this are no number.
pub(super) const TAGGED: u64 = 0xFFF9 << 48;
/// `undefined`.
pub(super) const UNDEFINED: u64 = TAGGED;
/// `null`.
pub(super) const NULL: u64 = TAGGED + 1;
/// `false`; `true` is the next one.
pub(super) const FALSE: u64 = TAGGED + 2;
/// `true`.
pub(super) const TRUE: u64 = TAGGED + 3;
/// A value that compiled code does not know: reading it bails out.
pub(super) const UNKNOWN: u64 = TAGGED + 4;

/// What no value is: nothing was written here.
pub(super) const UNWRITTEN: u64 = u64::MAX;

/// The upper sixteen bits of a text, whose number among the interned ones is below.
pub(super) const TEXT: u64 = 0xFFFA;
/// The upper sixteen bits of a list, whose header's address is below.
pub(super) const LIST: u64 = 0xFFFB;
/// The upper sixteen bits of an object; the path that it lies at follows, then its row or the address of its record.
pub(super) const OBJECT: u64 = 0xFFFC;

/// The upper sixteen bits of a dictionary, whose number is below.
pub(super) const DICTIONARY: u64 = 0xFFFD;

/// Where a list's header has the number of elements.
pub(super) const LIST_LENGTH: u64 = 0;
/// Where it has the room for elements.
pub(super) const LIST_ROOM: u64 = 4;
/// Where it has the address of the elements.
pub(super) const LIST_ITEMS: u64 = 8;
/// Where it says whether the list may not be written to.
pub(super) const LIST_FROZEN: u64 = 12;
/// The size of the header.
pub(super) const LIST_BYTES: u32 = 16;

/// A number.
pub(super) fn number(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { number.to_bits() }
}

/// `true` or `false`.
pub(super) fn flag(flag: bool) -> u64 {
    FALSE + u64::from(flag)
}

/// The text with this number.
pub(super) fn text(number: u32) -> u64 {
    TEXT << 48 | u64::from(number)
}

/// The list whose header is here.
pub(super) fn list(address: u32) -> u64 {
    LIST << 48 | u64::from(address)
}

/// The upper half of every object at `path`.
pub(super) fn object_head(path: u16) -> u32 {
    (OBJECT as u32) << 16 | u32::from(path)
}

/// The object at `path` in this row or record.
pub(super) fn object(path: u16, row: u32) -> u64 {
    u64::from(object_head(path)) << 32 | u64::from(row)
}

/// What kind of value some bits are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Number(f64),
    Undefined,
    Null,
    Flag(bool),
    Text(u32),
    List(u32),
    /// An object at this path, with its row or record.
    Object(u16, u32),
    /// The dictionary with this number.
    Dictionary(u32),
    Unknown,
}

/// What `bits` are.
pub(super) fn kind(bits: u64) -> Kind {
    let low = bits as u32;
    match bits >> 48 {
        _ if bits < TAGGED => Kind::Number(f64::from_bits(bits)),
        TEXT => Kind::Text(low),
        LIST => Kind::List(low),
        OBJECT => Kind::Object((bits >> 32) as u16, low),
        DICTIONARY => Kind::Dictionary(low),
        _ => match bits {
            UNDEFINED => Kind::Undefined,
            NULL => Kind::Null,
            FALSE => Kind::Flag(false),
            TRUE => Kind::Flag(true),
            _ => Kind::Unknown,
        },
    }
}
