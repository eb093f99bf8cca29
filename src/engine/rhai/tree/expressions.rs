//! The parser of expressions, by the precedence of operators.

use crate::script::tree::{Expr, ExprKind, FunctionTree, Operator, Pattern, PatternKind, Stmt, StmtKind};

use super::tokens::Lexeme;
use super::{RhaiParser, returned};

/// The operators between two operands, each with the precedence: the higher, the tighter.
const BETWEEN: [(&str, u8, Operator); 25] = [
    ("||", 30, Operator::Or),
    ("|", 30, Operator::Other),
    ("^", 30, Operator::Other),
    ("&&", 60, Operator::And),
    ("&", 60, Operator::Other),
    ("==", 90, Operator::Equal(false)),
    ("!=", 90, Operator::Unequal(false)),
    ("in", 110, Operator::In),
    ("!in", 110, Operator::In),
    ("<", 130, Operator::Less),
    ("<=", 130, Operator::AtMost),
    (">", 130, Operator::Greater),
    (">=", 130, Operator::AtLeast),
    ("??", 135, Operator::Coalesce),
    ("..", 140, Operator::Other),
    ("..=", 140, Operator::Other),
    ("+", 150, Operator::Add),
    ("-", 150, Operator::Arithmetic),
    ("*", 180, Operator::Arithmetic),
    ("/", 180, Operator::Arithmetic),
    ("%", 180, Operator::Arithmetic),
    ("**", 190, Operator::Arithmetic),
    ("<<", 210, Operator::Arithmetic),
    (">>", 210, Operator::Arithmetic),
    ("is", 0, Operator::Other),
];

