//! What must not leave the account: names, addresses, numbers and ids of people, and secrets. When in doubt it goes.

use std::net::IpAddr;

use jiff::civil::Date;

use crate::incident::IncidentId;

/// A word this long of letters and digits is taken for a secret, unless it is put together of short words as names are.
const LONG: usize = 20;

/// As many digits in a row are taken for the number of a phone, an account or a card.
const MANY_DIGITS: usize = 7;

/// As many in a row of numbers: a phone number in groups has 9 or more, and no fact has two such numbers side by side.
const MANY_DIGITS_IN_GROUPS: usize = 9;

/// What stands before a secret.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "authorization",
    "bearer",
];

/// What stands before the id of a person.
const ID_NAMES: [&str; 14] = [
    "user",
    "userid",
    "user_id",
    "user-id",
    "uid",
    "customer",
    "customerid",
    "customer_id",
    "customer-id",
    "account",
    "account_id",
    "member",
    "session",
    "session_id",
];

/// What ids of people begin with.
const ID_PREFIXES: [&str; 6] = ["user-", "user_", "usr_", "usr-", "cus_", "customer-"];

/// What secrets of well-known services begin with.
const SECRET_PREFIXES: [&str; 9] = ["akia", "asia", "xox", "ghp_", "gho_", "github_pat_", "sk-", "sk_", "eyj"];

/// A word with what stands before it: spaces, quotes, brackets.
type Piece<'a> = (&'a str, &'a str);

/// The text in one line without what must not leave the account. `people` are names, the longest first.
pub(crate) fn redacted(text: &str, people: &[String]) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = people.iter().fold(line.join(" "), |line, name| without_name(&line, name));
    let pieces = pieces(&line);
    let mut result = String::with_capacity(line.len());
    let mut before = "";
    let mut index = 0;
    while let Some((gap, word)) = pieces.get(index) {
        result.push_str(gap);
        let numbers = number(pieces.get(index..).unwrap_or_default());
        if numbers > 0 {
            result.push_str("[number]");
            before = "";
            index += numbers;
            continue;
        }
        let is_named = gap.chars().all(|character| " \"'=[{(<".contains(character));
        match hidden_by(if is_named { before } else { "" }, word) {
            Some(hidden) => result.push_str(hidden),
            None => result.push_str(&word_redacted(word)),
        }
        // Between a name and its value there may be a colon alone.
        if !is_named || !bare(word).is_empty() {
            before = word;
        }
        index += 1;
    }
    result
}

/// The words of a line. A link is one word, whatever stands in it.
fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let word_at = rest.find(|character| !is_gap(character)).unwrap_or(rest.len());
        let (gap, from_word) = rest.split_at(word_at);
        let ends = |link: bool| {
            let end = from_word.find(|character| if link { " \"'<>".contains(character) } else { is_gap(character) });
            end.unwrap_or(from_word.len())
        };
        let end = if from_word.get(..ends(false)).is_some_and(|word| word.contains("://")) {
            ends(true)
        } else {
            ends(false)
        };
        let (word, after) = from_word.split_at(end);
        pieces.push((gap, word));
        rest = after;
    }
    pieces
}

fn is_gap(character: char) -> bool {
    character.is_whitespace() || "\"'`(){}[]<>,;|=".contains(character)
}

/// A name wherever it stands as a word, whatever its case.
fn without_name(text: &str, name: &str) -> String {
    let (lower, name) = (text.to_ascii_lowercase(), name.to_ascii_lowercase());
    let mut result = String::with_capacity(text.len());
    let mut rest = 0;
    for (start, _) in lower.match_indices(&name) {
        let end = start + name.len();
        let before = text.get(..start).is_some_and(|text| text.ends_with(char::is_alphanumeric));
        let after = text.get(end..).is_some_and(|text| text.starts_with(char::is_alphanumeric));
        if start < rest || before || after {
            continue;
        }
        result.push_str(text.get(rest..start).unwrap_or_default());
        result.push_str("somebody");
        rest = end;
    }
    result.push_str(text.get(rest..).unwrap_or_default());
    result
}

