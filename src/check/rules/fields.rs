//! Fields: those that nothing has, and values that are taken for another kind of value.

use crate::check::codes::Code;
use crate::check::fields::{FieldLook, look, misspelt, names};
use crate::check::finding::{Finding, Fix};
use crate::check::flow::ValueFlow;
use crate::check::value::{Measure, Thing, Worth};
use crate::script::tree::{Expr, SourceRange};

/// The members of lists in JavaScript.
const LIST_MEMBERS: [&str; 40] = [
    "length",
    "at",
    "concat",
    "copyWithin",
    "entries",
    "every",
    "fill",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flat",
    "flatMap",
    "forEach",
    "includes",
    "indexOf",
    "join",
    "keys",
    "lastIndexOf",
    "map",
    "pop",
    "push",
    "reduce",
    "reduceRight",
    "reverse",
    "shift",
    "slice",
    "some",
    "sort",
    "splice",
    "toLocaleString",
    "toReversed",
    "toSorted",
    "toSpliced",
    "toString",
    "unshift",
    "values",
    "with",
    "constructor",
];
/// Members that scripts use of a list, in either language.
const LIST_USES: [&str; 17] = [
    "length", "size", "filter", "map", "forEach", "find", "some", "every", "reduce", "includes", "indexOf", "len",
    "is_empty", "contains", "all", "sort", "slice",
];

impl<'t> ValueFlow<'t> {
    /// The field `name` of `thing`, which has none of that name.
    pub(in crate::check) fn unknown_field(
        &mut self,
        thing: Thing,
        name: &str,
        span: &SourceRange,
        meant: Option<&'static str>,
        is_short: bool,
    ) {
        if self.own_fields.contains(name) {
            return;
        }
        let message = format!("{} has no field `{name}`", thing.words());
        let finding = Finding::new(Code::UnknownField, Some(span.clone()), message);
        let finding = match meant {
            // `const {sesions} = node` names a variable as well.
            Some(meant) if is_short && is_path(meant) => finding.help(format!("did you mean `{meant}`?")),
            Some(meant) => {
                let text = if is_short { format!("{meant}: {name}") } else { meant.to_owned() };
                let fix = Fix::replace(span.clone(), text, format!("`{name}` becomes `{meant}`"));
                finding.help(format!("did you mean `{meant}`?")).fix(fix)
            }
            None => {
                let known: Vec<_> = names(thing).map(|name| format!("`{name}`")).collect();
                finding.help(format!("there are {}", known.join(", ")))
            }
        };
        self.find(finding);
    }

    /// Whether a node or the input is taken for a list by the member `name`.
    pub(in crate::check) fn no_list(
        &mut self,
        thing: Thing,
        name: &str,
        span: &SourceRange,
        of: Option<&'t Expr>,
    ) -> bool {
        let is_list_use = LIST_USES.contains(&name) && !matches!(name, "size" | "contains" | "len" | "find" | "map");
        let is_called = is_list_use || matches!(name, "map" | "find") && self.is_call_behind(span);
        let is_held = matches!(thing, Thing::Node | Thing::Input | Thing::Request | Thing::Session | Thing::User);
        if !is_called || !is_held || self.own_fields.contains(name) || look(thing, name) != FieldLook::Open {
            return false;
        }
        let shown = of.map_or_else(|| "this".to_owned(), |of| self.shown(&of.span));
        let finding =
            Finding::new(Code::ThingAsList, Some(span.clone()), format!("{shown} is {}, not a list", thing.words()));
        let finding = match (Self::list_in_thing(thing), of) {
            (Some(inner), Some(of)) => {
                let fix = Fix::replace(
                    of.span.end..of.span.end,
                    format!(".{inner}"),
                    format!("{shown} becomes the list in it, `{inner}`"),
                );
                finding.help(format!("the list is in its field `{inner}`")).fix(fix)
            }
            _ if thing == Thing::Node => finding.help(
                "the function is called once for each node; a function of the whole \
                 list has one parameter, `input`, and finds the nodes in `input.nodes`",
            ),
            _ => finding,
        };
        self.find(finding);
        true
    }

