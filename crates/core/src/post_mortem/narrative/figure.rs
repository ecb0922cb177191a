//! The figures of a sentence, so that a model's can be compared with those of a fact.

/// Words that are numbers. `one` is among them: a model can do without it, and a wrong count cannot be told from a pronoun.
const NUMBER_WORDS: [&str; 36] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
    "hundred",
    "thousand",
    "million",
    "billion",
    "dozen",
    "half",
    "once",
    "twice",
];

/// A number as it is written, with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    /// `26.4`, `14:10`, `three`; a whole word such as `5XX` where letters belong to it.
    number: String,
    /// `%`; `None` where no known unit stands behind it.
    unit: Option<&'static str>,
}

impl Figure {
    /// Whether a fact's figure says this one. Of a time the seconds may be left out.
    pub(super) fn is_in(&self, known: &Self) -> bool {
        let shortened = || {
            let rest = known.number.strip_prefix(&self.number);
            self.number.contains(':') && rest.is_some_and(|rest| rest.starts_with(':'))
        };
        self.unit == known.unit && (self.number == known.number || shortened())
    }
}

/// All figures of a text.
pub(super) fn figures(text: &str) -> Vec<Figure> {
    let is_gap = |character: char| character.is_whitespace() || "\"'`(){}[]<>=|".contains(character);
    let words: Vec<&str> = text
        .split(is_gap)
        .map(|word| word.trim_matches([',', '.', ';', ':', '!', '?']))
        .filter(|word| !word.is_empty())
        .collect();
    let behind = |index: usize| words.get(index + 1).and_then(|word| unit(word));
    let of_word = |(index, word): (usize, &&str)| -> Vec<Figure> {
        if word.contains(|character: char| character.is_numeric()) {
            return vec![match split(word) {
                Some((number, unit)) => Figure { number: number.to_owned(), unit: Some(unit) },
                None => Figure { number: (*word).to_owned(), unit: behind(index) },
            }];
        }
        let parts = word.split(['-', '/']).map(str::to_lowercase);
        let numbers = parts.filter(|part| NUMBER_WORDS.contains(&part.as_str()));
        numbers.map(|number| Figure { number, unit: behind(index) }).collect()
    };
    words.iter().enumerate().flat_map(of_word).collect()
}

/// A number with its unit in one word: `26.4%`, `27min`.
fn split(word: &str) -> Option<(&str, &'static str)> {
    let end = word.find(|character: char| !(character.is_ascii_digit() || "$+-.,:".contains(character)))?;
    let (number, rest) = word.split_at(end);
    Some((number, unit(rest)?)).filter(|(number, _)| !number.is_empty())
}

/// A unit in the form that all its spellings have in common.
fn unit(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "%" | "percent" => "%",
        "ms" | "millisecond" | "milliseconds" => "ms",
        "s" | "sec" | "second" | "seconds" => "s",
        "min" | "minute" | "minutes" => "min",
        "h" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "week" | "weeks" => "week",
        "kb" => "kB",
        "mb" => "MB",
        "gb" => "GB",
        "dollar" | "dollars" | "usd" => "$",
        "times" => "times",
        _ => return None,
    })
}
