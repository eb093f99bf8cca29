//! A table of home rules: which rule is a user's, and what it took for the others not to be.

use std::fmt;
use std::sync::Arc;

use super::patterns::FieldPatterns;
use super::pool::NodePool;
use super::rule_set::RuleSet;
use super::user::RuleUser;
use crate::script::{LoadError, SourceText};

/// The most rules of a table.
pub(super) const MAX_RULES: usize = 20_000;
/// The most different fields that the rules of a table look at.
pub(super) const MAX_FIELDS: usize = 32;

/// A table of home rules.
#[derive(Debug)]
pub struct RuleTable {
    pub(super) rules: Vec<HomeRule>,
    /// The pools that rules name, each once.
    pub(super) pools: Vec<NodePool>,
    pub(super) no_match: NoMatch,
    /// The patterns of each field.
    pub(super) fields: Vec<FieldPatterns>,
    /// The rules for external users.
    pub(super) external: RuleSet,
    /// The rules for all other users.
    pub(super) internal: RuleSet,
    /// The probable mistakes.
    pub(super) remarks: Vec<LoadError>,
}

/// A rule of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeRule {
    /// The number of the rule in the table, from 1.
    pub number: usize,
    /// The name of the rule; empty where the table gives none.
    pub name: String,
    /// The line of the table on which the rule begins, from 1.
    pub line: u32,
    /// Whether the rule is for external users, and for these alone.
    pub external: bool,
    /// The fields that must match, with their patterns, in the order of the table.
    pub patterns: Vec<(String, String)>,
    /// The home of users whom the rule matches.
    pub home: Home,
}

/// The home of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// The node of this id, which the step chooses.
    Node(Arc<str>),
    /// The pool at this place among the table's pools, in which later steps choose.
    Pool(usize),
}

/// The home of users whom no rule matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NoMatch {
    /// The step passes: later steps see all candidates.
    #[default]
    Pass,
    /// The step fails.
    Error,
    /// The home is the same for all of them.
    Home(Home),
}

/// The home that a table found for a user.
#[derive(Clone, Debug, PartialEq)]
pub struct HomeVerdict<'t> {
    /// The rule that matched; `None` where no rule did.
    pub rule: Option<&'t HomeRule>,
    /// The login of the sender whose home it is, where an external user lives where the sender lives.
    pub sender: Option<String>,
    /// The home; `None` where the step passes or fails.
    pub home: Option<&'t Home>,
}

/// The outcome of a rule that was tried for a user.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleTrial<'t> {
    /// The rule.
    pub rule: &'t HomeRule,
    /// The reason why the rule did not match; `None` where the rule matched.
    pub miss: Option<RuleMiss>,
}

/// The reason why a rule did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleMiss {
    /// The rule is for external users.
    ForExternals,
    /// The rule is for users of this site.
    NotForExternals,
    /// The first field of the rule that did not match.
    Field {
        /// The name of the field.
        field: String,
        /// The pattern of the rule.
        pattern: String,
        /// The values of the user; empty where the user has none.
        values: Vec<String>,
    },
}

impl RuleTable {
    /// Reads the table in `source`.
    ///
    /// # Errors
    /// The first problem of the table, with its place and the number of further problems.
    pub fn read(source: &SourceText) -> Result<Self, LoadError> {
        super::read::table(source)
    }

