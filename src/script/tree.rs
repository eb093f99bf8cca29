//! A script's source as a tree that is the same in every written language: what checks of scripts are made on.
//!
//! An engine makes the tree from its own parser's, with the bytes of the source that each part stands at, so that a
//! rule is written once and a finding can be drawn and corrected. A tree knows no types and no meaning of names.
//! Rejected: to give the trees of the engines' crates to the rules, which would then be written twice, and would name
//! those crates.

use std::ops::Range;

use super::ScriptShape;

/// The bytes of the source at which something stands.
pub type SourceRange = Range<usize>;

/// A source.
#[derive(Clone, Debug, PartialEq)]
pub struct SyntaxTree {
    /// The language, as far as it decides what a source means.
    pub dialect: Dialect,
    /// The statements of the top level.
    pub body: Vec<Stmt>,
    /// The shape of the script.
    pub shape: ScriptShape,
    /// The function of the whole list; absent where the functions of one node have their own names.
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

/// Where the function of the whole list is.
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
    /// The kind of the statement.
    pub kind: StmtKind,
    /// The bytes of the part of the statement that tells what it is about: all of an expression, the condition of an
    /// `if`.
    pub span: SourceRange,
}

/// A kind of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// An expression whose value nobody takes.
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
    /// A loop over what a list holds, or over the names or places of it (`is_index`).
    ForEach {
        /// The variable of the loop.
        variable: Pattern,
        /// Whether the loop declares the variable.
        is_declared: bool,
        /// Whether the variable holds names or places, as in JavaScript's `for … in`.
        is_index: bool,
        /// The list.
        list: Expr,
        /// What is done for each element.
        body: Vec<Stmt>,
    },
    /// Any other loop.
    Loop {
        /// What is done once before the loop.
        first: Vec<Stmt>,
        /// The condition; absent where the loop has none.
        condition: Option<Expr>,
        /// What is done after each turn.
        update: Option<Expr>,
        /// What is done in each turn.
        body: Vec<Stmt>,
        /// Whether the body runs once at least.
        runs_once: bool,
    },
    /// A value with a way for each case; the case without a value is the default.
    Switch(Expr, Vec<(Option<Expr>, Vec<Stmt>)>),
    /// A block, what is done where it throws, and what is done in any case.
    Try {
        /// The block.
        body: Vec<Stmt>,
        /// The variable of the error, and what is done with it.
        catch: Option<(Option<Pattern>, Vec<Stmt>)>,
        /// What is done in any case.
        finally: Vec<Stmt>,
    },
    /// Statements with a scope of their own.
    Block(Vec<Stmt>),
    /// The end of a loop or of a case.
    Break,
    /// The end of a turn of a loop.
    Continue,
    /// Anything else, with the expressions in it.
    Other(Vec<Expr>),
}

/// How variables are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Declared {
    /// For the function: `var`.
    Function,
    /// For the block, and assigned to again perhaps: `let`.
    Block,
    /// For the block, once: `const`.
    Constant,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// The kind of the expression.
    pub kind: ExprKind,
    /// The bytes that the expression stands at.
    pub span: SourceRange,
}

/// A kind of expression.
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
    /// An object; members without a written name have none, and what is spread in stands as [`ExprKind::Spread`].
    Object(Vec<(Option<String>, Expr)>),
    /// The elements or members of a value.
    Spread(Box<Expr>),
    /// A field by its name.
    Field {
        /// What has the field.
        of: Box<Expr>,
        /// The name.
        name: String,
        /// The bytes of the name.
        name_span: SourceRange,
    },
    /// An element or a field by a value.
    Index(Box<Expr>, Box<Expr>),
    /// A call of a function, or of a method where the callee is a field.
    Call(Box<Expr>, Vec<Expr>),
    /// A new object of a class.
    New(Box<Expr>, Vec<Expr>),
    /// A function.
    Function(FunctionTree),
    /// An operator before its operand: `!`, `-`, `+`, `~`, `typeof`, `delete`, `void`, `await`.
    Unary(&'static str, Box<Expr>),
    /// An operator between two operands.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// A choice between two values.
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// An assignment; the operator is absent for a plain one, and `+` for `+=`.
    Assign(Option<Operator>, Box<Pattern>, Box<Expr>),
    /// A variable or field that is increased or decreased by 1.
    Update(Box<Expr>),
    /// Statements of which the last one is the value.
    Block(Vec<Stmt>),
    /// Anything else, with the expressions in it.
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
    /// Any other one.
    Other,
}

/// The target of an assignment, a declaration or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The kind of the pattern.
    pub kind: PatternKind,
    /// The bytes that the pattern stands at.
    pub span: SourceRange,
    /// What is taken where the value is undefined.
    pub default: Option<Box<Expr>>,
}

/// A kind of pattern.
#[derive(Clone, Debug, PartialEq)]
pub enum PatternKind {
    /// A variable.
    Name(String),
    /// Fields of an object: each with its name, where that is written out, the bytes of the name, and its own pattern.
    Fields(Vec<(Option<String>, SourceRange, Pattern)>),
    /// Elements of a list; those that are left out have none.
    Elements(Vec<Option<Pattern>>),
    /// All that the patterns beside it left of the object or list.
    Rest(Box<Pattern>),
    /// A field or an element.
    Place(Expr),
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionTree {
    /// The number of the function in its tree.
    pub number: usize,
    /// The name that stands at the function itself.
    pub name: Option<String>,
    /// The parameters in order.
    pub parameters: Vec<Pattern>,
    /// The statements; of an arrow without a block, the one that returns.
    pub body: Vec<Stmt>,
    /// Whether the function is written as an expression without a block.
    pub is_short: bool,
    /// Whether the function returns a promise.
    pub is_async: bool,
    /// Whether the function returns something else than its `return`s say: a generator.
    pub is_generator: bool,
    /// The bytes of the function.
    pub span: SourceRange,
    /// The bytes of the part up to the body.
    pub head: SourceRange,
}

impl Expr {
    /// Returns the expression as a name, where that is all that it is.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the expression as a text, where it is written out.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the expression as a number, where it is written out.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match &self.kind {
            ExprKind::Number(number) => Some(*number),
            ExprKind::Unary("-", inner) => inner.number().map(|number| -number),
            _ => None,
        }
    }

    /// Returns what has the field and the field's name, where the expression is a field by its name.
    #[must_use]
    pub fn field(&self) -> Option<(&Self, &str)> {
        match &self.kind {
            ExprKind::Field { of, name, .. } => Some((of, name)),
            _ => None,
        }
    }
}
