//! The functions that the host has for compiled code, each with its signature.

use super::ir::Ty;

/// Declares the functions in the order in which modules import them, each with the name in the module, the number of
/// parameters, the kind of the result, and whether the function is pure.
macro_rules! host_calls {
    ($($(#[$doc:meta])* $call:ident $name:literal $count:literal -> $result:ident, $is_pure:literal;)*) => {
        /// Functions of the host, of anything.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum HostCall {
            $($(#[$doc])* $call,)*
        }

        impl HostCall {
            /// Every function, in the order in which modules import the functions.
            pub(super) const ALL: [Self; [$($name),*].len()] = [$(Self::$call),*];

            /// Returns the number of parameters, and the kind of the result.
            pub(super) fn signature(self) -> (usize, Ty) {
                match self { $(Self::$call => ($count, Ty::$result),)* }
            }

            /// Whether the result is the same for the same arguments, and nothing is changed.
            pub(super) fn is_pure(self) -> bool {
                match self { $(Self::$call => $is_pure,)* }
            }

            /// Returns the name under which modules import the function.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$call => $name,)* }
            }
        }
    };
}

host_calls! {
    /// The length of a text.
    TextLength "length" 1 -> Num, true;
    /// Whether a text has another one within.
    Includes "includes" 2 -> Bool, true;
    StartsWith "starts" 2 -> Bool, true;
    EndsWith "ends" 2 -> Bool, true;
    IndexOf "index" 2 -> Num, true;
    Lower "lower" 1 -> Any, true;
    Upper "upper" 1 -> Any, true;
    Trim "trim" 1 -> Any, true;
    /// Any primitive as a text.
    ToText "text" 1 -> Any, true;
    /// The next random number.
    Random "random" 0 -> Num, false;
    /// Whether a text matches the pattern with a number.
    Matches "matches" 2 -> Bool, true;
    /// The parts of a text between others, as a dictionary of these.
    Split "split" 2 -> Any, false;
    /// The time of the request, in milliseconds.
    Now "now" 0 -> Num, true;
    /// The hour of the day then.
    Hour "hour" 0 -> Num, true;
    /// The minute of the hour.
    Minute "minute" 0 -> Num, true;
    /// The day of the week.
    Weekday "weekday" 0 -> Num, true;
    /// `{}`
    NewObject "object" 0 -> Any, false;
    /// `new Map()`
    NewMap "map" 0 -> Any, false;
    /// `new Set()`
    NewSet "set" 0 -> Any, false;
    /// The member of an object whose names are computed, or the size of a map or set.
    Member "member" 2 -> Any, true;
    /// Gives such an object a member.
    PutMember "put" 3 -> Any, false;
    /// `map.get(key)`
    MapGet "get" 2 -> Any, true;
    /// `map.set(key, value)`
    MapSet "assign" 3 -> Any, false;
    /// `set.add(value)`
    SetAdd "add" 2 -> Any, false;
    /// `has(key)` of both.
    HasKey "has" 2 -> Bool, true;
    /// The number of entries.
    Count "count" 1 -> Num, true;
    /// The key of the entry at a place.
    KeyAt "key" 2 -> Any, true;
    /// Its value.
    ValueAt "value" 2 -> Any, true;
    /// Whether an object whose names are computed has a member.
    HasMember "hasmember" 2 -> Bool, true;
    /// What a dictionary is: 0 for an object, 1 for a map, 2 for a set.
    DictionaryKind "dictionarykind" 1 -> Num, true;
    /// The letter of a text at a place, `''` where there is none.
    CharAt "charat" 2 -> Any, true;
    /// The letter of a text at a place, `undefined` where there is none.
    Letter "letter" 2 -> Any, true;
    /// The unit of a text at a place.
    CharCode "charcode" 2 -> Num, true;
    Substring "substring" 3 -> Any, true;
    Substr "substr" 3 -> Any, true;
    SliceText "slice" 3 -> Any, true;
    /// A text in which the first occurrence of a second text is replaced by a third text.
    Replace "replace" 3 -> Any, true;
    ReplaceAll "replaceall" 3 -> Any, true;
    PadStart "padstart" 3 -> Any, true;
    PadEnd "padend" 3 -> Any, true;
    Repeat "repeat" 2 -> Any, true;
    LastIndexOf "lastindex" 2 -> Num, true;
    TrimStart "trimstart" 1 -> Any, true;
    TrimEnd "trimend" 1 -> Any, true;
    /// `localeCompare`
    Collate "collate" 2 -> Num, true;
    /// `toFixed`
    Fixed "fixed" 2 -> Any, true;
    /// `toString` with a radix
    Radix "radix" 2 -> Any, true;
    ParseInt "parseint" 2 -> Num, true;
    ParseFloat "parsefloat" 1 -> Num, true;
    /// The first match of a pattern with its groups, as a dictionary of these; `null` where there is none.
    Match "match" 2 -> Any, false;
    /// All matches of a pattern without groups, as a dictionary of these; `null` where there is none.
    MatchAll "matchall" 2 -> Any, false;
    /// A text with the first match of a pattern replaced.
    ReplaceMatch "replacematch" 3 -> Any, true;
    /// A text with all matches of a pattern replaced.
    ReplaceMatches "replacematches" 3 -> Any, true;
    /// The parts of a text between matches of a pattern, as a dictionary of these.
    SplitMatches "splitmatches" 2 -> Any, false;
    /// `**`
    Power "power" 2 -> Num, true;
    /// `Math.pow`
    MathPow "pow" 2 -> Num, true;
    /// The natural logarithm.
    Log "log" 1 -> Num, true;
    Log2 "log2" 1 -> Num, true;
    Log10 "log10" 1 -> Num, true;
    Exp "exp" 1 -> Num, true;
    Sign "sign" 1 -> Num, true;
    Cbrt "cbrt" 1 -> Num, true;
    Hypot "hypot" 2 -> Num, true;
    /// `Math.imul`
    Imul "imul" 2 -> Num, true;
    BitAnd "bitand" 2 -> Num, true;
    BitOr "bitor" 2 -> Num, true;
    BitXor "bitxor" 2 -> Num, true;
    ShiftLeft "shiftleft" 2 -> Num, true;
    ShiftRight "shiftright" 2 -> Num, true;
    ShiftRightUnsigned "shiftunsigned" 2 -> Num, true;
    /// A part of the request's time as a date, by the number of the part.
    DatePart "datepart" 1 -> Num, true;
    /// The text of the first of several logged values; gives up where the text has a placeholder such as `%s`.
    LogStart "logstart" 1 -> Any, true;
    /// A primitive as JSON; `undefined` for `undefined`.
    Json "json" 1 -> Any, true;
    /// The value of a JSON text, with objects as dictionaries; gives up over lists.
    JsonParse "jsonparse" 1 -> Any, false;
    /// The Unix time of a date in a text, in milliseconds.
    DateParse "dateparse" 1 -> Num, true;
    /// The elements of a list as one text, with a separator between them.
    Join "join" 2 -> Any, false;
    /// Logs a line at a level.
    Write "write" 2 -> Any, false;
    /// Throws at a place of the script, by number, with a message.
    Throw "throw" 2 -> Any, false;
}
