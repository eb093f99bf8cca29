//! Dates: those of the request's time, whose parts are known.

use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, St};
use super::super::paths::{PathId, Shape};
use super::expressions::after;
use super::{Lowering, Res, Val};

/// The name under which a date has its time; no script can write it.
const TIME: &str = "\0time";
/// The parts that the host tells by number, in its order.
const PARTS: [&str; 12] = [
    "getDate",
    "getMonth",
    "getFullYear",
    "getSeconds",
    "getMilliseconds",
    "getTimezoneOffset",
    "getUTCHours",
    "getUTCMinutes",
    "getUTCDay",
    "getUTCDate",
    "getUTCMonth",
    "getUTCFullYear",
];

/// How the part that `method` tells is found out.
fn part(method: &str) -> Option<Ex> {
    let call = match method {
        "getTime" | "valueOf" => HostCall::Now,
        "getHours" => HostCall::Hour,
        "getMinutes" => HostCall::Minute,
        "getDay" => HostCall::Weekday,
        "getUTCSeconds" => return part("getSeconds"),
        "getUTCMilliseconds" => return part("getMilliseconds"),
        _ => {
            let number = PARTS.iter().position(|part| *part == method)?;
            return Some(Ex::Host(HostCall::DatePart, vec![Ex::Num(number as f64)]));
        }
    };
    Some(Ex::Host(call, Vec::new()))
}

impl<'t> Lowering<'t> {
    /// `new Date()`: a record of the parts that somebody asks for.
    pub(super) fn new_date(&mut self) -> Res<Val> {
        let root = self.literal_root()?;
        let Some(time) = self.paths.field(root, TIME) else { return Err(self.refusal("so many members")) };
        let mut fields = vec![(time, Ex::Host(HostCall::Now, Vec::new()))];
        let places = self.paths.root_of(root).map(|root| root.places.clone()).unwrap_or_default();
        for field in places {
            let name = self.paths.get(field).and_then(|field| field.names.first().cloned()).unwrap_or_default();
            if let Some(part) = name.strip_prefix('\0').and_then(part) {
                fields.push((field, part));
            }
        }
        Ok(Val { ex: Ex::Record(root, fields), shape: Shape::object(root) })
    }

    /// `new Date(time)`, where that is the time of the request; other times are left to Boa.
    pub(super) fn date_of(&mut self, time: Val) -> Res<Val> {
        let now = Ex::Host(HostCall::Now, Vec::new());
        let is_now = Ex::Bin(Binary::StrictEqual, Box::new(time.ex), Box::new(now));
        let steps = vec![St::If(is_now, Vec::new(), vec![St::Bail(BailCause::Conversion)])];
        let date = self.new_date()?;
        Ok(after(steps, date))
    }

    /// What a date says of its own time; nothing where `name` is no such method.
    pub(super) fn date_method(&mut self, base: Val, name: &str) -> Res<Option<Val>> {
        if part(name).is_none() {
            return Ok(None);
        }
        // Of anything else it is no method.
        let is_date = |object: &PathId| {
            let root = self.paths.get(*object).map(|object| object.root);
            self.paths.list.iter().any(|path| Some(path.root) == root && path.names == [TIME])
        };
        if base.shape.objects.is_empty() || !base.shape.objects.iter().all(is_date) || !base.shape.lists.is_empty() {
            return Ok(None);
        }
        let hidden = if matches!(name, "getTime" | "valueOf") { TIME.to_owned() } else { format!("\0{name}") };
        self.member(base, &hidden).map(Some)
    }
}
