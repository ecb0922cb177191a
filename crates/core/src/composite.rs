//! Expressions over rules: `error-rate and not (deployment or maintenance)`.
//!
//! `not` binds more strongly than `and`, and `and` more strongly than `or`; the words may be in capitals, as in the rule of a
//! `CloudWatch` composite alarm. A rule's name holds while the rule fires, like `ALARM("name")` there: what has no data, or too little,
//! does not fire ("Create a composite alarm" in the `CloudWatch` User Guide).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest expression, in bytes: that of `AlarmRule` in the `CloudWatch` API's `PutCompositeAlarm`.
pub const MAX_LENGTH: usize = 10_240;

/// The most rules that an expression names; same source.
pub const MAX_NAMES: usize = 100;

/// How deep an expression may nest. What is read and evaluated recursively is thereby bounded.
const MAX_DEPTH: usize = 50;

/// An expression that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    text: String,
    root: Node,
    names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    Fires(String),
    Not(Box<Node>),
    /// All of them; at least one.
    And(Vec<Node>),
    /// At least one of them; at least one.
    Or(Vec<Node>),
}

/// Why an expression was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionError {
    /// Where in the text, in bytes from its start; the text's length for its end.
    pub offset: usize,
    /// What is wrong: `")" is too much`.
    pub problem: String,
    /// What would have been right there: `the name of a rule, "not" or "("`.
    pub expected: String,
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, problem, expected } = self;
        write!(f, "{problem} at byte {offset}; expected {expected}")
    }
}

impl std::error::Error for ExpressionError {}

