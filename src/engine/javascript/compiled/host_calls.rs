//! The functions that the host has for compiled code, each with its signature.

use super::ir::Ty;

/// Functions of the host, of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HostCall {
    /// The length of a text.
    TextLength,
    /// Whether a text has another one within.
    Includes,
    StartsWith,
    EndsWith,
    IndexOf,
    Lower,
    Upper,
    Trim,
    /// Any primitive as a text.
    ToText,
    /// The next random number.
    Random,
    /// Whether a text matches the pattern with a number.
    Matches,
    /// The parts of a text between others, as a dictionary of these.
    Split,
    /// The time of the request, in milliseconds.
    Now,
    /// The hour of the day then.
    Hour,
    /// The minute of the hour.
    Minute,
    /// The day of the week.
    Weekday,
    /// `{}`
    NewObject,
    /// `new Map()`
    NewMap,
    /// `new Set()`
    NewSet,
    /// The member of an object whose names are computed, or the size of a map or set.
    Member,
    /// Gives such an object a member.
    PutMember,
    /// `map.get(key)`
    MapGet,
    /// `map.set(key, value)`
    MapSet,
    /// `set.add(value)`
    SetAdd,
    /// `has(key)` of both.
    HasKey,
    /// The number of entries.
    Count,
    /// The key of the entry at a place.
    KeyAt,
    /// Its value.
    ValueAt,
    /// Whether an object whose names are computed has a member.
    HasMember,
    /// What a dictionary is: 0 for an object, 1 for a map, 2 for a set.
    DictionaryKind,
    /// The letter of a text at a place, `''` where there is none.
    CharAt,
    /// The letter of a text at a place, `undefined` where there is none.
    Letter,
    /// The unit of a text at a place.
    CharCode,
    Substring,
    Substr,
    SliceText,
    /// A text with the first of one text replaced by another.
    Replace,
    ReplaceAll,
    PadStart,
    PadEnd,
    Repeat,
    LastIndexOf,
    TrimStart,
    TrimEnd,
    /// `localeCompare`
    Collate,
    /// `toFixed`
    Fixed,
    ParseInt,
    ParseFloat,
    /// The first match of a pattern with its groups, as a dictionary of these; `null` where there is none.
    Match,
    /// All matches of a pattern, in the same way.
    MatchAll,
    /// A text with the first match of a pattern replaced.
    ReplaceMatch,
    /// A text with all matches of a pattern replaced.
    ReplaceMatches,
    /// The parts of a text between matches of a pattern, as a dictionary of these.
    SplitMatches,
    /// `**`
    Power,
    /// `Math.pow`
    MathPow,
    /// The natural logarithm.
    Log,
    Log2,
    Log10,
    Exp,
    Sign,
    Cbrt,
    Hypot,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    ShiftRightUnsigned,
    /// What a date says of the time of the request, by number.
    DatePart,
    /// The first of several values that are logged: a text that is no template.
    LogStart,
    /// A primitive as JSON; `undefined` where it is that.
    Json,
    /// Logs a line at a level.
    Write,
    /// Throws at a place of the script, by number, with a message.
    Throw,
}

impl HostCall {
    /// Every one, in the order in which modules import them.
    pub(super) const ALL: [Self; 73] = [
        Self::TextLength,
        Self::Includes,
        Self::StartsWith,
        Self::EndsWith,
        Self::IndexOf,
        Self::Lower,
        Self::Upper,
        Self::Trim,
        Self::ToText,
        Self::Random,
        Self::Matches,
        Self::Split,
        Self::Now,
        Self::Hour,
        Self::Minute,
        Self::Weekday,
        Self::NewObject,
        Self::NewMap,
        Self::NewSet,
        Self::Member,
        Self::PutMember,
        Self::MapGet,
        Self::MapSet,
        Self::SetAdd,
        Self::HasKey,
        Self::Count,
        Self::KeyAt,
        Self::ValueAt,
        Self::HasMember,
        Self::DictionaryKind,
        Self::CharAt,
        Self::Letter,
        Self::CharCode,
        Self::Substring,
        Self::Substr,
        Self::SliceText,
        Self::Replace,
        Self::ReplaceAll,
        Self::PadStart,
        Self::PadEnd,
        Self::Repeat,
        Self::LastIndexOf,
        Self::TrimStart,
        Self::TrimEnd,
        Self::Collate,
        Self::Fixed,
        Self::ParseInt,
        Self::ParseFloat,
        Self::Match,
        Self::MatchAll,
        Self::ReplaceMatch,
        Self::ReplaceMatches,
        Self::SplitMatches,
        Self::Power,
        Self::MathPow,
        Self::Log,
        Self::Log2,
        Self::Log10,
        Self::Exp,
        Self::Sign,
        Self::Cbrt,
        Self::Hypot,
        Self::BitAnd,
        Self::BitOr,
        Self::BitXor,
        Self::ShiftLeft,
        Self::ShiftRight,
        Self::ShiftRightUnsigned,
        Self::DatePart,
        Self::LogStart,
        Self::Json,
        Self::Write,
        Self::Throw,
    ];

    /// How many values it takes, and what it gives.
    pub(super) fn signature(self) -> (usize, Ty) {
        let (_, count, result, _) = self.row();
        (count, result)
    }

    /// Whether it always comes to the same and changes nothing.
    pub(super) fn is_pure(self) -> bool {
        self.row().3
    }

