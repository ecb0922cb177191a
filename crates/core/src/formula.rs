//! Formulas: arithmetic over metrics, a subset of `CloudWatch` metric math with the same meaning, so that an alarm on
//! a formula and our own evaluation of it agree.
//!
//! The subset: numbers, metrics by name, `+ - * /`, unary minus, parentheses, one comparison (`< <= > >= == !=`),
//! `IF(condition, a[, b])`, `FILL(m, number|REPEAT|LINEAR)`, `ABS(m)`, `TIME_SERIES(number)`, and `MIN`, `MAX`, `SUM`
//! and `AVG`: of one series `MIN(m)`, a single number for the whole window; of several `MIN([a, b])` or `MIN(a, b)`,
//! a series.
//!
//! What they mean is in "Metric math syntax and functions" of the `CloudWatch` User Guide; in short:
//! - Where only one of two series has a datapoint, arithmetic and comparison take the other's as 0. Where neither has,
//!   there is none. A series and a number have a datapoint where the series has one.
//! - Division by zero gives no datapoint.
//! - A comparison gives 1 or 0; a condition holds where it is not 0, and where it has no datapoint nor has the result.
//! - With a series as condition, `IF` gives 0 where the condition holds and `a` has no datapoint, and none where it
//!   does not hold and `b` has none or is left out. With a number, it is `a` or `b` as they are.
//! - `AVG` takes missing datapoints as 0.
//! - A result that is a single number is not a series, and refused.
//!
//! `ROLLING_SUM(m, n)` is ours and no metric math: at each period the sum of the newest `n` datapoints up to it, those that are
//! missing left out, and none where all are. A formula with it needs `n - 1` earlier periods ([`Formula::lookback`]).

mod evaluate;
mod parse;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest formula, in bytes: that of `Expression` in the `CloudWatch` API's `MetricDataQuery`.
pub const MAX_LENGTH: usize = 2048;

/// How deep a formula may nest, a row of operators counted as one level for each. What is evaluated and dropped
/// recursively is thereby bounded, whatever a hostile text says.
pub const MAX_DEPTH: usize = 100;

/// The most periods that `ROLLING_SUM` adds up: nine days by the minute.
pub const MAX_ROLLING: usize = 12_960;

/// A formula that was read and makes sense: its result is a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Formula {
    text: String,
    root: Expression,
    inputs: Vec<String>,
}

impl Formula {
    /// Reads a formula of at most [`MAX_LENGTH`] bytes.
    pub fn parse(text: &str) -> Result<Self, FormulaError> {
        let root = parse::parse(text)?;
        let mut inputs = Vec::new();
        root.collect_metrics(&mut inputs);
        Ok(Self { text: text.to_owned(), root, inputs })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the metrics that it is made of, each once, in the order in which they first occur. At least one.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().map(String::as_str)
    }

    /// Whether the value of each period rests on that period alone, so that it is the same in every window.
    pub fn is_by_period(&self) -> bool {
        self.root.is_by_period()
    }

    /// How many periods before a window the values within it rest on.
    pub fn lookback(&self) -> usize {
        self.root.lookback()
    }

    /// Whether `CloudWatch` can compute it.
    pub fn is_metric_math(&self) -> bool {
        self.root.is_metric_math()
    }

    /// The formula's series over a window of `len` periods, oldest first.
    ///
    /// `window` gives a metric's datapoints for the same periods, and for those of [`Formula::lookback`] before them. A metric that it does not have has no datapoint, as
    /// has a value that is not finite; a window of another length is taken to end with the same period. Every value
    /// that comes out is finite.
    pub fn evaluate<'a>(&self, window: &dyn Fn(&str) -> Option<&'a [Option<f64>]>, len: usize) -> Vec<Option<f64>> {
        evaluate::evaluate(&self.root, window, len)
    }

    /// The formula as `CloudWatch` reads it, with `id` giving the id of each metric. An id starts with a lower-case
    /// letter, so that no name of the catalogue is one.
    pub fn with_ids(&self, id: impl Fn(&str) -> String) -> String {
        Text { root: &self.root, id: &id }.to_string()
    }
}

/// The canonical text, metrics by their names.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text { root: &self.root, id: &str::to_owned }.fmt(f)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Why a formula was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormulaError {
    /// Where in the text, in bytes from its start; the text's length for its end.
    pub offset: usize,
    /// What is wrong: `unknown function "SIN"`.
    pub problem: String,
    /// What would have been right there: `one of ABS, AVG, ...`.
    pub expected: String,
}

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, problem, expected } = self;
        write!(f, "{problem} at byte {offset}; expected {expected}")
    }
}

impl std::error::Error for FormulaError {}

/// What a part of a formula is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One number for the whole window.
    Scalar,
    /// A datapoint, or none, for each period.
    Series,
}

