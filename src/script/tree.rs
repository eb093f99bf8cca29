//! A script's source as a tree that is the same for every text language: the basis of checks of scripts.
//!
//! An engine makes the tree from the parser's own tree, with the bytes of the source for each part, so that a rule is
//! written once and a finding can be shown and corrected. A tree knows no types and no meaning of names. Rejected: to
//! give the trees of the engines' crates to the rules, because rules would then be written twice, and would name those
//! crates.

use std::ops::Range;

use super::ScriptShape;

/// The bytes of the source where a part stands.
pub type SourceRange = Range<usize>;

/// The syntax tree of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxTree {
    /// The language, as far as the meaning of a source depends on the language.
    pub dialect: Dialect,
    /// The statements of the top level.
    pub body: Vec<Stmt>,
    /// The shape of the script.
    pub shape: ScriptShape,
    /// The whole-list function; `None` for per-node functions, which have their own names.
    pub entry: Option<TreeEntry>,
    /// The number of functions in the tree, which are numbered from 0.
    pub functions: usize,
}

/// A written language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JavaScript.
    JavaScript,
    /// Rhai.
    Rhai,
}

/// The place of the whole-list function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeEntry {
    /// The function has this name.
    Named(String),
    /// The function has no name and starts at this byte.
    At(usize),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    /// The kind of the statement, with the parts.
    pub kind: StmtKind,
    /// The bytes of the part that a finding shows: a whole expression, the condition of an `if`.
    pub span: SourceRange,
}

/// The kinds of statements.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// An expression with an unused value.
    Expr(Expr),
    /// Variables with their first values.
    Declare(Declared, Vec<(Pattern, Option<Expr>)>),
    /// A function with a name.
    Function(FunctionTree),
    /// The end of the function, with its value.
    Return(Option<Expr>),
    /// An error.
    Throw(Expr),
    /// A choice between two ways.
    If(Expr, Vec<Stmt>, Vec<Stmt>),
    /// A loop over the elements of a list, or over the names or positions (`is_index`).
    ForEach {
        /// The variable of the loop.
        variable: Pattern,
        /// Whether the loop declares the variable.
        is_declared: bool,
        /// Whether the variable holds names or positions, as in JavaScript's `for … in`.
        is_index: bool,
        /// The list.
        list: Expr,
        /// The statements for each element.
        body: Vec<Stmt>,
    },
    /// Any other loop.
    Loop {
        /// The statements before the loop.
        first: Vec<Stmt>,
        /// The condition; `None` where the loop has none.
        condition: Option<Expr>,
        /// The expression after each turn.
        update: Option<Expr>,
        /// The statements of each turn.
        body: Vec<Stmt>,
        /// Whether the body runs at least once.
        runs_once: bool,
    },
    /// A value with statements for each case; the case without a value is the default.
    Switch(Expr, Vec<(Option<Expr>, Vec<Stmt>)>),
    /// A block, with statements for an error, and statements for any case.
    Try {
        /// The block.
        body: Vec<Stmt>,
        /// The variable of the error, and the statements for the error.
        catch: Option<(Option<Pattern>, Vec<Stmt>)>,
        /// The statements that run in any case.
        finally: Vec<Stmt>,
    },
    /// Statements with a scope of their own.
    Block(Vec<Stmt>),
    /// The end of a loop or of a case.
    Break,
    /// The end of a turn of a loop.
    Continue,
    /// Any other statement, with the expressions in the statement.
    Other(Vec<Expr>),
}

