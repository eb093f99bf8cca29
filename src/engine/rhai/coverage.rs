//! Counts for coverage: which statements of a script ran, and which ways its branches went.
//!
//! Rhai's debugger tells of each statement and each expression before it is evaluated, so the source stays as it is. An
//! engine without a debugger pays one look at an empty option for that. Ways of a branch are told by the first thing
//! that is evaluated on them; an `else` that is not there was taken as often as the `if` was reached and its body was
//! not.

use std::collections::BTreeMap;
use std::rc::Rc;

use rhai::debugger::{DebuggerCommand, DebuggerEvent};
use rhai::{AST, ASTNode, Engine, Expr, Position, Stmt, StmtBlock};

use crate::script::{CoverageKind, CoveragePoint, PointCounter};

use super::call_context::RhaiCallContext;

/// What tells a node of the tree from others.
type NodeKey = (NodeKind, u32, u32);

/// Kinds of nodes of which several may stand at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NodeKind {
    Statement,
    Call,
    Chain,
    Name,
    Logical,
    Other,
}

/// What a node counts where it is reached.
#[derive(Clone, Copy, Debug)]
enum CounterEffect {
    Add(usize),
    /// Takes back what the `if` around it added for the way that was not gone.
    Subtract(usize),
}

/// The points of one script, by the nodes at which they are reached.
#[derive(Debug, Default)]
pub(super) struct PointsOfTree {
    points: Vec<CoveragePoint>,
    effects: BTreeMap<NodeKey, Vec<CounterEffect>>,
    branches: u32,
}

/// Counts what runs of one script.
#[derive(Debug)]
pub(super) struct NodeCounter {
    counter: PointCounter,
    effects: BTreeMap<NodeKey, Vec<CounterEffect>>,
}

/// Lets `engine` tell `context` what it evaluates, and evaluate everything that is written.
pub(super) fn install(engine: &mut Engine, context: &Rc<RhaiCallContext>) {
    engine.set_optimization_level(rhai::OptimizationLevel::None);
    let context = Rc::clone(context);
    let told = move |_: rhai::EvalContext<'_, '_, '_, '_, '_, '_>,
                     _: DebuggerEvent<'_>,
                     node: ASTNode<'_>,
                     _: Option<&str>,
                     _: Position| {
        context.reached(node);
        Ok(DebuggerCommand::StepInto)
    };
    #[expect(
        deprecated,
        reason = "Rhai marks what may change between releases so, and says that it is not deprecated"
    )]
    engine.register_debugger(|_engine, debugger| debugger, told);
}

impl PointsOfTree {
    /// Reads the points of `ast`.
    pub(super) fn of(ast: &AST) -> Self {
        let mut tree = Self::default();
        ast.walk(&mut |path| {
            match path.last() {
                Some(ASTNode::Stmt(statement)) => tree.statement(statement),
                Some(ASTNode::Expr(expression)) => tree.expression(expression),
                _ => {}
            }
            true
        });
        tree
    }

    /// The points with their places, for whoever tells of them.
    pub(super) fn points(&self) -> Vec<CoveragePoint> {
        self.points.clone()
    }

    /// The counter that counts them with `counter`.
    pub(super) fn counted_by(self, counter: PointCounter) -> NodeCounter {
        NodeCounter { counter, effects: self.effects }
    }

    fn statement(&mut self, statement: &Stmt) {
        if !matches!(statement, Stmt::Block(_))
            && let Some(key) = key_of(statement)
        {
            self.add(start_of(statement), CoverageKind::Statement, key);
        }
        match statement {
            Stmt::If(flow, position) => self.branch(&flow.body, &flow.branch, *position),
            Stmt::Switch(switch, _) => {
                let branch = self.next_branch();
                for case in &switch.1.expressions {
                    if let Some(key) = key_of_expression(&case.rhs) {
                        self.add(start_of_expression(&case.rhs), CoverageKind::Way(branch), key);
                    }
                }
            }
            _ => {}
        }
    }

    fn branch(&mut self, body: &StmtBlock, other: &StmtBlock, at: Position) {
        let branch = self.next_branch();
        let Some(own) = key_at(NodeKind::Statement, at) else { return };
        match (first(body), first(other)) {
            (Some(then), Some(or_else)) => {
                self.add(at, CoverageKind::Way(branch), then);
                self.add(at, CoverageKind::Way(branch), or_else);
            }
            (Some(then), None) => {
                self.add(at, CoverageKind::Way(branch), then);
                self.rest(at, branch, own, then);
            }
            (None, Some(or_else)) => {
                self.rest(at, branch, own, or_else);
                self.add(at, CoverageKind::Way(branch), or_else);
            }
            (None, None) => {}
        }
    }

