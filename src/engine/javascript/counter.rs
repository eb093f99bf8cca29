//! The function that a counted source calls at each of its points.

use boa_engine::object::FunctionObjectBuilder;
use boa_engine::{Context, JsValue, NativeFunction};
use boa_gc::{Finalize, Trace};

use crate::script::PointCounter;

#[derive(Clone, Trace, Finalize)]
struct Captured(#[unsafe_ignore_trace] PointCounter);

/// The function of one parameter, the point's number, that counts with `counter`.
pub(super) fn function(counter: &PointCounter, context: &mut Context) -> JsValue {
    let reached = NativeFunction::from_copy_closure_with_captures(
        |_this, args, Captured(counter), _context| {
            if let Some(place) = args.first().and_then(JsValue::as_i32) {
                counter.reach(usize::try_from(place).unwrap_or(usize::MAX));
            }
            Ok(JsValue::undefined())
        },
        Captured(counter.clone()),
    );
    FunctionObjectBuilder::new(context.realm(), reached).length(1).build().into()
}