    fn list_in_thing(thing: Thing) -> Option<&'static str> {
        match thing {
            Thing::Input => Some("nodes"),
            Thing::User => Some("sessions"),
            _ => None,
        }
    }

    fn is_call_behind(&self, span: &SourceRange) -> bool {
        self.text.get(span.end..).is_some_and(|rest| rest.trim_start().starts_with('('))
    }

    /// Checks the member `name` of `list`; returns the worth of the member.
    pub(in crate::check) fn list_field(&mut self, list: &Worth, name: &str, span: &SourceRange) -> Worth {
        if name == "length" {
            return Worth::Number(Measure::Plain);
        }
        // Of a list of which nothing is known anything may have been made.
        if matches!(list.element(), None | Some(Worth::Unset | Worth::Unknown)) {
            return Worth::Unknown;
        }
        let is_place = name.bytes().all(|byte| byte.is_ascii_digit());
        if !self.is_javascript() || LIST_MEMBERS.contains(&name) || is_place || self.own_fields.contains(name) {
            return Worth::Unknown;
        }
        let finding = Finding::new(Code::UnknownField, Some(span.clone()), format!("a list has no member `{name}`"));
        let of_element = match list.element() {
            Some(Worth::Thing(thing)) => matches!(look(*thing, name), FieldLook::Known(_)).then(|| thing.words()),
            _ => None,
        };
        let meant = match name {
            "size" | "count" | "len" => Some("length"),
            "contains" | "has" => Some("includes"),
            "each" | "foreach" => Some("forEach"),
            "add" | "append" => Some("push"),
            "select" | "where" => Some("filter"),
            "first" => None,
            _ => misspelt(name, LIST_MEMBERS.iter().copied()),
        };
        self.find(match (of_element, meant) {
            (Some(element), _) => {
                finding.help(format!("`{name}` is a field of {element}, not of the list: take one out of it first"))
            }
            (None, Some(meant)) => finding.help(format!("did you mean `{meant}`?")).fix(Fix::replace(
                span.clone(),
                meant,
                format!("`{name}` becomes `{meant}`"),
            )),
            (None, None) => finding,
        });
        Worth::Unknown
    }

    /// The member `name` of a number of `unit`.
    pub(in crate::check) fn number_field(
        &mut self,
        unit: Measure,
        name: &str,
        span: &SourceRange,
        of: Option<&'t Expr>,
    ) {
        match unit {
            Measure::Sessions if LIST_USES.contains(&name) && !self.tells_lists_apart() => {
                self.count_as_list(name, span, of);
            }
            Measure::Processor if matches!(look(Thing::Cpu, name), FieldLook::Known(_)) => {
                let message = format!("`cpu` of a node is a number, percent in use, and has no field `{name}`");
                let help = format!("did you mean `nodeData.health.cpu.{name}`?");
                let finding = Finding::new(Code::UnknownField, Some(span.clone()), message).help(help);
                let fix = of.and_then(Expr::field).map(|(node, _)| {
                    let place = node.span.end..span.start;
                    Fix::replace(
                        place,
                        ".nodeData.health.cpu.",
                        format!("`cpu.{name}` becomes `nodeData.health.cpu.{name}`"),
                    )
                });
                self.find(Finding { fix, ..finding });
            }
            _ => {}
        }
    }

    /// Whether the script tests whether a value is a list, so that both kinds of nodes may be meant.
    fn tells_lists_apart(&self) -> bool {
        ["isArray", "typeof", "type_of"].iter().any(|word| self.text.contains(word))
    }

    fn count_as_list(&mut self, name: &str, span: &SourceRange, of: Option<&'t Expr>) {
        let shown = of.map_or_else(|| "`sessions`".to_owned(), |of| self.shown(&of.span));
        let message = format!("{shown} is a number of sessions and has no `{name}`");
        let finding = Finding::new(Code::CountAsList, Some(span.clone()), message);
        let is_count = matches!(name, "length" | "size") || name == "len" && self.is_call_behind(span);
        let Some(of) = of else { return self.find(finding) };
        self.find(if is_count {
            let brackets = if name == "len" {
                self.text.get(span.end..).map_or(0, |rest| rest.find(')').map_or(0, |at| at + 1))
            } else {
                0
            };
            let fix = Fix::replace(of.span.end..span.end + brackets, "", format!("`.{name}` goes"));
            finding.help(format!("{shown} is the count already; the list is `nodeData.sessions`")).fix(fix)
        } else {
            finding.help("the list is `nodeData.sessions`").fix(self.list_of_sessions(of))
        });
    }

    /// Returns the fix that takes the list of sessions and not their count.
    fn list_of_sessions(&self, of: &Expr) -> Fix {
        let title = "`sessions` becomes `nodeData.sessions`";
        match &of.kind {
            crate::script::tree::ExprKind::Field { name_span, .. } => {
                Fix::replace(name_span.clone(), "nodeData.sessions", title)
            }
            _ => Fix::replace(of.span.clone(), "nodeData.sessions", title).unsure(),
        }
    }

    /// A loop over `list`, which is `worth` that.
    pub(in crate::check) fn looped(&mut self, list: &'t Expr, worth: &Worth) {
        let shown = self.shown(&list.span);
        match worth {
            Worth::Number(Measure::Sessions) if !self.tells_lists_apart() => {
                let message = format!("{shown} is a number of sessions, not a list");
                let fix = self.list_of_sessions(list);
                let finding = Finding::new(Code::CountAsList, Some(list.span.clone()), message);
                self.find(finding.help("the list is `nodeData.sessions`").fix(fix));
            }
            Worth::Thing(thing) if self.is_javascript() => {
                let message = format!("{shown} is {}, not a list", thing.words());
                let finding = Finding::new(Code::ThingAsList, Some(list.span.clone()), message);
                self.find(match Self::list_in(*thing) {
                    Some(inner) => finding.help(format!("the list is in its field `{inner}`")).fix(Fix::replace(
                        list.span.end..list.span.end,
                        format!(".{inner}"),
                        format!("{shown} becomes the list in it, `{inner}`"),
                    )),
                    None => finding,
                });
            }
            _ => {}
        }
    }

    /// Reports a field of the variable of a `for … in` over a list: the variable holds places and not elements.
    pub(in crate::check) fn place_for_node(&mut self, name: &str, span: &SourceRange, of: Option<&'t Expr>) {
        let is_field = matches!(look(Thing::Node, name), FieldLook::Known(_) | FieldLook::Meant(_))
            || matches!(look(Thing::Session, name), FieldLook::Known(_));
        let is_text = matches!(name, "length" | "toString");
        // Static data may have any name, but a place has no fields at all.
        let Some(of) = of.filter(|_| !is_text && (is_field || !self.is_call_behind(span))) else { return };
        let shown = self.shown(&of.span);
        let message = format!("{shown} is the place of an element in the list, a text: it has no `{name}`");
        let finding = Finding::new(Code::PlaceForNode, Some(of.span.start..span.end), message);
        self.find(finding.help(format!(
            "`for (… of …)` gives the elements, where `in` gives their places: `of` for `in`, or \
             the list with `[{}]` behind it",
            self.source(&of.span)
        )));
    }
}

/// Whether `meant` leads through several fields.
fn is_path(meant: &str) -> bool {
    meant.contains(['.', '['])
}
