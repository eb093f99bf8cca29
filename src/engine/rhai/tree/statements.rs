//! Statements and functions.

use crate::script::tree::{Declared, Expr, ExprKind, FunctionTree, Operator, Pattern, PatternKind, Stmt, StmtKind};

use super::tokens::Lexeme;
use super::{FINISHED, RhaiParser, returned, settled};

/// The signs of assignments, each with the operator before the `=`.
const ASSIGNMENTS: [(&str, Option<Operator>); 13] = [
    ("=", None),
    ("+=", Some(Operator::Add)),
    ("-=", Some(Operator::Arithmetic)),
    ("*=", Some(Operator::Arithmetic)),
    ("/=", Some(Operator::Arithmetic)),
    ("%=", Some(Operator::Arithmetic)),
    ("**=", Some(Operator::Arithmetic)),
    ("<<=", Some(Operator::Arithmetic)),
    (">>=", Some(Operator::Arithmetic)),
    ("&=", Some(Operator::Other)),
    ("|=", Some(Operator::Other)),
    ("^=", Some(Operator::Other)),
    ("??=", Some(Operator::Coalesce)),
];

impl RhaiParser<'_> {
    /// Takes the sign `sign`, if that is the next sign.
    pub(super) fn accept(&mut self, sign: &'static str) -> bool {
        let is_next = self.lexemes.peek().kind == Lexeme::Sign(sign);
        if is_next {
            self.lexemes.take();
        }
        is_next
    }

    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.lexemes.peek().kind, Lexeme::Word(next) if next == word);
        if is_next {
            self.lexemes.take();
        }
        is_next
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Option<()> {
        self.accept(sign).then_some(())
    }

    pub(super) fn block(&mut self) -> Option<Vec<Stmt>> {
        self.deeper(|parser| {
            parser.expect("{")?;
            let mut body = Vec::new();
            while !parser.accept("}") {
                if parser.lexemes.peek().kind == Lexeme::End {
                    return None;
                }
                body.extend(parser.statement()?);
            }
            Some(body)
        })
    }

    /// Parses the next statement; an empty statement gives `Some(None)`.
    pub(super) fn statement(&mut self) -> Option<Option<Stmt>> {
        if self.accept(";") {
            return Some(None);
        }
        let next = self.lexemes.peek();
        let start = next.span.start;
        let kind = match next.kind {
            Lexeme::Word(word) => match self.keyword(&word)? {
                Some(kind) => kind,
                None => self.simple()?,
            },
            Lexeme::Sign("{") => StmtKind::Block(self.block()?),
            _ => self.simple()?,
        };
        Some(Some(Stmt { span: place(&kind, start..self.lexemes.end), kind }))
    }

    /// Parses a statement that begins with a keyword; `Some(None)` where `word` is no keyword.
    fn keyword(&mut self, word: &str) -> Option<Option<StmtKind>> {
        Some(Some(match word {
            "let" | "const" => self.declaration(word == "const")?,
            "fn" | "private" => self.function()?,
            "return" => {
                self.lexemes.take();
                StmtKind::Return(self.optional_value()?)
            }
            "throw" => {
                let span = self.lexemes.take().span;
                let value = self.optional_value()?;
                StmtKind::Throw(value.unwrap_or(Expr { kind: ExprKind::Nothing, span }))
            }
            "break" => {
                self.lexemes.take();
                match self.optional_value()? {
                    Some(value) => StmtKind::Other(vec![value]),
                    None => StmtKind::Break,
                }
            }
            "continue" => {
                self.lexemes.take();
                self.accept(";");
                StmtKind::Continue
            }
            "while" | "loop" | "do" | "for" => self.iteration(word)?,
            "try" => self.attempt()?,
            "import" | "export" => return None,
            _ => return Some(None),
        }))
    }

    fn declaration(&mut self, is_constant: bool) -> Option<StmtKind> {
        self.lexemes.take();
        let variable = self.variable()?;
        let value = if self.accept("=") { Some(self.expression()?) } else { None };
        self.accept(";");
        let how = if is_constant { Declared::Constant } else { Declared::Block };
        Some(StmtKind::Declare(how, vec![(variable, value)]))
    }

    fn function(&mut self) -> Option<StmtKind> {
        let start = self.lexemes.peek().span.start;
        self.accept_word("private");
        self.accept_word("fn").then_some(())?;
        let number = self.functions;
        self.functions += 1;
        let mut name = match self.lexemes.take().kind {
            Lexeme::Word(name) | Lexeme::Text(name) => name,
            _ => return None,
        };
        // A method of some type: nobody calls it by its name alone.
        if self.accept(".") {
            let Lexeme::Word(method) = self.lexemes.take().kind else { return None };
            name = format!("{name}.{method}");
        }
        self.expect("(")?;
        let mut parameters = Vec::new();
        while !self.accept(")") {
            parameters.push(self.variable()?);
            if !self.accept(",") {
                self.expect(")")?;
                break;
            }
        }
        let head = start..self.lexemes.end;
        let body = returned(self.block()?);
        let (span, is_short, is_async, is_generator) = (start..self.lexemes.end, false, false, false);
        let name = Some(name);
        let function = FunctionTree { number, name, parameters, body, is_short, is_async, is_generator, span, head };
        Some(StmtKind::Function(function))
    }

    fn optional_value(&mut self) -> Option<Option<Expr>> {
        let is_end = matches!(self.lexemes.peek().kind, Lexeme::Sign(";" | "}" | ",") | Lexeme::End);
        let value = if is_end { None } else { Some(self.expression()?) };
        self.accept(";");
        Some(value)
    }

    fn iteration(&mut self, word: &str) -> Option<StmtKind> {
        self.lexemes.take();
        let first = Vec::new();
        Some(match word {
            "while" => {
                let condition = Some(self.expression()?);
                StmtKind::Loop { first, condition, update: None, body: settled(self.block()?), runs_once: false }
            }
            "loop" => {
                StmtKind::Loop { first, condition: None, update: None, body: settled(self.block()?), runs_once: true }
            }
            "do" => {
                let body = settled(self.block()?);
                (self.accept_word("while") || self.accept_word("until")).then_some(())?;
                let condition = Some(self.expression()?);
                self.accept(";");
                StmtKind::Loop { first, condition, update: None, body, runs_once: true }
            }
            _ => {
                let variable = if self.accept("(") {
                    let element = self.variable()?;
                    self.expect(",")?;
                    // The second one counts; it is not taken from the element.
                    self.variable()?;
                    self.expect(")")?;
                    element
                } else {
                    self.variable()?
                };
                self.accept_word("in").then_some(())?;
                let list = self.expression()?;
                let body = settled(self.block()?);
                StmtKind::ForEach { variable, is_declared: true, is_index: false, list, body }
            }
        })
    }

    fn attempt(&mut self) -> Option<StmtKind> {
        self.lexemes.take();
        let body = settled(self.block()?);
        self.accept_word("catch").then_some(())?;
        let variable = if self.accept("(") {
            let variable = self.variable()?;
            self.expect(")")?;
            Some(variable)
        } else {
            None
        };
        let catch = Some((variable, settled(self.block()?)));
        Some(StmtKind::Try { body, catch, finally: Vec::new() })
    }

    /// An expression or an assignment.
    fn simple(&mut self) -> Option<StmtKind> {
        let value = self.expression()?;
        let sign = self.lexemes.peek().kind;
        let assigned = ASSIGNMENTS.iter().find(|(known, _)| sign == Lexeme::Sign(known));
        let value = match assigned {
            Some((_, operator)) => {
                self.lexemes.take();
                let right = self.expression()?;
                let span = value.span.start..right.span.end;
                let target = target(value);
                Expr { kind: ExprKind::Assign(*operator, Box::new(target), Box::new(right)), span }
            }
            None => value,
        };
        let is_finished = self.accept(";");
        let is_assignment = matches!(value.kind, ExprKind::Assign(..));
        let span = value.span.clone();
        Some(StmtKind::Expr(match is_finished && !is_assignment {
            true => Expr { kind: ExprKind::Unary(FINISHED, Box::new(value)), span },
            false => value,
        }))
    }
}

fn target(value: Expr) -> Pattern {
    let span = value.span.clone();
    let kind = match value.kind {
        ExprKind::Name(name) => PatternKind::Name(name),
        kind => PatternKind::Place(Expr { kind, span: span.clone() }),
    };
    Pattern { kind, span, default: None }
}

/// Returns the bytes that a finding about a statement of `kind` shows, of the statement's bytes `whole`.
fn place(kind: &StmtKind, whole: std::ops::Range<usize>) -> std::ops::Range<usize> {
    match kind {
        StmtKind::Expr(value) | StmtKind::Return(Some(value)) | StmtKind::Throw(value) => value.span.clone(),
        StmtKind::Function(function) => function.head.clone(),
        StmtKind::ForEach { variable, list, .. } => variable.span.start..list.span.end,
        StmtKind::Loop { condition: Some(condition), .. } => condition.span.clone(),
        _ => whole,
    }
}
