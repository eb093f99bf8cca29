//! Comparisons and sums of values that are of different kinds.

use crate::check::codes::Code;
use crate::check::finding::{Finding, FindingLevel, Fix};
use crate::check::flow::ValueFlow;
use crate::check::value::{Measure, Role, Thing, Worth};
use crate::script::tree::{Expr, ExprKind, Operator};

/// The free memory that every machine has: a smaller number is meant as megabytes, gigabytes or percent.
const FEWEST_BYTES: f64 = 1_000_000.0;
/// The actions that every site has.
const ACTIONS: [&str; 2] = ["session/start", "user/login"];

type Side<'t, 'v> = (&'t Expr, &'v Worth);

impl<'t> ValueFlow<'t> {
    pub(in crate::check) fn compared(
        &mut self,
        whole: &'t Expr,
        operator: Operator,
        left: Side<'t, '_>,
        right: Side<'t, '_>,
    ) {
        for ((one, worth), (other, against)) in [(left, right), (right, left)] {
            let is_left = std::ptr::eq(one, left.0);
            match worth {
                Worth::Text(Role::Metadata) => self.metadata(operator, one, other, against),
                Worth::Number(unit) => {
                    self.measured(*unit, operator, is_left, one, other);
                    self.text_for_other("a number", operator, one, other);
                }
                Worth::Text(Role::Action) => self.action(operator, other),
                Worth::Text(Role::Id) => self.id(operator, other),
                Worth::Truth => self.text_for_other("true or false", operator, one, other),
                Worth::List(_) | Worth::Thing(_) => self.different(whole, operator, (one, worth), (other, against)),
                _ => {}
            }
        }
    }

    /// A case of a `switch` over `value`, which is `worth` that.
    pub(in crate::check) fn compared_case(&mut self, value: &'t Expr, worth: &Worth, case: &'t Expr) {
        match worth {
            Worth::Text(Role::Action) => self.action(Operator::Equal(false), case),
            Worth::Text(Role::Metadata) => {
                let against = self.peek(case);
                self.metadata(Operator::Equal(false), value, case, &against);
            }
            Worth::Text(Role::Id) => self.id(Operator::Equal(false), case),
            _ => {}
        }
    }

    fn metadata(&mut self, operator: Operator, one: &'t Expr, other: &'t Expr, against: &Worth) {
        let name = one.field().map(|(_, name)| name.to_owned());
        if let (Worth::Text(_), Some(name), Some(seen)) = (against, &name, &mut self.seen) {
            seen.compared.insert(name.clone());
        }
        if name.as_ref().is_some_and(|name| self.own_fields.contains(name)) {
            return;
        }
        let is_equality = matches!(operator, Operator::Equal(_) | Operator::Unequal(_));
        let is_converted = matches!(operator, Operator::Equal(true) | Operator::Unequal(true));
        let written = match &other.kind {
            ExprKind::Truth(_) if is_equality => "a truth value",
            ExprKind::Number(_) if is_equality && !is_converted => "a number",
            ExprKind::Number(_) if !is_equality && !self.is_javascript() => "a number",
            _ => return,
        };
        let (shown, right) = (self.shown(&one.span), self.source(&other.span));
        let never = match operator {
            Operator::Unequal(_) => "always unequal",
            Operator::Equal(_) => "never equal",
            _ => "not comparable",
        };
        let message = format!("{shown} is a text, as all metadata are: it is {never} to `{right}`, which is {written}");
        let mut finding = Finding::new(
            Code::MetadataCompared,
            Some(one.span.start.min(other.span.start)..one.span.end.max(other.span.end)),
            message,
        );
        // Node lists in files may have metadata of any type, and Rhai compares values of all types.
        if !self.is_javascript() && matches!(other.kind, ExprKind::Truth(_)) {
            finding.level = FindingLevel::Note;
        }
        let quote = if self.is_javascript() { '\'' } else { '"' };
        let text = format!("{quote}{right}{quote}");
        self.find(match is_equality {
            true => {
                let fix =
                    Fix::replace(other.span.clone(), text.clone(), format!("`{right}` becomes the text `{text}`"));
                finding.help(format!("compare with the text `{text}`")).fix(fix)
            }
            false => finding.help(format!("make a number of the text first: `parse_int({})`", self.source(&one.span))),
        });
    }

