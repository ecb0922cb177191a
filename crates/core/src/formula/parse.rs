//! From the text of a formula to its expression: recursive descent, one function for each precedence.

use super::{Aggregate, Expression, Filler, FormulaError, Kind, MAX_DEPTH, MAX_LENGTH, MAX_ROLLING, Operator};

const FUNCTIONS: &str = "one of ABS, AVG, FILL, IF, MAX, MIN, ROLLING_SUM, SUM and TIME_SERIES";
const OPERAND: &str = "a number, a metric, a function or \"(\"";

pub(super) fn parse(text: &str) -> Result<Expression, FormulaError> {
    if text.len() > MAX_LENGTH {
        return Err(FormulaError {
            offset: MAX_LENGTH,
            problem: format!("the formula has {} bytes", text.len()),
            expected: format!("at most {MAX_LENGTH}"),
        });
    }
    let mut parser = Parser { text, offset: 0, level: 0 };
    let start = parser.skip_space();
    let node = parser.comparison()?;
    if !parser.rest().is_empty() {
        return Err(parser.unexpected("an operator or the end"));
    }
    if node.expression.kind() == Kind::Scalar {
        return Err(refusal(start, "the result is a single number", "a series, such as a metric's"));
    }
    let mut names = Vec::new();
    node.expression.collect_metrics(&mut names);
    if names.is_empty() {
        return Err(refusal(start, "the formula has no metric", "at least one"));
    }
    Ok(node.expression)
}

/// An expression, where it starts, and how deep it is.
struct Node {
    expression: Expression,
    start: usize,
    depth: usize,
}

impl Node {
    fn leaf(expression: Expression, start: usize) -> Self {
        Self { expression, start, depth: 1 }
    }
}

struct Parser<'a> {
    text: &'a str,
    /// Always at the start of a character, and never in white space once something was read.
    offset: usize,
    /// How many parentheses, functions and signs enclose the offset.
    level: usize,
}