#[derive(Clone, Debug, PartialEq)]
enum Expression {
    Number(f64),
    Metric(String),
    Negate(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Absolute(Box<Expression>),
    /// A series with the same value in every period.
    TimeSeries(Box<Expression>),
    /// Of one series, over the window: a scalar.
    Reduce(Aggregate, Box<Expression>),
    /// Of several series, period by period: a series.
    Combine(Aggregate, Vec<Expression>),
    If {
        condition: Box<Expression>,
        then: Box<Expression>,
        otherwise: Option<Box<Expression>>,
    },
    Fill(Box<Expression>, Filler),
    /// The sum of so many newest datapoints, at each period.
    RollingSum(Box<Expression>, usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Filler {
    /// This scalar.
    Value(Box<Expression>),
    /// The last datapoint before.
    Repeat,
    /// On the line between the datapoints around the gap.
    Linear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
    Min,
    Max,
    Sum,
    Avg,
}

impl Aggregate {
    fn name(self) -> &'static str {
        match self {
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }

    fn precedence(self) -> Precedence {
        match self {
            Self::Add | Self::Subtract => Precedence::Sum,
            Self::Multiply | Self::Divide => Precedence::Product,
            _ => Precedence::Comparison,
        }
    }
}

/// What binds how tightly, loosest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    Comparison,
    Sum,
    Product,
    Unary,
    Primary,
}

impl Expression {
    fn kind(&self) -> Kind {
        match self {
            Self::Number(_) | Self::Reduce(..) => Kind::Scalar,
            Self::Negate(inner) => inner.kind(),
            Self::Binary(_, left, right) if left.kind() == Kind::Scalar => right.kind(),
            Self::Binary(..)
            | Self::Metric(_)
            | Self::Absolute(_)
            | Self::TimeSeries(_)
            | Self::Combine(..)
            | Self::If { .. }
            | Self::Fill(..)
            | Self::RollingSum(..) => Kind::Series,
        }
    }

    fn precedence(&self) -> Precedence {
        match self {
            Self::Binary(operator, ..) => operator.precedence(),
            Self::Negate(_) => Precedence::Unary,
            _ => Precedence::Primary,
        }
    }

    fn children(&self) -> Vec<&Self> {
        match self {
            Self::Number(_) | Self::Metric(_) => Vec::new(),
            Self::Negate(inner)
            | Self::Absolute(inner)
            | Self::TimeSeries(inner)
            | Self::Reduce(_, inner)
            | Self::RollingSum(inner, _)
            | Self::Fill(inner, Filler::Repeat | Filler::Linear) => vec![inner],
            Self::Binary(_, left, right) => vec![left, right],
            Self::Combine(_, inner) => inner.iter().collect(),
            Self::If { condition, then, otherwise } => {
                [condition, then].into_iter().chain(otherwise).map(Box::as_ref).collect()
            }
            Self::Fill(inner, Filler::Value(value)) => vec![inner, value],
        }
    }

    fn is_by_period(&self) -> bool {
        let alone = !matches!(self, Self::Reduce(..) | Self::Fill(_, Filler::Repeat | Filler::Linear));
        alone && self.children().into_iter().all(Self::is_by_period)
    }

    fn lookback(&self) -> usize {
        let own = if let Self::RollingSum(_, periods) = self { periods.saturating_sub(1) } else { 0 };
        self.children().into_iter().map(Self::lookback).max().unwrap_or_default().saturating_add(own)
    }

    fn is_metric_math(&self) -> bool {
        !matches!(self, Self::RollingSum(..)) && self.children().into_iter().all(Self::is_metric_math)
    }

    fn collect_metrics(&self, names: &mut Vec<String>) {
        if let Self::Metric(name) = self
            && !names.contains(name)
        {
            names.push(name.clone());
        }
        for child in self.children() {
            child.collect_metrics(names);
        }
    }
}

/// Writes an expression with as few parentheses as keep its meaning.
struct Text<'a, I> {
    root: &'a Expression,
    id: &'a I,
}

impl<I: Fn(&str) -> String> fmt::Display for Text<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.root {
            Expression::Number(number) => write!(f, "{number}"),
            Expression::Metric(name) => f.write_str(&(self.id)(name)),
            Expression::Negate(inner) => {
                f.write_str("-")?;
                self.at_least(Precedence::Unary, inner, f)
            }
            Expression::Binary(operator, left, right) => {
                // Operators group from the left, and comparisons do not group at all.
                let (left_needs, right_needs) = match operator.precedence() {
                    Precedence::Product => (Precedence::Product, Precedence::Unary),
                    Precedence::Sum => (Precedence::Sum, Precedence::Product),
                    _ => (Precedence::Sum, Precedence::Sum),
                };
                self.at_least(left_needs, left, f)?;
                write!(f, " {} ", operator.symbol())?;
                self.at_least(right_needs, right, f)
            }
            Expression::Absolute(inner) => write!(f, "ABS({})", self.of(inner)),
            Expression::TimeSeries(inner) => write!(f, "TIME_SERIES({})", self.of(inner)),
            Expression::Reduce(aggregate, inner) => write!(f, "{}({})", aggregate.name(), self.of(inner)),
            Expression::Combine(aggregate, inner) => {
                write!(f, "{}([", aggregate.name())?;
                for (index, series) in inner.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, self.of(series))?;
                }
                f.write_str("])")
            }
            Expression::If { condition, then, otherwise } => {
                write!(f, "IF({}, {}", self.of(condition), self.of(then))?;
                if let Some(otherwise) = otherwise {
                    write!(f, ", {}", self.of(otherwise))?;
                }
                f.write_str(")")
            }
            Expression::Fill(inner, Filler::Value(value)) => write!(f, "FILL({}, {})", self.of(inner), self.of(value)),
            Expression::Fill(inner, Filler::Repeat) => write!(f, "FILL({}, REPEAT)", self.of(inner)),
            Expression::Fill(inner, Filler::Linear) => write!(f, "FILL({}, LINEAR)", self.of(inner)),
            Expression::RollingSum(inner, periods) => write!(f, "ROLLING_SUM({}, {periods})", self.of(inner)),
        }
    }
}

impl<'a, I: Fn(&str) -> String> Text<'a, I> {
    fn of(&self, root: &'a Expression) -> Self {
        Self { root, id: self.id }
    }

    fn at_least(&self, needs: Precedence, root: &'a Expression, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.of(root);
        if root.precedence() < needs { write!(f, "({text})") } else { write!(f, "{text}") }
    }
}

#[cfg(test)]
mod tests;