    /// Checks a comparison of a number of `unit` with a constant.
    fn measured(&mut self, unit: Measure, operator: Operator, is_left: bool, one: &'t Expr, other: &'t Expr) {
        let Some(number) = self.constant(other) else { return };
        let shown = self.shown(&one.span);
        // As if the measured number stood on the left.
        let operator = if is_left { operator } else { turned(operator) };
        let is_equal = matches!(operator, Operator::Equal(_));
        let is_equality = is_equal || matches!(operator, Operator::Unequal(_));
        let reaches = |last: f64| {
            is_equal && number > last
                || operator == Operator::Greater && number >= last
                || operator == Operator::AtLeast && number > last
        };
        let (message, help) = match unit {
            Measure::Bytes if !is_equality && number > 0.0 && number < FEWEST_BYTES => (
                format!("{shown} is in bytes, and is compared with {number}"),
                format!("say it in bytes: `{number} * 1024 ** 3` for GiB, `{number} * 1024 ** 2` for MiB"),
            ),
            Measure::Percent | Measure::Processor if number > 0.0 && number < 1.0 => (
                format!("{shown} is in percent, 0 to 100, and is compared with {number}"),
                format!("say it in percent: `{}`", number * 100.0),
            ),
            Measure::Percent | Measure::Processor
                if (operator == Operator::Greater && number >= 100.0)
                    || (operator == Operator::AtLeast && number > 100.0) =>
            {
                (
                    format!("{shown} is in percent, 0 to 100, and is never above {number}"),
                    "say it in percent".to_owned(),
                )
            }
            Measure::Hour if reaches(23.0) => {
                (format!("{shown} is an hour from 0 to 23, and never {number}"), "midnight is 0".to_owned())
            }
            Measure::Weekday if reaches(6.0) => {
                (format!("{shown} is a day from 0 to 6, and never {number}"), "Sunday is 0, Saturday is 6".to_owned())
            }
            _ => return,
        };
        let span = one.span.start.min(other.span.start)..one.span.end.max(other.span.end);
        self.find(Finding::new(Code::WrongUnit, Some(span), message).help(help));
    }

    /// Returns the number that `expression` always is.
    fn constant(&self, expression: &Expr) -> Option<f64> {
        let of_variable = || {
            let number = self.variable(expression.name()?)?;
            self.variables.get(number)?.constant
        };
        expression.number().or_else(of_variable)
    }

    /// A text that an action is compared with.
    fn action(&mut self, operator: Operator, other: &'t Expr) {
        let is_equality = matches!(operator, Operator::Equal(_) | Operator::Unequal(_));
        let Some(text) = other.text().filter(|_| is_equality) else { return };
        if ACTIONS.contains(&text) {
            return;
        }
        let letters =
            |text: &str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
        let own = letters(text);
        let halves = |known: &str| known.split('/').any(|half| half == own && matches!(half, "login" | "start"));
        let is_near =
            |known: &&str| letters(known) == own || halves(known) || strsim::damerau_levenshtein(known, text) == 1;
        let Some(meant) = ACTIONS.into_iter().find(is_near) else { return };
        let message = format!("no request has the action `{text}`");
        let quote = self.source(&other.span).chars().next().filter(|c| matches!(c, '\'' | '"' | '`')).unwrap_or('\'');
        let fix =
            Fix::replace(other.span.clone(), format!("{quote}{meant}{quote}"), format!("`{text}` becomes `{meant}`"));
        let finding = Finding::new(Code::UnknownAction, Some(other.span.clone()), message);
        self.find(finding.help(format!("did you mean `{meant}`?")).fix(fix));
    }

    /// A text that an id is compared with.
    fn id(&mut self, operator: Operator, other: &'t Expr) {
        let is_equality = matches!(operator, Operator::Equal(_) | Operator::Unequal(_));
        if is_equality {
            self.note_ids(other);
        }
    }

    /// Reports the comparison of a field that is no text, but `kind`, with a constant text.
    fn text_for_other(&mut self, kind: &str, operator: Operator, one: &'t Expr, other: &'t Expr) {
        let (Operator::Equal(is_converted) | Operator::Unequal(is_converted)) = operator else { return };
        let Some(text) = other.text().filter(|_| one.field().is_some()) else { return };
        let is_number = text.trim().parse::<f64>().is_ok() || text.trim().is_empty();
        if is_converted && is_number {
            return;
        }
        let (shown, written) = (self.shown(&one.span), self.source(&other.span));
        let message = format!("{shown} is {kind}, and is never equal to the text `{written}`");
        let span = one.span.start.min(other.span.start)..one.span.end.max(other.span.end);
        let finding = Finding::new(Code::ComparedDifferent, Some(span), message);
        let is_plain = kind == "a number" && is_number || matches!(text, "true" | "false") && kind != "a number";
        self.find(match is_plain {
            true => {
                let fix = Fix::replace(other.span.clone(), text, format!("`{written}` becomes `{text}`"));
                finding.help(format!("compare with `{text}`")).fix(fix)
            }
            false => finding.help(format!("compare with {}", if kind == "a number" { "a number" } else { "`true`" })),
        });
    }

