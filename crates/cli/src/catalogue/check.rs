//! What a schema cannot say: names that must exist, numbers that must fit together, and what the engines can do.

mod automation;
mod dashboards;
mod filter;
mod impact;
mod metrics;
mod noise;
mod people;
mod rules;
mod schedules;
mod slos;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{Document, Duration};
use super::suggest::nearest;
use super::yaml::{Tree, child};
use super::{Finding, Severity};

/// Checks what is left of the document after its shape was checked. `complete` says that nothing was taken out of it, so that
/// what nothing refers to is indeed unused.
pub(super) fn check(tree: &Tree, document: &Document, complete: bool) -> Vec<Finding> {
    let mut checker = Checker { tree, document, findings: Vec::new(), shapeless: BTreeSet::new() };
    checker.service();
    checker.defaults();
    for section in ["rules", "slos", "channels", "teams", "users", "schedules", "runbooks", "queries"] {
        for name in checker.names(section).unwrap_or_default() {
            checker.name(section, name);
        }
    }
    metrics::check(&mut checker);
    rules::check(&mut checker);
    slos::check(&mut checker);
    people::check(&mut checker);
    schedules::check(&mut checker);
    noise::check(&mut checker);
    impact::check(&mut checker);
    automation::check(&mut checker);
    dashboards::check(&mut checker);
    if complete && checker.findings.iter().all(|finding| finding.severity == Severity::Warning) {
        people::check_unused(&mut checker);
    }
    checker.findings
}

struct Checker<'a> {
    tree: &'a Tree,
    document: &'a Document,
    findings: Vec<Finding>,
    /// Metrics whose period or dimensions are wrong; what rests on them is not compared.
    shapeless: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn error(&mut self, pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.push(Finding::error(pointer, message, help));
    }

    fn warning(&mut self, pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.push(Finding::warning(pointer, message, help));
    }

    /// Whether the file has something there, sound or not.
    fn written(&self, pointer: &str) -> bool {
        self.tree.value.pointer(pointer).is_some()
    }

    /// Those of the keys that the file has at the pointer, sound or not.
    fn written_of<'k>(&self, pointer: &str, keys: &[&'k str]) -> Vec<&'k str> {
        keys.iter().filter(|key| self.written(&child(pointer, key))).copied().collect()
    }

    /// Whether the key at the pointer is in the file but was not sound, so that nothing can be concluded from its absence.
    fn broken<T>(&self, pointer: &str, key: &str, value: Option<&T>) -> bool {
        value.is_none() && self.written(&child(pointer, key))
    }

    /// The names in a section of the file, those of broken entries too; `None` when the section itself is broken.
    fn names(&self, section: &str) -> Option<Vec<&'a str>> {
        match self.tree.value.get(section) {
            Some(Value::Object(entries)) => Some(entries.keys().map(String::as_str).collect()),
            Some(_) => None,
            None => Some(Vec::new()),
        }
    }

    /// Reports a name that its section does not have. `user` begins the sentence: `rule error-rate watches`.
    fn known(&mut self, pointer: impl Into<String>, section: &str, name: &str, user: &str) -> bool {
        match self.unknown(section, name, user) {
            Some((message, help)) => {
                self.error(pointer, message, help);
                false
            }
            None => true,
        }
    }

    /// What to say about a name that its section does not have.
    fn unknown(&self, section: &str, name: &str, user: &str) -> Option<(String, String)> {
        let names = self.names(section)?;
        if names.contains(&name) {
            return None;
        }
        let noun = singular(section);
        let help = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None if names.is_empty() => format!("add it under `{section}:`"),
            None if names.len() == 1 => format!("the only {noun} is {}", names.join("")),
            None if names.len() <= 8 => format!("the {section} are {}", names.join(", ")),
            None => format!("add it under `{section}:`, or name one that is there"),
        };
        Some((format!("{user} an unknown {noun} \"{name}\""), help))
    }

    fn name(&mut self, section: &str, name: &str) {
        let pointer = child(&format!("/{section}"), name);
        let fits = !name.is_empty()
            && name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !fits {
            let message = format!("\"{name}\" cannot be the name of a {}", singular(section));
            self.push(
                Finding::error(pointer, message, "write lower-case letters, digits and hyphens, at most 64").on_key(),
            );
        }
    }

    fn time_zone(&mut self, pointer: &str, name: &str) {
        if TimeZone::get(name).is_ok() {
            return;
        }
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let help = nearest(name, known.iter().map(String::as_str)).map_or_else(
            || "write an IANA name such as America/New_York".to_owned(),
            |near| format!("did you mean \"{near}\"?"),
        );
        self.error(pointer, format!("unknown time zone \"{name}\""), help);
    }

    /// A duration in whole minutes, within limits. Tells whether it is.
    fn minutes(&mut self, pointer: &str, what: &str, duration: Duration, least: u32, most: u32) -> bool {
        let (shortest, longest) = (Duration { seconds: least }, Duration { seconds: most });
        if !(least..=most).contains(&duration.seconds) {
            self.error(pointer, format!("{what} is {duration}"), format!("write {shortest} to {longest}"));
        } else if !duration.seconds.is_multiple_of(60) {
            self.error(
                pointer,
                format!("{what} is {duration}, not whole minutes"),
                format!("write a multiple of 1m, {shortest} to {longest}"),
            );
        } else {
            return true;
        }
        false
    }

    fn service(&mut self) {
        let service = &self.document.service;
        self.minutes("/service/cycle", "the cycle", service.cycle, 60, 3_600);
        if service.ingestion_delay.seconds > 3_600 {
            let message = format!("the ingestion delay is {}", service.ingestion_delay);
            self.error("/service/ingestion_delay", message, "write at most 1h; CloudWatch is rarely later than 2m");
        }
    }

    fn defaults(&mut self) {
        let defaults = &self.document.defaults;
        if let Some(team) = &defaults.team {
            self.known("/defaults/team", "teams", team, "`defaults` names");
        }
        self.time_zone("/defaults/time_zone", &defaults.time_zone);
        self.minutes("/defaults/period", "the default period", defaults.period, 60, 86_400);
        rules::datapoints(self, "/defaults/datapoints", defaults.datapoints);
    }
}

/// What an entry of a section is called: `queries` to `query`.
fn singular(section: &str) -> String {
    section.strip_suffix("ies").map_or_else(|| section.trim_end_matches('s').to_owned(), |stem| format!("{stem}y"))
}

/// The first character of each word's place in the text, for a word that is a whole identifier.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .find(|(start, _)| {
            let (before, after) = (text.get(..*start), text.get(start + word.len()..));
            !before.is_some_and(|text| text.ends_with(inside)) && !after.is_some_and(|text| text.starts_with(inside))
        })
        .and_then(|(start, _)| Some(text.get(..start)?.chars().count()))
}

/// The items of a list in their order, each with its pointer.
fn items<'t, T>(pointer: &str, list: &'t [T]) -> Vec<(String, &'t T)> {
    list.iter().enumerate().map(|(index, item)| (format!("{pointer}/{index}"), item)).collect()
}

/// The entries of a section, each with its pointer.
fn entries<'t, T>(section: &str, map: &'t BTreeMap<String, T>) -> Vec<(String, &'t String, &'t T)> {
    map.iter().map(|(name, entry)| (child(&format!("/{section}"), name), name, entry)).collect()
}
