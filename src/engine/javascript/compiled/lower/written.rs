//! Members that a script writes into nodes, which only this call sees.

use super::super::ir::{Ex, St};
use super::super::paths::{NODE, PathId, Shape};
use super::expressions::after;
use super::{Lowering, Res, Val};

/// More members than these are not written.
const MAX_WRITTEN: usize = 8;
/// Members that say which node one is: what is returned depends on them.
const NAMING: [&str; 4] = ["id", "serverId", "then", "nodeData"];

impl<'t> Lowering<'t> {
    /// Whether a value of this shape is a node and nothing else.
    pub(super) fn is_node(&self, shape: &Shape) -> bool {
        shape.objects.len() == 1 && shape.objects.contains(&NODE) && shape.lists.is_empty()
    }

    /// The number of the member `name` among those that are written into nodes.
    pub(super) fn written_place(&self, name: &str) -> Option<usize> {
        self.written.iter().position(|(written, _)| written == name)
    }

    pub(super) fn write_node(&mut self, base: Val, name: &str, value: Val, steps: &mut Vec<St>) -> Res<()> {
        if NAMING.contains(&name) {
            return Err(self.refusal(format!("an assignment to the member `{name}` of a node")));
        }
        let place = match self.written_place(name) {
            Some(place) => place,
            None if self.written.len() >= MAX_WRITTEN => return Err(self.refusal("so many members written to nodes")),
            None => {
                self.learnt = true;
                self.written.push((name.to_owned(), Shape::default()));
                self.written.len() - 1
            }
        };
        if let Some((_, shape)) = self.written.get_mut(place) {
            self.learnt |= shape.add(&value.shape);
        }
        steps.push(St::PutWritten { base: base.ex, place, value: value.ex });
        Ok(())
    }

    /// The member of a node that the script may have written, or its own.
    pub(super) fn read_node(&mut self, base: Val, place: usize, own: (Vec<PathId>, Option<u64>, Shape)) -> Val {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let (fields, name, mut shape) = own;
        if let Some((_, written)) = self.written.get(place) {
            shape.add(written);
        }
        let own = Ex::Field { base: Box::new(base.ex.clone()), fields, length: false, name };
        after(steps, Val { ex: Ex::Written(Box::new(base.ex), place, Box::new(own)), shape })
    }
}