    /// A list or an object against a text or a number.
    fn different(&mut self, whole: &'t Expr, operator: Operator, one: Side<'t, '_>, other: Side<'t, '_>) {
        let is_equality = matches!(operator, Operator::Equal(_) | Operator::Unequal(_));
        let is_literal = matches!(other.0.kind, ExprKind::Text(_) | ExprKind::Number(_));
        let is_number = matches!(other.1, Worth::Number(_)) && !is_equality;
        let is_text = matches!(other.1, Worth::Text(_)) && is_equality;
        if !(is_literal || is_number || is_text) || matches!(&other.0.kind, ExprKind::Text(text) if text.is_empty()) {
            return;
        }
        let shown = self.shown(&one.0.span);
        let (kind, help) = match one.1 {
            Worth::List(element) if matches!(**element, Worth::Number(_)) => {
                ("a list", "take one of it: `[0]` is the load of the last minute".to_owned())
            }
            Worth::List(_) if is_number || matches!(other.0.kind, ExprKind::Number(_)) => {
                ("a list", "compare how long it is".to_owned())
            }
            Worth::List(_) => ("a list", format!("ask whether it has it: {}", self.membership(one.0, other.0))),
            Worth::Thing(thing) => (thing.words(), main_field(*thing).to_owned()),
            _ => return,
        };
        let message = format!("{shown} is {kind}, and is never equal to {}", self.shown(&other.0.span));
        let message = if is_equality { message } else { format!("{shown} is {kind}, and is compared with a number") };
        let finding = Finding::new(Code::ComparedDifferent, Some(whole.span.clone()), message).help(help);
        let is_member = matches!(one.1, Worth::List(element) if matches!(**element, Worth::Text(_))) && is_text;
        self.find(match (is_member, operator) {
            (true, Operator::Equal(_)) => {
                let text = self.membership(one.0, other.0).replace('`', "");
                let title = format!("{} becomes `{text}`", self.shown(&whole.span));
                finding.fix(Fix::replace(whole.span.clone(), text, title).unsure())
            }
            _ => finding,
        });
    }

    fn membership(&self, list: &Expr, element: &Expr) -> String {
        let (list, element) = (self.source(&list.span), self.source(&element.span));
        if self.is_javascript() { format!("`{list}.includes({element})`") } else { format!("`{element} in {list}`") }
    }

    /// Checks a side of a calculation.
    pub(in crate::check) fn calculated(&mut self, side: Side<'t, '_>) {
        let (expression, worth) = side;
        let (shown, span) = (self.shown(&expression.span), expression.span.clone());
        match worth {
            Worth::List(element) if matches!(**element, Worth::Number(_)) && expression.field().is_some() => {
                let finding = Finding::new(
                    Code::ComparedDifferent,
                    Some(span.clone()),
                    format!("{shown} is a list of three loads, and is calculated with as a number"),
                );
                let fix = Fix::replace(span.end..span.end, "[0]", format!("{shown} becomes its first element"));
                self.find(finding.help("take one of it: `[0]` is the load of the last minute").fix(fix));
            }
            Worth::Thing(thing @ (Thing::Node | Thing::Session | Thing::User | Thing::Cpu | Thing::Memory)) => {
                let message = format!("{shown} is {}, and is calculated with as a number", thing.words());
                self.find(Finding::new(Code::ComparedDifferent, Some(span), message).help("take one of its fields"));
            }
            Worth::List(element) if matches!(&**element, Worth::Thing(_)) => {
                let finding = Finding::new(
                    Code::ComparedDifferent,
                    Some(span.clone()),
                    format!("{shown} is a list, and is calculated with as a number"),
                );
                let (member, method) = if self.is_javascript() { (".length", "length") } else { (".len()", "len") };
                let fix = Fix::replace(span.end..span.end, member, format!("{shown} becomes its {method}"));
                self.find(finding.help(format!("`{member}` is how many it has")).fix(fix));
            }
            _ => {}
        }
    }

    /// A sum, or texts put together.
    pub(in crate::check) fn added(&mut self, whole: &'t Expr, left: Side<'t, '_>, right: Side<'t, '_>) {
        for ((one, worth), (_, against)) in [(left, right), (right, left)] {
            let is_figure = matches!(against, Worth::Number(_));
            if *worth != Worth::Text(Role::Metadata) || !is_figure || !self.is_javascript() {
                continue;
            }
            let shown = self.shown(&one.span);
            let message = format!("{shown} is a text, as all metadata are: `+` puts the number behind it as a text");
            let text = format!("Number({})", self.source(&one.span));
            let fix = Fix::replace(one.span.clone(), text.clone(), format!("{shown} becomes `{text}`"));
            let finding = Finding::new(Code::MetadataAdded, Some(whole.span.clone()), message);
            self.find(finding.help(format!("make a number of it first: `{text}`")).fix(fix));
        }
    }
}

fn turned(operator: Operator) -> Operator {
    match operator {
        Operator::Less => Operator::Greater,
        Operator::AtMost => Operator::AtLeast,
        Operator::Greater => Operator::Less,
        Operator::AtLeast => Operator::AtMost,
        same => same,
    }
}

/// Returns the advice on the field that identifies a thing.
fn main_field(thing: Thing) -> &'static str {
    match thing {
        Thing::User => "compare its `login`",
        Thing::Node => "compare its `id`",
        Thing::Local => "compare its `serverId`",
        Thing::Time => "compare its `hour`",
        _ => "compare one of its fields",
    }
}