    /// Returns the rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[HomeRule] {
        &self.rules
    }

    /// Returns the pools that the table's rules name.
    #[must_use]
    pub fn pools(&self) -> &[NodePool] {
        &self.pools
    }

    /// Returns the treatment of users whom no rule matches.
    #[must_use]
    pub fn no_match(&self) -> &NoMatch {
        &self.no_match
    }

    /// Returns the probable mistakes, with their places.
    #[must_use]
    pub fn remarks(&self) -> &[LoadError] {
        &self.remarks
    }

    /// Returns the home of `user`: by the first rule that matches; of an external user whom no rule for external users
    /// matches, the home of the sender; else the default.
    #[must_use]
    pub fn home_of(&self, user: RuleUser<'_>) -> HomeVerdict<'_> {
        if let Some(rule) = self.matching(user) {
            return HomeVerdict { rule: Some(rule), sender: None, home: Some(&rule.home) };
        }
        if user.is_external()
            && let Some(sender) = user.sender()
        {
            let sender = RuleUser::Sender(&sender);
            let rule = self.matching(sender);
            let home = rule.map(|rule| &rule.home).or(self.default_home());
            return HomeVerdict { rule, sender: Some(sender.login()), home };
        }
        HomeVerdict { rule: None, sender: None, home: self.default_home() }
    }

    /// Returns the rules that were tried for `user`, up to the first that matched.
    #[must_use]
    pub fn trials(&self, user: RuleUser<'_>) -> Vec<RuleTrial<'_>> {
        let is_external = user.is_external();
        let met: Vec<_> = self.fields.iter().map(|field| (field, user.values(&field.field))).collect();
        let met: Vec<_> = met.into_iter().map(|(field, values)| (field, field.meeting(&values), values)).collect();
        let mut trials = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let missed = rule.patterns.iter().find_map(|(name, pattern)| {
                let (_, met, values) = met.iter().find(|(field, ..)| field.field == *name)?;
                (!met.has(place)).then(|| RuleMiss::Field {
                    field: name.clone(),
                    pattern: pattern.clone(),
                    values: values.clone(),
                })
            });
            let miss = match (rule.external, is_external) {
                (true, false) => Some(RuleMiss::ForExternals),
                (false, true) => Some(RuleMiss::NotForExternals),
                _ => missed,
            };
            let has_matched = miss.is_none();
            trials.push(RuleTrial { rule, miss });
            if has_matched {
                break;
            }
        }
        trials
    }

    /// Returns the words for `home`: the node, or the pool.
    #[must_use]
    pub fn words(&self, home: Option<&Home>) -> String {
        match (home, &self.no_match) {
            (Some(Home::Node(node)), _) => format!("node {node}"),
            (Some(Home::Pool(pool)), _) => {
                format!("pool {}", self.pools.get(*pool).map(ToString::to_string).unwrap_or_default())
            }
            (None, NoMatch::Error) => "no home, which is an error".to_owned(),
            (None, _) => "any node".to_owned(),
        }
    }

    fn default_home(&self) -> Option<&Home> {
        match &self.no_match {
            NoMatch::Home(home) => Some(home),
            NoMatch::Pass | NoMatch::Error => None,
        }
    }

    /// Returns the first rule whose patterns all match `user`.
    fn matching(&self, user: RuleUser<'_>) -> Option<&HomeRule> {
        let mut left = if user.is_external() { self.external.clone() } else { self.internal.clone() };
        for field in &self.fields {
            left.first()?;
            left.keep(&field.meeting(&user.values(&field.field)));
        }
        self.rules.get(left.first()?)
    }
}

impl fmt::Display for HomeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "rule {}", self.number),
            name => write!(f, "rule {} ({name})", self.number),
        }
    }
}

impl fmt::Display for RuleMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The most values that are named.
        const MAX_NAMED: usize = 5;
        match self {
            Self::ForExternals => f.write_str("it is for external users"),
            Self::NotForExternals => f.write_str("it is not for external users"),
            Self::Field { field, pattern, values } if values.is_empty() => {
                write!(f, "the user has no `{field}`, which must be like `{pattern}`")
            }
            Self::Field { field, pattern, values } => {
                let more = values.len().saturating_sub(MAX_NAMED);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let named: Vec<_> = values.iter().take(MAX_NAMED).map(|value| format!("`{value}`")).collect();
                write!(f, "`{field}` is {}{more}, not like `{pattern}`", named.join(", "))
            }
        }
    }
}
