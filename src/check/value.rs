//! The worth of an expression of a script, as far as a check can tell: a node, a list of nodes, a number of bytes.
//!
//! A worth only grows: the values that a variable is given at several places are joined, and where these disagree
//! nothing is known. So no finding follows from a guess.

/// The most levels of lists and records within each other.
const MAX_DEPTH: usize = 4;
/// The most members of an object of the script that are distinguished.
const MAX_MEMBERS: usize = 32;

/// The worth of an expression.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::check) enum Worth {
    /// Nothing was seen yet, or nothing is there: `undefined`, `null`, `()`.
    #[default]
    Unset,
    /// Anything.
    Unknown,
    /// A document, or a part of a document.
    Thing(Thing),
    /// A number.
    Number(Measure),
    /// A text.
    Text(Role),
    /// `true` or `false`.
    Truth,
    /// A list of such values.
    List(Box<Worth>),
    /// An object that the script made, with the object's members.
    Record(Vec<(String, Worth)>),
    /// The function of this number in the tree.
    Function(usize),
}

/// A document that a script sees, or a part of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::check) enum Thing {
    /// The parameter of a function of the whole list.
    Input,
    /// The second parameter of a function of one node.
    Request,
    /// The requesting user.
    User,
    /// The requester's own machine.
    Local,
    /// The parameters as FastX 4 has them.
    Params,
    /// The time of the request.
    Time,
    /// A node.
    Node,
    /// The data that a node reports.
    NodeData,
    /// The health of a node.
    Health,
    /// The processor of a node.
    Cpu,
    /// The memory of a node.
    Memory,
    /// The metadata of a node.
    Metadata,
    /// A session.
    Session,
}

/// The measure that a number is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum Measure {
    /// Anything.
    Plain,
    /// Sessions of a node.
    Sessions,
    /// Bytes.
    Bytes,
    /// Percent, from 0 to 100.
    Percent,
    /// Percent of the processor, which is a number and no object.
    Processor,
    /// The hour of the day.
    Hour,
    /// The day of the week, from 0.
    Weekday,
}

/// The meaning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum Role {
    /// Anything.
    Plain,
    /// The id of a node.
    Id,
    /// The name of an action.
    Action,
    /// A value in the metadata of a node.
    Metadata,
    /// The place of an element, as `for … in` gives that place.
    Place,
}

impl Worth {
    /// Returns a list of `element`.
    #[must_use]
    pub(in crate::check) fn list(element: Self) -> Self {
        if element.depth() >= MAX_DEPTH { Self::Unknown } else { Self::List(Box::new(element)) }
    }

    /// Returns an object with `members`.
    #[must_use]
    pub(in crate::check) fn record(members: Vec<(String, Self)>) -> Self {
        let record = Self::Record(members);
        let is_large = matches!(&record, Self::Record(members) if members.len() > MAX_MEMBERS);
        if is_large || record.depth() > MAX_DEPTH { Self::Unknown } else { record }
    }

    fn depth(&self) -> usize {
        match self {
            Self::List(element) => 1 + element.depth(),
            Self::Record(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or_default(),
            _ => 0,
        }
    }

    /// Returns the join of `self` and `other`: a worth that covers both.
    #[must_use]
    pub(in crate::check) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unset, value) | (value, Self::Unset) => value,
            (left, right) if left == right => left,
            (Self::Number(_), Self::Number(_)) => Self::Number(Measure::Plain),
            (Self::Text(_), Self::Text(_)) => Self::Text(Role::Plain),
            (Self::List(left), Self::List(right)) => Self::List(Box::new(left.or(*right))),
            (Self::Record(left), Self::Record(right)) => joined(left, right),
            _ => Self::Unknown,
        }
    }

    /// Returns the worth of the list's elements, or `None` where the value is no list.
    #[must_use]
    pub(in crate::check) fn element(&self) -> Option<&Self> {
        match self {
            Self::List(element) => Some(element),
            _ => None,
        }
    }

    /// Whether the value is a node.
    #[must_use]
    pub(in crate::check) fn is_node(&self) -> bool {
        *self == Self::Thing(Thing::Node)
    }

    /// Whether the value is a list of nodes.
    #[must_use]
    pub(in crate::check) fn is_nodes(&self) -> bool {
        self.element().is_some_and(Self::is_node)
    }
}

fn joined(left: Vec<(String, Worth)>, right: Vec<(String, Worth)>) -> Worth {
    let has_same = left.len() == right.len() && left.iter().zip(&right).all(|((one, _), (other, _))| one == other);
    if !has_same {
        return Worth::Unknown;
    }
    let members = left.into_iter().zip(right).map(|((name, one), (_, other))| (name, one.or(other)));
    Worth::Record(members.collect())
}