    /// The name under which modules import it.
    pub(super) fn name(self) -> &'static str {
        self.row().0
    }

    /// The name, the number of values that it takes, what it gives, and whether it is pure.
    fn row(self) -> (&'static str, usize, Ty, bool) {
        match self {
            Self::TextLength => ("length", 1, Ty::Num, true),
            Self::Includes => ("includes", 2, Ty::Bool, true),
            Self::StartsWith => ("starts", 2, Ty::Bool, true),
            Self::EndsWith => ("ends", 2, Ty::Bool, true),
            Self::IndexOf => ("index", 2, Ty::Num, true),
            Self::Lower => ("lower", 1, Ty::Any, true),
            Self::Upper => ("upper", 1, Ty::Any, true),
            Self::Trim => ("trim", 1, Ty::Any, true),
            Self::ToText => ("text", 1, Ty::Any, true),
            Self::Random => ("random", 0, Ty::Num, false),
            Self::Matches => ("matches", 2, Ty::Bool, true),
            Self::Split => ("split", 2, Ty::Any, false),
            Self::Now => ("now", 0, Ty::Num, true),
            Self::Hour => ("hour", 0, Ty::Num, true),
            Self::Minute => ("minute", 0, Ty::Num, true),
            Self::Weekday => ("weekday", 0, Ty::Num, true),
            Self::NewObject => ("object", 0, Ty::Any, false),
            Self::NewMap => ("map", 0, Ty::Any, false),
            Self::NewSet => ("set", 0, Ty::Any, false),
            Self::Member => ("member", 2, Ty::Any, true),
            Self::PutMember => ("put", 3, Ty::Any, false),
            Self::MapGet => ("get", 2, Ty::Any, true),
            Self::MapSet => ("assign", 3, Ty::Any, false),
            Self::SetAdd => ("add", 2, Ty::Any, false),
            Self::HasKey => ("has", 2, Ty::Bool, true),
            Self::Count => ("count", 1, Ty::Num, true),
            Self::KeyAt => ("key", 2, Ty::Any, true),
            Self::ValueAt => ("value", 2, Ty::Any, true),
            Self::HasMember => ("hasmember", 2, Ty::Bool, true),
            Self::DictionaryKind => ("dictionarykind", 1, Ty::Num, true),
            Self::CharAt => ("charat", 2, Ty::Any, true),
            Self::Letter => ("letter", 2, Ty::Any, true),
            Self::CharCode => ("charcode", 2, Ty::Num, true),
            Self::Substring => ("substring", 3, Ty::Any, true),
            Self::Substr => ("substr", 3, Ty::Any, true),
            Self::SliceText => ("slice", 3, Ty::Any, true),
            Self::Replace => ("replace", 3, Ty::Any, true),
            Self::ReplaceAll => ("replaceall", 3, Ty::Any, true),
            Self::PadStart => ("padstart", 3, Ty::Any, true),
            Self::PadEnd => ("padend", 3, Ty::Any, true),
            Self::Repeat => ("repeat", 2, Ty::Any, true),
            Self::LastIndexOf => ("lastindex", 2, Ty::Num, true),
            Self::TrimStart => ("trimstart", 1, Ty::Any, true),
            Self::TrimEnd => ("trimend", 1, Ty::Any, true),
            Self::Collate => ("collate", 2, Ty::Num, true),
            Self::Fixed => ("fixed", 2, Ty::Any, true),
            Self::ParseInt => ("parseint", 2, Ty::Num, true),
            Self::ParseFloat => ("parsefloat", 1, Ty::Num, true),
            Self::Match => ("match", 2, Ty::Any, false),
            Self::MatchAll => ("matchall", 2, Ty::Any, false),
            Self::ReplaceMatch => ("replacematch", 3, Ty::Any, true),
            Self::ReplaceMatches => ("replacematches", 3, Ty::Any, true),
            Self::SplitMatches => ("splitmatches", 2, Ty::Any, false),
            Self::Power => ("power", 2, Ty::Num, true),
            Self::MathPow => ("pow", 2, Ty::Num, true),
            Self::Log => ("log", 1, Ty::Num, true),
            Self::Log2 => ("log2", 1, Ty::Num, true),
            Self::Log10 => ("log10", 1, Ty::Num, true),
            Self::Exp => ("exp", 1, Ty::Num, true),
            Self::Sign => ("sign", 1, Ty::Num, true),
            Self::Cbrt => ("cbrt", 1, Ty::Num, true),
            Self::Hypot => ("hypot", 2, Ty::Num, true),
            Self::BitAnd => ("bitand", 2, Ty::Num, true),
            Self::BitOr => ("bitor", 2, Ty::Num, true),
            Self::BitXor => ("bitxor", 2, Ty::Num, true),
            Self::ShiftLeft => ("shiftleft", 2, Ty::Num, true),
            Self::ShiftRight => ("shiftright", 2, Ty::Num, true),
            Self::ShiftRightUnsigned => ("shiftunsigned", 2, Ty::Num, true),
            Self::DatePart => ("datepart", 1, Ty::Num, true),
            Self::LogStart => ("logstart", 1, Ty::Any, true),
            Self::Json => ("json", 1, Ty::Any, true),
            Self::Write => ("write", 2, Ty::Any, false),
            Self::Throw => ("throw", 2, Ty::Any, false),
        }
    }
}