impl RhaiParser<'_> {
    pub(super) fn expression(&mut self) -> Option<Expr> {
        self.deeper(|parser| parser.binary(1))
    }

    fn binary(&mut self, least: u8) -> Option<Expr> {
        // With the brackets around it, of which nothing else is kept.
        let start = self.lexemes.peek().span.start;
        let mut left = self.unary()?;
        loop {
            let next = self.lexemes.peek();
            let sign = match &next.kind {
                Lexeme::Sign(sign) => (*sign).to_owned(),
                Lexeme::Word(word) => word.clone(),
                _ => return Some(left),
            };
            let known = BETWEEN.iter().find(|(known, binds, _)| *known == sign && *binds >= least && *binds > 0);
            let Some((_, binds, operator)) = known else { return Some(left) };
            self.lexemes.take();
            let right = self.deeper(|parser| parser.binary(binds + 1))?;
            let span = start..self.lexemes.end;
            left = Expr { kind: ExprKind::Binary(*operator, Box::new(left), Box::new(right)), span };
        }
    }

    fn unary(&mut self) -> Option<Expr> {
        let next = self.lexemes.peek();
        let sign = match next.kind {
            Lexeme::Sign("!") => "!",
            Lexeme::Sign("-") => "-",
            Lexeme::Sign("+") => "+",
            _ => {
                let primary = self.primary()?;
                return self.postfix(primary);
            }
        };
        self.lexemes.take();
        let inner = self.deeper(Self::unary)?;
        let span = next.span.start..self.lexemes.end;
        Some(Expr { kind: ExprKind::Unary(sign, Box::new(inner)), span })
    }

    fn postfix(&mut self, mut made: Expr) -> Option<Expr> {
        loop {
            let Lexeme::Sign(sign) = self.lexemes.peek().kind else { return Some(made) };
            let start = made.span.start;
            match sign {
                "." | "?." => {
                    self.lexemes.take();
                    let name = self.lexemes.take();
                    let Lexeme::Word(word) = name.kind else { return None };
                    let span = start..name.span.end;
                    made =
                        Expr { kind: ExprKind::Field { of: Box::new(made), name: word, name_span: name.span }, span };
                }
                "[" | "?[" => {
                    self.lexemes.take();
                    let index = self.expression()?;
                    self.expect("]")?;
                    let span = start..self.lexemes.end;
                    let kind = match &index.kind {
                        ExprKind::Text(name) if index.span.len() == name.len() + 2 => ExprKind::Field {
                            of: Box::new(made),
                            name: name.clone(),
                            name_span: index.span.start + 1..index.span.end - 1,
                        },
                        _ => ExprKind::Index(Box::new(made), Box::new(index)),
                    };
                    made = Expr { kind, span };
                }
                "(" => {
                    let arguments = self.arguments()?;
                    let span = start..self.lexemes.end;
                    made = Expr { kind: ExprKind::Call(Box::new(made), arguments), span };
                }
                // `help!(…)` sees its caller's variables.
                "!" if matches!(made.kind, ExprKind::Name(_)) => return None,
                _ => return Some(made),
            }
        }
    }

    fn arguments(&mut self) -> Option<Vec<Expr>> {
        self.expect("(")?;
        self.until(")")
    }

    /// Expressions with commas between them, and the sign `end` behind them.
    fn until(&mut self, end: &'static str) -> Option<Vec<Expr>> {
        let mut list = Vec::new();
        while !self.accept(end) {
            list.push(self.expression()?);
            if !self.accept(",") {
                self.expect(end)?;
                break;
            }
        }
        Some(list)
    }

    fn primary(&mut self) -> Option<Expr> {
        let next = self.lexemes.peek();
        let start = next.span.start;
        let kind = match next.kind {
            Lexeme::Number(number) => {
                self.lexemes.take();
                ExprKind::Number(number)
            }
            Lexeme::Text(text) => {
                self.lexemes.take();
                ExprKind::Text(text)
            }
            Lexeme::Backtick => return self.template(),
            Lexeme::Word(word) => return self.word(&word),
            Lexeme::Sign("(") => {
                self.lexemes.take();
                if self.accept(")") {
                    ExprKind::Nothing
                } else {
                    let inner = self.expression()?;
                    self.expect(")")?;
                    return Some(inner);
                }
            }
            Lexeme::Sign("[") => {
                self.lexemes.take();
                ExprKind::List(self.until("]")?)
            }
            Lexeme::Sign("#{") => {
                self.lexemes.take();
                self.members()?
            }
            Lexeme::Sign("{") => ExprKind::Block(self.block()?),
            Lexeme::Sign("|" | "||") => return self.closure(),
            _ => return None,
        };
        Some(Expr { kind, span: start..self.lexemes.end })
    }

    fn word(&mut self, word: &str) -> Option<Expr> {
        let start = self.lexemes.peek().span.start;
        match word {
            "if" => return self.choice(),
            "switch" => return self.switch(),
            _ => {}
        }
        self.lexemes.take();
        let mut name = word.to_owned();
        // `global::NAME` is a constant of the file.
        while self.accept("::") {
            let Lexeme::Word(inner) = self.lexemes.take().kind else { return None };
            name = inner;
        }
        let kind = match name.as_str() {
            "true" => ExprKind::Truth(true),
            "false" => ExprKind::Truth(false),
            _ => ExprKind::Name(name),
        };
        Some(Expr { kind, span: start..self.lexemes.end })
    }

    fn members(&mut self) -> Option<ExprKind> {
        let mut members = Vec::new();
        while !self.accept("}") {
            let name = match self.lexemes.take().kind {
                Lexeme::Word(name) | Lexeme::Text(name) => name,
                _ => return None,
            };
            self.expect(":")?;
            members.push((Some(name), self.expression()?));
            if !self.accept(",") {
                self.expect("}")?;
                break;
            }
        }
        Some(ExprKind::Object(members))
    }

    fn template(&mut self) -> Option<Expr> {
        let start = self.lexemes.take().span.start;
        let (mut values, mut at) = (Vec::new(), start + 1);
        loop {
            let rest = self.lexemes.text().get(at..)?;
            let stop = rest.find(['`', '$', '\\'])?;
            at += stop;
            let rest = rest.get(stop..)?;
            if rest.starts_with('`') {
                self.lexemes.jump(at + 1);
                let text = self.lexemes.text().get(start + 1..at)?.to_owned();
                let kind = if values.is_empty() { ExprKind::Text(text) } else { ExprKind::Template(values) };
                return Some(Expr { kind, span: start..at + 1 });
            }
            if rest.starts_with("${") {
                self.lexemes.jump(at + 1);
                let span = at + 1..at + 1;
                values.push(Expr { kind: ExprKind::Block(self.block()?), span });
                at = self.lexemes.end;
            } else {
                let escaped = if rest.starts_with('\\') { rest.chars().nth(1).map_or(0, char::len_utf8) } else { 0 };
                at += 1 + escaped;
            }
        }
    }

    fn closure(&mut self) -> Option<Expr> {
        let number = self.functions;
        self.functions += 1;
        let start = self.lexemes.peek().span.start;
        let mut parameters = Vec::new();
        if !self.accept("||") {
            self.expect("|")?;
            while !self.accept("|") {
                parameters.push(self.variable()?);
                if !self.accept(",") {
                    self.expect("|")?;
                    break;
                }
            }
        }
        let head = start..self.lexemes.end;
        let value = self.expression()?;
        let span = start..value.span.end.max(self.lexemes.end);
        let (body, is_short) = match value.kind {
            ExprKind::Block(body) => (returned(body), false),
            kind => {
                let value = Expr { kind, span: value.span };
                let span = value.span.clone();
                (returned(vec![Stmt { kind: StmtKind::Expr(value), span }]), true)
            }
        };
        let (name, is_async, is_generator) = (None, false, false);
        let function =
            FunctionTree { number, name, parameters, body, is_short, is_async, is_generator, span: span.clone(), head };
        Some(Expr { kind: ExprKind::Function(function), span })
    }

    pub(super) fn variable(&mut self) -> Option<Pattern> {
        let name = self.lexemes.take();
        let Lexeme::Word(word) = name.kind else { return None };
        Some(Pattern { kind: PatternKind::Name(word), span: name.span, default: None })
    }

    fn choice(&mut self) -> Option<Expr> {
        let start = self.lexemes.take().span.start;
        let condition = self.expression()?;
        let then = self.block_value()?;
        let otherwise = match self.accept_word("else") {
            true if self.lexemes.peek().kind == Lexeme::Word("if".to_owned()) => self.deeper(Self::choice)?,
            true => self.block_value()?,
            false => Expr { kind: ExprKind::Nothing, span: self.lexemes.end..self.lexemes.end },
        };
        let span = start..self.lexemes.end;
        let kind = ExprKind::Conditional(Box::new(condition), Box::new(then), Box::new(otherwise));
        Some(Expr { kind, span })
    }

    fn block_value(&mut self) -> Option<Expr> {
        let start = self.lexemes.peek().span.start;
        let body = self.block()?;
        Some(Expr { kind: ExprKind::Block(body), span: start..self.lexemes.end })
    }

    /// Parses the result of a case of a `switch`: a value, or the end of the function.
    fn way(&mut self) -> Option<Expr> {
        let next = self.lexemes.peek();
        let ends = ["return", "throw", "break", "continue"];
        let is_end = matches!(&next.kind, Lexeme::Word(word) if ends.contains(&word.as_str()));
        if !is_end {
            return self.expression();
        }
        let body = self.statement()?.into_iter().collect();
        Some(Expr { kind: ExprKind::Block(body), span: next.span.start..self.lexemes.end })
    }

    /// Parses a `switch`, as nested choices: the value is the value of the chosen case.
    fn switch(&mut self) -> Option<Expr> {
        let start = self.lexemes.take().span.start;
        let value = self.expression()?;
        self.expect("{")?;
        let mut ways: Vec<(Option<Expr>, Expr)> = Vec::new();
        while !self.accept("}") {
            let condition = if self.accept_word("_") {
                None
            } else {
                let mut cases = vec![self.deeper(|parser| parser.binary(31))?];
                while self.accept("|") {
                    cases.push(self.deeper(|parser| parser.binary(31))?);
                }
                cases.push(value.clone());
                let span = cases.first().map_or(0..0, |first| first.span.clone());
                Some(Expr { kind: ExprKind::Other(cases), span })
            };
            let guard = if self.accept_word("if") { Some(self.expression()?) } else { None };
            self.expect("=>")?;
            let way = self.way()?;
            let condition = match (condition, guard) {
                (Some(case), Some(guard)) => {
                    let span = case.span.clone();
                    Some(Expr { kind: ExprKind::Other(vec![case, guard]), span })
                }
                (condition, guard) => condition.or(guard),
            };
            ways.push((condition, way));
            self.accept(",");
        }
        let end = self.lexemes.end;
        let nothing = Expr { kind: ExprKind::Nothing, span: end..end };
        let chained = ways.into_iter().rev().fold(nothing, |otherwise, (condition, way)| match condition {
            Some(condition) => {
                let kind = ExprKind::Conditional(Box::new(condition), Box::new(way), Box::new(otherwise));
                Expr { kind, span: start..end }
            }
            None => way,
        });
        Some(chained)
    }
}