/// How many words, from the first on, make a number of somebody; 0 where they make none.
fn number(pieces: &[Piece<'_>]) -> usize {
    let is_group = |word: &str| {
        word.contains(|character: char| character.is_ascii_digit())
            && word.chars().all(|character| character.is_ascii_digit() || "+-./".contains(character))
            && word.parse::<Date>().is_err()
            && !is_address(word)
    };
    let digits = |word: &str| word.chars().filter(char::is_ascii_digit).count();
    let joins = |index: usize, gap: &str| index == 0 || gap.chars().all(|character| " ()".contains(character));
    let groups =
        pieces.iter().enumerate().take_while(|(index, (gap, word))| joins(*index, gap) && is_group(bare(word)));
    let groups: Vec<usize> = groups.map(|(_, (_, word))| digits(word)).collect();
    let is_phone = pieces.first().is_some_and(|(_, word)| word.starts_with('+'));
    let total: usize = groups.iter().sum();
    if is_phone && total >= MANY_DIGITS || groups.len() >= 2 && total >= MANY_DIGITS_IN_GROUPS {
        groups.len()
    } else {
        usize::from(groups.first().is_some_and(|digits| *digits >= MANY_DIGITS))
    }
}

/// What stands in place of a word after this one; `None` where the word may stay.
fn hidden_by(before: &str, word: &str) -> Option<&'static str> {
    let name = before.trim_end_matches(':').to_ascii_lowercase();
    if bare(word).is_empty() {
        None
    } else if SECRET_NAMES.iter().any(|secret| name.ends_with(secret)) {
        Some("[secret]")
    } else if ID_NAMES.contains(&name.as_str()) && word.contains(|character: char| character.is_ascii_digit()) {
        Some("[id]")
    } else {
        None
    }
}

/// A word without the punctuation around it.
fn bare(word: &str) -> &str {
    word.trim_matches(['.', ':', '!', '?', '@', '*'])
}

fn word_redacted(word: &str) -> String {
    let inner = bare(word);
    if inner.is_empty() || is_id_of_the_suite(inner) {
        return word.to_owned();
    }
    if let Some(kind) = kind(inner) {
        return word.replacen(inner, kind, 1);
    }
    if let Some((name, value)) = word.split_once(':')
        && let Some(hidden) = hidden_by(name, value)
    {
        return format!("{name}:{hidden}");
    }
    without_long_numbers(word)
}

/// What stands in place of a word that must not leave.
fn kind(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    let has_digit = word.contains(|character: char| character.is_ascii_digit());
    let after_colon = word.rsplit_once(':').map_or(word, |(_, after)| after);
    if word.contains("://") {
        // It may carry a key.
        Some("[link]")
    } else if word.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
        Some("[e-mail]")
    } else if is_address(word) {
        Some("[address]")
    } else if lower.starts_with("arn:") && (lower.contains(":iam:") || lower.contains(":sts:")) {
        // Of a person, or of a session that has a person's name.
        Some("[id]")
    } else if is_secret(word, &lower) || is_secret(after_colon, &after_colon.to_ascii_lowercase()) {
        Some("[secret]")
    } else if has_digit && (ID_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) || is_slack_member(word)) {
        Some("[id]")
    } else {
        None
    }
}

/// An incident's or a silence's.
fn is_id_of_the_suite(word: &str) -> bool {
    let id = word.split_once('/').map_or(word, |(id, _)| id);
    IncidentId::parse(&id.replacen("SIL-", "INC-", 1)).is_some()
}

fn is_secret(word: &str, lower: &str) -> bool {
    let is_plain = word.chars().all(|character| character.is_ascii_alphanumeric() || "_+/-.".contains(character));
    let has = |fits: fn(char) -> bool| word.contains(fits);
    let is_mixed = has(|character| character.is_ascii_digit()) && has(|character| character.is_ascii_alphabetic());
    SECRET_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) && word.len() >= 12
        || word.len() >= LONG && is_plain && is_mixed && !is_of_short_words(word)
}

/// As names of metrics and functions are: `HTTPCode_Target_5XX_Count`.
fn is_of_short_words(word: &str) -> bool {
    word.split(['_', '-', '.', '/']).all(|part| {
        let is_one_kind = part.chars().all(|character| character.is_ascii_alphabetic());
        is_one_kind && part.len() <= 14 || part.len() <= 4
    })
}

/// `U024BE7LH`.
fn is_slack_member(word: &str) -> bool {
    word.starts_with(['U', 'W'])
        && (9..=12).contains(&word.len())
        && word.chars().all(|character| character.is_ascii_uppercase() || character.is_ascii_digit())
}

fn without_long_numbers(word: &str) -> String {
    let mut result = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(start) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, from_digits) = rest.split_at(start);
        let end = from_digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(from_digits.len());
        let (digits, after) = from_digits.split_at(end);
        result.push_str(before);
        result.push_str(if end >= MANY_DIGITS { "[number]" } else { digits });
        rest = after;
    }
    result.push_str(rest);
    result
}

/// An IP address, with a port, a length of its prefix, or neither.
fn is_address(word: &str) -> bool {
    let host = word.split_once('/').map_or(word, |(host, _)| host);
    let without_port = host.rsplit_once(':').map_or(host, |(host, _)| host);
    [host, without_port].iter().any(|text| text.parse::<IpAddr>().is_ok())
}

#[cfg(test)]
mod tests;
