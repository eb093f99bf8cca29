//! Recognises functions of the whole list that keep the best node, and finds that node without a look at all nodes.
//!
//! A function that walks the list once, keeps an element by the order of a figure, and uses nothing else of the list
//! but whether the list is empty, returns the same for the whole list as for the list of that single element. `program`
//! recognises such functions in their intermediate form, and makes a second function for each: the *probe*, which
//! returns the figures of a single node. `ranking` keeps the nodes in the order of these figures as nodes change. The
//! function itself runs unchanged, over a list of a single node.
//!
//! Rejected: to translate such functions into filters and scores of one node, for which all that comes after the loop
//! would have to be understood.

mod flatten;
mod follow;
mod pass;
mod program;
mod ranking;
mod rule;
mod standing;
mod symbols;
mod uses;
mod walks;
mod winners;

use super::host_calls::HostCall;
use super::lower::Lowered;

pub(super) use program::recognise;
pub(super) use ranking::Ranking;

/// The reason why a function is not recognised, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str);

type Res<T> = Result<T, Refusal>;

/// Which figures are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyOrder {
    LeastFirst,
    MostFirst,
}

/// A function that keeps the best node of its list.
pub(super) struct BestOf {
    /// The probe: returns the marks of a single node, as a list. Each filter that the node passes is a mark; the
    /// figures by which nodes are compared follow where the function may keep the node.
    pub(super) probe: Lowered,
    pub(super) order: NodeOrder,
}

/// How nodes are ordered by their marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeOrder {
    /// The number of filters; the marks of filters come before the figures.
    pub(super) filters: usize,
    pub(super) keys: Vec<KeyOrder>,
    /// Whether the last of several equal nodes is kept.
    pub(super) last_wins: bool,
}

/// Whether `call` returns the same at any time and for any request.
fn is_timeless(call: HostCall) -> bool {
    use HostCall as H;
    call.is_pure() && !matches!(call, H::Now | H::Hour | H::Minute | H::Weekday | H::DatePart)
}