/// The kinds of variable declarations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// For the function: `var`.
    Function,
    /// For the block, and perhaps assigned to again: `let`.
    Block,
    /// For the block, once: `const`.
    Constant,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The kind of the expression, with the parts.
    pub kind: ExprKind,
    /// The bytes of the expression.
    pub span: SourceRange,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// The value of a variable.
    Name(String),
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// `true` or `false`.
    Truth(bool),
    /// `undefined`, `null` or `()`.
    Nothing,
    /// A regular expression.
    Regex,
    /// A text with values in it.
    Template(Vec<Expr>),
    /// A list.
    List(Vec<Expr>),
    /// An object; the name is `None` where the source does not write the name out, and spread members are
    /// [`ExprKind::Spread`].
    Object(Vec<(Option<String>, Expr)>),
    /// The elements or members of a value.
    Spread(Box<Expr>),
    /// A field, by name.
    Field {
        /// The value that has the field.
        of: Box<Expr>,
        /// The name.
        name: String,
        /// The bytes of the name.
        name_span: SourceRange,
    },
    /// An element or a field, by a value.
    Index(Box<Expr>, Box<Expr>),
    /// A call of a function, or of a method where the callee is a field.
    Call(Box<Expr>, Vec<Expr>),
    /// A new object of a class.
    New(Box<Expr>, Vec<Expr>),
    /// A function.
    Function(FunctionTree),
    /// An operator before an operand: `!`, `-`, `+`, `~`, `typeof`, `delete`, `void`, `await`.
    Unary(&'static str, Box<Expr>),
    /// An operator between two operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// A choice between two values.
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// An assignment; the operator is `None` for a plain assignment, and `+` for `+=`.
    Assign(Option<Operator>, Box<Pattern>, Box<Expr>),
    /// A variable or field that is increased or decreased by 1.
    Update(Box<Expr>),
    /// Statements with the last statement as the value.
    Block(Vec<Stmt>),
    /// Any other expression, with the expressions inside.
    Other(Vec<Expr>),
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `==` and `===`, and whether operands of different types are converted first.
    Equal(bool),
    /// `!=` and `!==`, and whether operands of different types are converted first.
    Unequal(bool),
    /// `<`.
    Less,
    /// `<=`.
    AtMost,
    /// `>`.
    Greater,
    /// `>=`.
    AtLeast,
    /// `+`.
    Add,
    /// Any other operator that makes a number.
    Arithmetic,
    /// `&&`.
    And,
    /// `||`.
    Or,
    /// `??`.
    Coalesce,
    /// `in`.
    In,
    /// `,`.
    Comma,
    /// Any other operator.
    Other,
}

/// The target of an assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The kind of the pattern, with the parts.
    pub kind: PatternKind,
    /// The bytes of the pattern.
    pub span: SourceRange,
    /// The value that is assigned where the assigned value is undefined.
    pub default: Option<Box<Expr>>,
}

/// The kinds of patterns.
#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    /// A variable.
    Name(String),
    /// Fields of an object: each with the name, where the source writes the name out, the bytes of the name, and the
    /// field's pattern.
    Fields(Vec<(Option<String>, SourceRange, Pattern)>),
    /// Elements of a list; `None` for elements that are left out.
    Elements(Vec<Option<Pattern>>),
    /// All fields or elements that the other patterns of the object or list leave.
    Rest(Box<Pattern>),
    /// A field or an element.
    Place(Expr),
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionTree {
    /// The number of the function in the tree.
    pub number: usize,
    /// The name of the function itself.
    pub name: Option<String>,
    /// The parameters in order.
    pub parameters: Vec<Pattern>,
    /// The statements; for an arrow without a block, a single `return`.
    pub body: Vec<Stmt>,
    /// Whether the function is written as an expression without a block.
    pub is_short: bool,
    /// Whether the function returns a promise.
    pub is_async: bool,
    /// Whether the function is a generator, and returns something else than the `return`s say.
    pub is_generator: bool,
    /// The bytes of the function.
    pub span: SourceRange,
    /// The bytes of the part up to the body.
    pub head: SourceRange,
}

impl Expr {
    /// Returns the name, if the expression is a name alone.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the text, if the expression is a literal text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the number, if the expression is a literal number.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match &self.kind {
            ExprKind::Number(number) => Some(*number),
            ExprKind::Unary("-", inner) => inner.number().map(|number| -number),
            _ => None,
        }
    }

    /// Returns the value that has the field, and the name of the field, if the expression is a field by name.
    #[must_use]
    pub fn field(&self) -> Option<(&Self, &str)> {
        match &self.kind {
            ExprKind::Field { of, name, .. } => Some((of, name)),
            _ => None,
        }
    }
}
