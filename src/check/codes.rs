//! The codes of findings: each names a kind of mistake for good, so that pages, editors and CI can refer to the code.

use super::finding::FindingLevel;
use super::pages::CodePage;

/// Declares the codes with their names in order.
macro_rules! codes {
    ($($variant:ident $code:literal $about:literal;)*) => {
        /// A kind of finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $about, ".")] $variant,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the code as written: a letter and three digits.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// Returns the subject of the code, in a few words.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

codes! {
    BrokenSource "E001" "a script that does not compile";
    Unreadable "E002" "a file that cannot be read";
    Config "E003" "a config that cannot be used";
    UnknownField "W001" "a field that nothing has";
    CountAsList "W002" "a number of sessions taken for the list of them";
    ThingAsList "W003" "a node or the input taken for a list";
    MetadataCompared "W004" "metadata compared with what is no text";
    MetadataTruth "W005" "the text `false` taken for false";
    TruthComparator "W006" "a comparator that does not compare";
    BareSort "W007" "a sort without a comparator";
    ResultUnused "W008" "a list that is made or sorted for nobody";
    CallbackReturnsNothing "W009" "a callback that returns nothing";
    PlaceForNode "W010" "the place of a node taken for the node";
    NodeReturned "W011" "a node returned in place of its id";
    NoVerdict "W012" "an answer that is no verdict";
    ScoreNoNumber "W013" "a score that is no number";
    LastStepPasses "W014" "a last step that returns nothing on some way";
    LastStepNeverChooses "W015" "a last step that never chooses a node";
    StepNeverAsked "W016" "a step behind one that always chooses";
    ImpureFunction "W017" "a function of one node that reads clock, chance or request";
    Undeclared "W018" "a name that nobody declares";
    LastingVariable "W019" "a variable that is meant to last";
    Async "W020" "an `async` function";
    WrongUnit "W021" "a figure compared in the wrong unit";
    ComparedDifferent "W022" "a list or an object compared or calculated with";
    IndexTruth "W023" "a place tested for its truth";
    AssignmentCondition "W024" "an assignment in place of a comparison";
    UnknownAction "W025" "an action that no request has";
    UnknownNode "W026" "an id that the cluster does not have";
    NotKept "W027" "a function whose results cannot be kept";
    MetadataAdded "W028" "metadata added to a number";
    RuleField "W029" "a home rule for a field that looks misspelt";
    BuiltInExtended "W030" "a member given to a built-in object";
}

impl Code {
    /// Returns the code that is written `name`, in upper or lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }

    /// Returns how much a finding of this code weighs.
    #[must_use]
    pub fn level(self) -> FindingLevel {
        match self {
            Self::NotKept => FindingLevel::Note,
            code if code.name().starts_with('E') => FindingLevel::Error,
            _ => FindingLevel::Warning,
        }
    }

    /// Returns the page of the code.
    #[must_use]
    pub fn page(self) -> &'static CodePage {
        super::pages::of(self)
    }
}