impl<'a> Parser<'a> {
    /// Comparisons do not chain: `a < b < c` is refused, as it hardly ever means what it says.
    fn comparison(&mut self) -> Result<Node, FormulaError> {
        const OPERATORS: [(&str, Operator); 6] = [
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        let left = self.sum()?;
        let Some(operator) = self.operator(&OPERATORS) else { return Ok(left) };
        let right = self.sum()?;
        let second = self.offset;
        if self.operator(&OPERATORS).is_some() {
            return Err(refusal(second, "a comparison of a comparison", "parentheses around one of them"));
        }
        join(operator, left, right)
    }

    fn sum(&mut self) -> Result<Node, FormulaError> {
        let mut left = self.product()?;
        while let Some(operator) = self.operator(&[("+", Operator::Add), ("-", Operator::Subtract)]) {
            let right = self.product()?;
            left = join(operator, left, right)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Node, FormulaError> {
        let mut left = self.unary()?;
        while let Some(operator) = self.operator(&[("*", Operator::Multiply), ("/", Operator::Divide)]) {
            let right = self.unary()?;
            left = join(operator, left, right)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, FormulaError> {
        let start = self.offset;
        if !self.take("-") {
            return self.primary();
        }
        let inner = self.enclosed(Self::unary)?;
        node(start, inner.depth, Expression::Negate(Box::new(inner.expression)))
    }

    fn primary(&mut self) -> Result<Node, FormulaError> {
        let start = self.offset;
        if self.take("(") {
            let inner = self.enclosed(Self::comparison)?;
            self.require(")", "an operator or \")\"")?;
            return Ok(inner);
        }
        match self.rest().bytes().next() {
            Some(b'0'..=b'9' | b'.') => self.number(),
            Some(b'a'..=b'z' | b'A'..=b'Z') => {
                let word = self.word();
                if self.rest().starts_with('(') {
                    return self.enclosed(|parser| parser.call(word, start));
                }
                if is_reserved(word) {
                    return Err(refusal(
                        start,
                        &format!("\"{word}\" is no metric"),
                        "a metric or \"(\" after the word",
                    ));
                }
                Ok(Node::leaf(Expression::Metric(word.to_owned()), start))
            }
            _ => Err(self.unexpected(OPERAND)),
        }
    }

    fn number(&mut self) -> Result<Node, FormulaError> {
        let start = self.offset;
        let digits = self.rest().bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let text = self.rest().get(..digits).unwrap_or_default();
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => {
                self.advance(digits);
                Ok(Node::leaf(Expression::Number(number), start))
            }
            Ok(_) => Err(self.refuse("the number is too large", "a smaller one")),
            Err(_) => Err(self.refuse("this is no number", "one such as 99.5")),
        }
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Node, FormulaError> {
        let aggregate = match name {
            "MIN" => Aggregate::Min,
            "MAX" => Aggregate::Max,
            "SUM" => Aggregate::Sum,
            "AVG" => Aggregate::Avg,
            "ABS" | "FILL" | "IF" | "ROLLING_SUM" | "TIME_SERIES" => return self.call_other(name, start),
            _ => return Err(refusal(start, &format!("unknown function \"{name}\""), FUNCTIONS)),
        };
        self.require("(", "\"(\"")?;
        let array = self.take("[");
        let mut nodes = vec![self.comparison()?];
        while self.take(",") {
            nodes.push(self.comparison()?);
        }
        if array {
            self.require("]", "\",\" or \"]\"")?;
        }
        self.require(")", "\",\" or \")\"")?;

        let depth = nodes.iter().map(|node| node.depth).max().unwrap_or_default();
        let several = array || nodes.len() > 1;
        let mut inner = Vec::with_capacity(nodes.len());
        for argument in nodes {
            // CloudWatch's arrays hold series only; a number among them is spelled as the series it stands for.
            inner.push(match argument.expression.kind() {
                Kind::Series => argument.expression,
                Kind::Scalar if several => Expression::TimeSeries(Box::new(argument.expression)),
                Kind::Scalar => return Err(not_a_series(argument.start)),
            });
        }
        let expression = match inner.pop() {
            Some(only) if !several => Expression::Reduce(aggregate, Box::new(only)),
            last => Expression::Combine(aggregate, inner.into_iter().chain(last).collect()),
        };
        // One more than it has, for the series that a number may have become.
        node(start, depth + 1, expression)
    }

    fn call_other(&mut self, name: &str, start: usize) -> Result<Node, FormulaError> {
        self.require("(", "\"(\"")?;
        let node = match name {
            "IF" => self.condition(start)?,
            "FILL" => self.fill(start)?,
            "ROLLING_SUM" => self.rolling_sum(start)?,
            "ABS" => {
                let inner = self.series()?;
                node(start, inner.depth, Expression::Absolute(Box::new(inner.expression)))?
            }
            _ => {
                let inner = self.scalar()?;
                node(start, inner.depth, Expression::TimeSeries(Box::new(inner.expression)))?
            }
        };
        self.require(")", "an operator or \")\"")?;
        Ok(node)
    }

    /// With a series for a condition, anything goes; with a number for one, only series do.
    fn condition(&mut self, start: usize) -> Result<Node, FormulaError> {
        let condition = self.comparison()?;
        let by_period = condition.expression.kind() == Kind::Series;
        self.require(",", "an operator or \",\"")?;
        let then = if by_period { self.comparison()? } else { self.series()? };
        let otherwise = match (self.take(","), by_period) {
            (false, _) => None,
            (true, true) => Some(self.comparison()?),
            (true, false) => Some(self.series()?),
        };
        let depth = condition.depth.max(then.depth).max(otherwise.as_ref().map_or(0, |node| node.depth));
        let expression = Expression::If {
            condition: Box::new(condition.expression),
            then: Box::new(then.expression),
            otherwise: otherwise.map(|node| Box::new(node.expression)),
        };
        node(start, depth, expression)
    }

    fn fill(&mut self, start: usize) -> Result<Node, FormulaError> {
        let series = self.series()?;
        self.require(",", "an operator or \",\"")?;
        let filler_start = self.offset;
        let (filler, depth) = match self.peek_word() {
            "REPEAT" => (Filler::Repeat, 0),
            "LINEAR" => (Filler::Linear, 0),
            _ => {
                let value = self.comparison()?;
                if value.expression.kind() == Kind::Series {
                    return Err(refusal(filler_start, "a series cannot fill another", "a number, REPEAT or LINEAR"));
                }
                (Filler::Value(Box::new(value.expression)), value.depth)
            }
        };
        if !matches!(filler, Filler::Value(_)) {
            self.word();
        }
        node(start, series.depth.max(depth), Expression::Fill(Box::new(series.expression), filler))
    }

    fn rolling_sum(&mut self, start: usize) -> Result<Node, FormulaError> {
        let series = self.series()?;
        self.require(",", "an operator or \",\"")?;
        let at = self.offset;
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let periods = self.rest().get(..digits).and_then(|digits| digits.parse().ok());
        let Some(periods) = periods.filter(|periods| (1..=MAX_ROLLING).contains(periods)) else {
            let expected = format!("a whole number of periods from 1 to {MAX_ROLLING}");
            return Err(refusal(at, "datapoints cannot be added up over this", &expected));
        };
        self.advance(digits);
        node(start, series.depth, Expression::RollingSum(Box::new(series.expression), periods))
    }

    fn series(&mut self) -> Result<Node, FormulaError> {
        let node = self.comparison()?;
        if node.expression.kind() == Kind::Scalar { Err(not_a_series(node.start)) } else { Ok(node) }
    }

    fn scalar(&mut self) -> Result<Node, FormulaError> {
        let node = self.comparison()?;
        match node.expression.kind() {
            Kind::Scalar => Ok(node),
            Kind::Series => Err(refusal(node.start, "this is a series already", "a single number")),
        }
    }

    /// Parses one level further in. The level is checked before it is entered: that is what bounds the stack.
    fn enclosed(&mut self, inner: impl FnOnce(&mut Self) -> Result<Node, FormulaError>) -> Result<Node, FormulaError> {
        if self.level >= MAX_DEPTH {
            return Err(too_deep(self.offset));
        }
        self.level += 1;
        let node = inner(self);
        self.level -= 1;
        node
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        operators.iter().find(|(symbol, _)| self.take(symbol)).map(|(_, operator)| *operator)
    }

    fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        rest.get(..length).unwrap_or_default()
    }

    fn word(&mut self) -> &'a str {
        let word = self.peek_word();
        self.advance(word.len());
        word
    }

    fn take(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol);
        if found {
            self.advance(symbol.len());
        }
        found
    }

    fn require(&mut self, symbol: &str, expected: &str) -> Result<(), FormulaError> {
        if self.take(symbol) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.offset += bytes;
        self.skip_space();
    }

    fn skip_space(&mut self) -> usize {
        self.offset = self.text.len() - self.rest().trim_ascii_start().len();
        self.offset
    }

    fn unexpected(&self, expected: &str) -> FormulaError {
        let problem = match (self.peek_word(), self.rest().chars().next()) {
            (_, None) => "the formula ends".to_owned(),
            ("", Some(character)) => format!("unexpected {character:?}"),
            (word, Some(_)) => format!("unexpected \"{word}\""),
        };
        self.refuse(&problem, expected)
    }

    fn refuse(&self, problem: &str, expected: &str) -> FormulaError {
        refusal(self.offset, problem, expected)
    }
}

fn is_reserved(word: &str) -> bool {
    matches!(
        word,
        "ABS"
            | "AVG"
            | "FILL"
            | "IF"
            | "MAX"
            | "MIN"
            | "ROLLING_SUM"
            | "SUM"
            | "TIME_SERIES"
            | "REPEAT"
            | "LINEAR"
            | "AND"
            | "OR"
    )
}

fn join(operator: Operator, left: Node, right: Node) -> Result<Node, FormulaError> {
    let depth = left.depth.max(right.depth);
    node(left.start, depth, Expression::Binary(operator, Box::new(left.expression), Box::new(right.expression)))
}

/// An expression around parts of this depth.
fn node(start: usize, depth_of_parts: usize, expression: Expression) -> Result<Node, FormulaError> {
    let depth = depth_of_parts + 1;
    if depth > MAX_DEPTH { Err(too_deep(start)) } else { Ok(Node { expression, start, depth }) }
}

fn too_deep(offset: usize) -> FormulaError {
    refusal(offset, "the formula nests too deep", &format!("at most {MAX_DEPTH} levels"))
}

fn not_a_series(offset: usize) -> FormulaError {
    refusal(offset, "this is a single number", "a series, such as a metric's")
}

fn refusal(offset: usize, problem: &str, expected: &str) -> FormulaError {
    FormulaError { offset, problem: problem.to_owned(), expected: expected.to_owned() }
}