    /// A way that is gone where `own` is reached and `other` is not.
    fn rest(&mut self, at: Position, branch: u32, own: NodeKey, other: NodeKey) {
        self.add(at, CoverageKind::Way(branch), own);
        let place = self.points.len().saturating_sub(1);
        self.effects.entry(other).or_default().push(CounterEffect::Subtract(place));
    }

    fn expression(&mut self, expression: &Expr) {
        let (Expr::And(operands, _) | Expr::Or(operands, _) | Expr::Coalesce(operands, _)) = expression else { return };
        let branch = self.next_branch();
        for operand in operands.iter() {
            if let Some(key) = key_of_expression(operand) {
                self.add(start_of_expression(operand), CoverageKind::Way(branch), key);
            }
        }
    }

    fn next_branch(&mut self) -> u32 {
        self.branches += 1;
        self.branches - 1
    }

    fn add(&mut self, at: Position, kind: CoverageKind, key: NodeKey) {
        let narrow = |number: Option<usize>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(1);
        self.points.push(CoveragePoint { line: narrow(at.line()), column: narrow(at.position()), kind });
        self.effects.entry(key).or_default().push(CounterEffect::Add(self.points.len() - 1));
    }
}

impl NodeCounter {
    /// Counts that `node` is evaluated now.
    pub(super) fn reached(&self, node: ASTNode<'_>) {
        let key = match node {
            ASTNode::Stmt(statement) => key_of(statement),
            ASTNode::Expr(expression) => key_of_expression(expression),
            _ => None,
        };
        for effect in key.and_then(|key| self.effects.get(&key)).into_iter().flatten() {
            match effect {
                CounterEffect::Add(place) => self.counter.reach(*place),
                CounterEffect::Subtract(place) => self.counter.take_back(*place),
            }
        }
    }
}

fn key_at(kind: NodeKind, at: Position) -> Option<NodeKey> {
    let narrow = |number: Option<usize>| u32::try_from(number?).ok();
    Some((kind, narrow(at.line())?, narrow(at.position())?))
}

/// The node of which the debugger tells where `statement` is reached.
fn key_of(statement: &Stmt) -> Option<NodeKey> {
    match statement {
        Stmt::Noop(_) | Stmt::Share(_) => None,
        Stmt::Expr(expression) => key_of_expression(expression),
        other => key_at(NodeKind::Statement, other.position()),
    }
}

/// The node of which the debugger tells where `expression` is reached.
fn key_of_expression(expression: &Expr) -> Option<NodeKey> {
    let kind = match expression {
        Expr::Stmt(block) => return first(block),
        Expr::FnCall(..) | Expr::MethodCall(..) => NodeKind::Call,
        Expr::Dot(..) | Expr::Index(..) => NodeKind::Chain,
        Expr::Variable(..) | Expr::Property(..) => NodeKind::Name,
        Expr::And(..) | Expr::Or(..) | Expr::Coalesce(..) => NodeKind::Logical,
        _ => NodeKind::Other,
    };
    key_at(kind, expression.position())
}

/// The first node that is evaluated of `block`.
fn first(block: &StmtBlock) -> Option<NodeKey> {
    block.statements().iter().find_map(key_of)
}

/// Where `statement` begins: an assignment's own place is that of its operator.
fn start_of(statement: &Stmt) -> Position {
    match statement {
        Stmt::Expr(expression) => start_of_expression(expression),
        Stmt::Assignment(assignment) => start_of_expression(&assignment.1.lhs),
        other => other.position(),
    }
}

/// Where `expression` begins: the place of an operator's call is that of the operator.
fn start_of_expression(expression: &Expr) -> Position {
    match expression {
        Expr::FnCall(call, position) if call.op_token.is_some() => {
            let left = call.args.first().map_or(*position, start_of_expression);
            if left < *position { left } else { *position }
        }
        Expr::And(operands, position) | Expr::Or(operands, position) | Expr::Coalesce(operands, position) => {
            operands.first().map_or(*position, start_of_expression)
        }
        Expr::Dot(sides, ..) | Expr::Index(sides, ..) => start_of_expression(&sides.lhs),
        other => other.start_position(),
    }
}
