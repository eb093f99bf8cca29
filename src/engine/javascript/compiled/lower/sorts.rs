//! `sort`: by keys where a comparator compares keys of two elements, which are then computed once an element; else by the
//! comparator, which the host asks about the same pairs as V8's sort.

use boa_ast::declaration::Binding;
use boa_ast::expression::Expression;
use boa_ast::expression::operator::binary::{ArithmeticOp, BinaryOp, LogicalOp};
use boa_ast::{Statement, StatementListItem};
use boa_interner::Sym;

use super::super::host_calls::HostCall;
use super::super::ir::{Binary, Comparator, Ex, Local, Piece, St, Ty, Unary, is_pure, walk, walk_ex};
use super::loops::{element, length, next};
use super::names::Meaning;
use super::operators::to_number;
use super::{Fun, Lowering, Res, Val};

/// One key of a comparator: which of the two parameters' key stands first, and the expressions of both.
struct Key<'t> {
    left: &'t Expression,
    right: &'t Expression,
}

impl<'t> Lowering<'t> {
    pub(super) fn sort(&mut self, base: Val, order: &'t Expression) -> Res<Val> {
        self.note_write(&base.shape);
        let (mut steps, mut own) = (Vec::new(), Vec::new());
        let Some(order) = self.callee(order, &mut own)? else {
            return Err(self.refusal("an order that is no function of the script"));
        };
        self.check_callback(order, &mut own);
        let base = self.hold(base, &mut steps);
        steps.extend(own);
        let elements = self.element_shape(&base.shape)?;
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex.clone()))));
        let (mut sorting, start) = (Vec::new(), self.mark());
        let keys = match self.own_function(order) {
            Some(function) => self.keys(function, address, elements.clone(), &mut sorting).ok(),
            None => None,
        };
        match keys {
            Some(keys) => sorting.push(St::Sort(Ex::Get(address), keys)),
            None => {
                self.return_to_mark(start);
                sorting = vec![self.sort_by(order, address, elements)?];
            }
        }
        // A comparator of one element is never called.
        let is_long = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(1)), Box::new(length(address)));
        steps.push(St::If(is_long, sorting, Vec::new()));
        Ok(super::expressions::after(steps, base))
    }

    /// `sort()`, which compares elements as texts.
    pub(super) fn sort_as_texts(&mut self, base: Val) -> Res<Val> {
        self.note_write(&base.shape);
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let address = self.local(Some(Ty::Int));
        steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex.clone()))));
        let parameters = [(); 2].map(|()| self.local(Some(Ty::Any)));
        let mut body = Vec::new();
        let texts = parameters.map(|local| Val::plain(Ex::Host(HostCall::ToText, vec![Ex::Get(local)])));
        let [left, right] = texts.map(|text| self.hold(text, &mut body).ex);
        let is_less = |left: &Ex, right: &Ex| Ex::Bin(Binary::AnyLess, Box::new(left.clone()), Box::new(right.clone()));
        let behind = Ex::If(Box::new(is_less(&right, &left)), Box::new(Ex::Num(1.0)), Box::new(Ex::Num(0.0)));
        let result = Ex::If(Box::new(is_less(&left, &right)), Box::new(Ex::Num(-1.0)), Box::new(behind));
        let comparator = Comparator { parameters, body, result };
        let sorting = vec![St::SortBy(Ex::Get(address), Box::new(comparator))];
        let is_long = Ex::Bin(Binary::IntLess, Box::new(Ex::Int(1)), Box::new(length(address)));
        steps.push(St::If(is_long, sorting, Vec::new()));
        Ok(super::expressions::after(steps, base))
    }

    /// Sorts the list at `address` by whatever `function` says, as a function of its own.
    fn sort_by(&mut self, order: usize, address: Local, elements: super::super::paths::Shape) -> Res<St> {
        let parameters = [(); 2].map(|()| self.local(Some(Ty::Any)));
        let (first_own, top) = (self.kinds.len(), self.undeclared());
        let given = parameters.map(|local| Val { ex: Ex::Get(local), shape: elements.clone() });
        let mut body = Vec::new();
        let given = given.map(super::functions::PassedArgument::Value).into();
        let result = self.in_loop(|lowering| lowering.call(order, None, given, &mut body))?;
        let mut sets_others = self.undeclared() != top;
        let mut note = |piece: Piece<'_>| {
            if let Piece::Step(St::Set(local, _)) = piece {
                sets_others |= *local < first_own;
            }
        };
        walk(&body, &mut note);
        walk_ex(&result.ex, &mut note);
        if sets_others {
            return Err(self.refusal("an order that sets variables around it"));
        }
        let comparator = Comparator { parameters, body, result: result.ex };
        Ok(St::SortBy(Ex::Get(address), Box::new(comparator)))
    }

    /// Where the lowering is, to begin again from there.
    fn mark(&self) -> ([usize; 6], [usize; 7]) {
        let counts = [
            self.kinds.len(),
            self.next_site,
            self.next_literal,
            self.next_label,
            self.functions.len(),
            self.patterns.len(),
            self.throws.len(),
        ];
        (self.depths(), counts)
    }

    fn return_to_mark(&mut self, (depths, counts): ([usize; 6], [usize; 7])) {
        self.return_to(depths);
        let [kinds, sites, literals, labels, functions, patterns, throws] = counts;
        self.kinds.truncate(kinds);
        (self.next_site, self.next_literal, self.next_label) = (sites, literals, labels);
        self.functions.truncate(functions);
        self.depths.truncate(functions);
        self.patterns.truncate(patterns);
        self.throws.truncate(throws);
    }

    /// The lists of keys that `function` compares, computed for each element of the list at `address`.
    fn keys(
        &mut self,
        function: Fun<'t>,
        address: Local,
        elements: super::super::paths::Shape,
        steps: &mut Vec<St>,
    ) -> Res<Vec<(Ex, bool)>> {
        let other = || "an order that is no difference of two keys".to_owned();
        let names: Vec<Sym> = function
            .parameters
            .as_ref()
            .iter()
            .filter_map(|parameter| match (parameter.variable().binding(), parameter.init()) {
                (Binding::Identifier(name), None) => Some(name.sym()),
                _ => None,
            })
            .collect();
        let ([first, second], false) = (names.as_slice(), function.parameters.has_rest_parameter()) else {
            return Err(self.refusal(other()));
        };
        let [StatementListItem::Statement(body)] = function.body.statements() else {
            return Err(self.refusal(other()));
        };
        let Statement::Return(end) = &**body else { return Err(self.refusal(other())) };
        let mut found = Vec::new();
        if !end.target().is_some_and(|target| collect(target, &mut found)) {
            return Err(self.refusal(other()));
        }
        let mut lists = Vec::new();
        for key in found {
            let (list, place, item) = (self.local(Some(Ty::Int)), self.local(Some(Ty::Int)), self.local(None));
            let value = Val { ex: element(address, place), shape: elements.clone() };
            let set = self.set(item, value);
            let Some((value, is_reversed)) = self.key(&key, function, (*first, *second), item)? else {
                return Err(self.refusal(other()));
            };
            let (leave, again) = (self.label(), self.label());
            let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(place)), Box::new(length(address)));
            let mut inner = vec![St::If(is_over, vec![St::Break(leave)], Vec::new()), set];
            inner.extend([St::Push(Ex::Get(list), to_number(value)), next(place), St::Continue(again)]);
            steps.extend([
                St::Set(list, Ex::Un(Unary::NewList, Box::new(length(address)))),
                St::Set(place, Ex::Int(0)),
                St::Block(leave, vec![St::Loop(again, inner)]),
            ]);
            lists.push((Ex::Get(list), is_reversed));
        }
        Ok(lists)
    }

    /// How deep the text is that is being lowered.
    fn depths(&self) -> [usize; 6] {
        let (stack, jumps, returns) = (self.stack.len(), self.jumps.len(), self.returns.len());
        [stack, jumps, returns, self.calls.len(), self.regions.len(), self.repeats]
    }

    fn return_to(&mut self, [stack, jumps, returns, calls, regions, repeats]: [usize; 6]) {
        self.stack.truncate(stack);
        self.jumps.truncate(jumps);
        self.returns.truncate(returns);
        self.calls.truncate(calls);
        self.regions.truncate(regions);
        self.repeats = repeats;
    }

    /// What `key` says of the element `item`, where both of its sides say the same of one element each and do nothing else;
    /// and whether the second parameter's comes first.
    fn key(
        &mut self,
        key: &Key<'t>,
        function: Fun<'t>,
        (first, second): (Sym, Sym),
        item: Local,
    ) -> Res<Option<(Ex, bool)>> {
        let start = (self.kinds.len(), self.next_site, self.next_literal, self.next_label, self.functions.len());
        let side = |lowering: &mut Self, expression: &'t Expression, own: Sym, others: Sym| {
            (lowering.next_site, lowering.next_literal, lowering.next_label) = (start.1, start.2, start.3);
            lowering.kinds.truncate(start.0);
            lowering.functions.truncate(start.4);
            lowering.depths.truncate(start.4);
            let scope = lowering.scope(Some(function.scope));
            lowering.mean(scope, own, Meaning::Constant(item));
            lowering.mean(scope, others, Meaning::Forbidden);
            let depths = lowering.depths();
            lowering.enter(scope);
            let value = lowering.in_loop(|lowering| lowering.value(expression));
            lowering.leave();
            // A side that is refused may be the other one.
            lowering.return_to(depths);
            value
        };
        let left = side(self, key.left, first, second).ok();
        let (left, right, is_reversed) = match left {
            Some(left) => (left, side(self, key.right, second, first)?, false),
            None => (side(self, key.left, second, first)?, side(self, key.right, first, second)?, true),
        };
        let is_key = left.ex == right.ex && is_pure(&left.ex, start.0);
        Ok(is_key.then_some((left.ex, is_reversed)))
    }
}

/// Collects the keys that `expression` compares, `a.x - b.x || a.y - b.y`; whether it is made of nothing else.
fn collect<'t>(expression: &'t Expression, keys: &mut Vec<Key<'t>>) -> bool {
    match expression {
        Expression::Parenthesized(inner) => collect(inner.expression(), keys),
        Expression::Binary(binary) => match binary.op() {
            BinaryOp::Arithmetic(ArithmeticOp::Sub) => {
                keys.push(Key { left: binary.lhs(), right: binary.rhs() });
                true
            }
            BinaryOp::Logical(LogicalOp::Or) => collect(binary.lhs(), keys) && collect(binary.rhs(), keys),
            _ => false,
        },
        _ => false,
    }
}