impl Expression {
    /// Reads an expression of at most [`MAX_LENGTH`] bytes over at most [`MAX_NAMES`] rules.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        if text.len() > MAX_LENGTH {
            let problem = format!("the expression has {} bytes", text.len());
            return Err(ExpressionError { offset: 0, problem, expected: format!("at most {MAX_LENGTH}") });
        }
        let mut reader = Reader { text, tokens: tokens(text)?, next: 0, depth: 0 };
        let root = reader.or()?;
        if let Some(token) = reader.peek() {
            return Err(wrong(token, "\"and\", \"or\" or the end"));
        }
        let mut names = Vec::new();
        root.collect_names(&mut names);
        if names.len() > MAX_NAMES {
            let problem = format!("the expression names {} rules", names.len());
            return Err(ExpressionError { offset: 0, problem, expected: format!("at most {MAX_NAMES}") });
        }
        Ok(Self { text: text.trim().to_owned(), root, names })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the rules, each once, in the order in which they first occur. At least one.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether it holds while these rules fire.
    pub fn holds(&self, fires: &dyn Fn(&str) -> bool) -> bool {
        self.root.holds(&|name, _| fires(name), false)
    }

    /// Whether it would hold if none of the rules behind a `not` fired. Where it does not, what it asks to fire has ended.
    pub fn holds_but_for_not(&self, fires: &dyn Fn(&str) -> bool) -> bool {
        self.root.holds(&|name, negated| !negated && fires(name), false)
    }

    /// Who fires and who does not, in words: `error-rate fires, deployment does not`.
    pub fn standing(&self, fires: &dyn Fn(&str) -> bool) -> String {
        let (firing, quiet): (Vec<&str>, Vec<&str>) = self.names().partition(|name| fires(name));
        let told = |names: &[&str], one: &str, many: &str| match names {
            [] => None,
            [name] => Some(format!("{name} {one}")),
            [names @ .., last] => Some(format!("{} and {last} {many}", names.join(", "))),
        };
        let parts = [told(&firing, "fires", "fire"), told(&quiet, "does not", "do not")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Node {
    /// `negated` says whether an odd number of `not` stands before it, and `fires` is told.
    fn holds(&self, fires: &dyn Fn(&str, bool) -> bool, negated: bool) -> bool {
        match self {
            Self::Fires(name) => fires(name, negated),
            Self::Not(inner) => !inner.holds(fires, !negated),
            Self::And(all) => all.iter().all(|node| node.holds(fires, negated)),
            Self::Or(some) => some.iter().any(|node| node.holds(fires, negated)),
        }
    }

    fn collect_names(&self, names: &mut Vec<String>) {
        match self {
            Self::Fires(name) if names.contains(name) => {}
            Self::Fires(name) => names.push(name.clone()),
            Self::Not(inner) => inner.collect_names(names),
            Self::And(nodes) | Self::Or(nodes) => nodes.iter().for_each(|node| node.collect_names(names)),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A word or a parenthesis, and where it begins.
#[derive(Clone, Copy)]
struct Token<'t> {
    offset: usize,
    text: &'t str,
}

impl Token<'_> {
    fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some((rest, first)) = text.get(offset..).and_then(|rest| Some((rest, rest.chars().next()?))) {
        let length = match first {
            c if c.is_whitespace() => {
                offset += c.len_utf8();
                continue;
            }
            '(' | ')' => 1,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => {
                let expected = "names of rules, \"and\", \"or\", \"not\" and parentheses".to_owned();
                return Err(ExpressionError { offset, problem: format!("\"{c}\" means nothing"), expected });
            }
        };
        tokens.extend(rest.get(..length).map(|text| Token { offset, text }));
        offset += length;
    }
    Ok(tokens)
}

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<Token<'t>> {
        self.tokens.get(self.next).copied()
    }

    /// Whether the next token is this one, which is then read.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|token| token.is(word));
        self.next += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.and()?];
        while self.takes("or") {
            nodes.push(self.and()?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn and(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.not()?];
        while self.takes("and") {
            nodes.push(self.not()?);
        }
        Ok(joined(nodes, Node::And))
    }

    fn not(&mut self) -> Result<Node, ExpressionError> {
        const EXPECTED: &str = "the name of a rule, \"not\" or \"(\"";
        let Some(token) = self.peek() else {
            let problem = "the expression ends too early".to_owned();
            return Err(ExpressionError { offset: self.text.len(), problem, expected: EXPECTED.to_owned() });
        };
        if self.depth == MAX_DEPTH {
            let problem = "the expression nests too deeply".to_owned();
            let expected = format!("at most {MAX_DEPTH} levels");
            return Err(ExpressionError { offset: token.offset, problem, expected });
        }
        self.depth += 1;
        let node = if self.takes("not") {
            Node::Not(Box::new(self.not()?))
        } else if self.takes("(") {
            let inner = self.or()?;
            if !self.takes(")") {
                let expected = "\"and\", \"or\" or \")\"";
                return Err(match self.peek() {
                    Some(token) => wrong(token, expected),
                    None => ExpressionError {
                        offset: self.text.len(),
                        problem: "a parenthesis is not closed".to_owned(),
                        expected: expected.to_owned(),
                    },
                });
            }
            inner
        } else if token.text == ")" || token.is("and") || token.is("or") {
            return Err(wrong(token, EXPECTED));
        } else {
            self.next += 1;
            Node::Fires(token.text.to_owned())
        };
        self.depth -= 1;
        Ok(node)
    }
}

fn wrong(token: Token<'_>, expected: &str) -> ExpressionError {
    let problem = format!("\"{}\" does not fit", token.text);
    ExpressionError { offset: token.offset, problem, expected: expected.to_owned() }
}

fn joined(mut nodes: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            join(nodes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `a`, `b` and `c` those fire that are listed.
    #[track_caller]
    fn check(text: &str, cases: &[(&str, bool)]) {
        let expression = Expression::parse(text).unwrap();
        for (firing, expected) in cases {
            assert_eq!(expression.holds(&|name| firing.contains(name)), *expected, "{text} while {firing:?} fires");
        }
    }

    #[test]
    fn words_bind_as_in_the_alarm_rules_of_cloudwatch() {
        check("a", &[("", false), ("a", true)]);
        check("a and not b", &[("a", true), ("ab", false), ("b", false), ("", false)]);
        check("a or b and c", &[("a", true), ("b", false), ("bc", true)]);
        check("(a or b) and c", &[("a", false), ("ac", true), ("bc", true)]);
        check("NOT (a OR b) AND c", &[("c", true), ("ac", false), ("", false)]);
        check("not not a", &[("a", true), ("", false)]);
        check("not a and b", &[("b", true), ("ab", false), ("", false)]);
    }

    #[test]
    fn what_stands_behind_not_ends_nothing() {
        let rest = |text: &str, firing: &str| {
            Expression::parse(text).unwrap().holds_but_for_not(&|name| firing.contains(name))
        };
        assert!(rest("a and not b", "ab"), "a goes on");
        assert!(!rest("a and not b", "b") && !rest("a and not b", ""));
        assert!(!rest("a and not (b or not c)", "ab"), "c is asked to fire");
        assert!(rest("a and not (b or not c)", "abc"));
    }

    #[test]
    fn who_fires_is_told() {
        let told = |text: &str, firing: &str| Expression::parse(text).unwrap().standing(&|name| firing.contains(name));
        assert_eq!(told("a and not b", "a"), "a fires, b does not");
        assert_eq!(told("a and b and c", "abc"), "a, b and c fire");
        assert_eq!(told("a or b or c", "b"), "b fires, a and c do not");
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, offset, problem) in [
            ("", 0, "ends too early"),
            ("a and", 5, "ends too early"),
            ("a b", 2, "\"b\" does not fit"),
            ("a and or b", 6, "\"or\" does not fit"),
            ("(a or b", 7, "not closed"),
            ("a)", 1, "\")\" does not fit"),
            ("a & b", 2, "\"&\" means nothing"),
            ("ä", 0, "\"ä\" means nothing"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(error.problem.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_hostile_is_refused() {
        let deep = "(".repeat(5000) + "a" + &")".repeat(5000);
        assert!(Expression::parse(&deep).unwrap_err().problem.contains("nests too deeply"));
        let long = "a and ".repeat(2000) + "a";
        assert!(Expression::parse(&long).unwrap_err().problem.contains("bytes"));
        let many: Vec<String> = (0..101).map(|number| format!("r{number}")).collect();
        assert!(Expression::parse(&many.join(" or ")).unwrap_err().problem.contains("101 rules"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_written_is_read_or_refused_at_a_place(text in "([a-c()]|and |or |not | |-|é|[^a]){0,60}") {
            match Expression::parse(&text) {
                Ok(expression) => {
                    // What holds does not hold when it is negated, whatever fires.
                    let negated = Expression::parse(&format!("not ({text})")).unwrap();
                    for firing in ["", "a", "ab", "abc"] {
                        let fires = |name: &str| firing.contains(name);
                        proptest::prop_assert_ne!(expression.holds(&fires), negated.holds(&fires));
                    }
                }
                Err(error) => proptest::prop_assert!(text.is_char_boundary(error.offset), "{}", error),
            }
        }
    }

    #[test]
    fn it_is_kept_as_it_was_written() {
        let expression: Expression = serde_json::from_str("\"a AND not b\"").unwrap();
        assert_eq!(serde_json::to_string(&expression).unwrap(), "\"a AND not b\"");
        assert_eq!(expression.names().collect::<Vec<_>>(), ["a", "b"]);
        assert!(serde_json::from_str::<Expression>("\"a b\"").is_err());
    }
}
