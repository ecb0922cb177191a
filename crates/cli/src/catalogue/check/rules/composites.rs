//! Composite rules: what they name, and what they cannot have.

use monitoring_core::catalogue::Engine;
use monitoring_core::composite::Expression;

use super::super::super::Finding;
use super::super::super::document::Rule;
use super::super::super::resolve;
use super::super::super::suggest::nearest;
use super::super::super::yaml::child;
use super::super::Checker;

/// What only a rule with a metric has.
const OF_A_METRIC: [&str; 7] =
    ["metric", "datapoints", "missing", "clear_after", "min_volume", "active_hours", "group_by"];

pub(super) fn check(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    for key in checker.written_of(pointer, &OF_A_METRIC) {
        let message = format!("rule {name} is a composite, which has no `{key}`");
        let help = format!("remove `{key}`; the rules that it names have their own");
        checker.push(Finding::error(child(pointer, key), message, help).on_key());
    }
    let Some(composite) = &rule.composite else { return };
    let at = child(&child(pointer, "composite"), "when");
    let expression = match Expression::parse(&composite.when) {
        Ok(expression) => expression,
        Err(error) => {
            let offset = composite.when.get(..error.offset).map_or(0, |before| before.chars().count());
            let message = format!("`when` of {name}: {}", error.problem);
            checker.push(Finding::error(at, message, format!("expected {}", error.expected)).at_offset(offset));
            return;
        }
    };
    if expression.holds(&|_| false) {
        let message = format!("`when` of {name} holds while no rule fires");
        checker.error(at.clone(), message, "name a rule that must fire, with `and`");
    }
    for named in expression.names() {
        if let Some((message, help)) = unsuitable(checker, name, named) {
            let offset = find(&composite.when, named);
            checker.push(Finding::error(at.clone(), message, help).at_offset(offset));
        }
    }
}

/// Why a composite rule cannot rest on a rule, and what to write.
fn unsuitable(checker: &Checker<'_>, name: &str, named: &str) -> Option<(String, String)> {
    let document = checker.document;
    let written = checker.names("rules")?;
    if !written.contains(&named) {
        if resolve::objective_of(document, named).is_some() {
            return None;
        }
        let help = nearest(named, written.into_iter())
            .map_or_else(|| "add it under `rules:`".to_owned(), |near| format!("did you mean \"{near}\"?"));
        return Some((format!("`when` of {name} names an unknown rule \"{named}\""), help));
    }
    let rule = document.rules.get(named)?;
    if rule.composite.is_some() {
        let message = format!("`when` of {name} names {named}, which is a composite as well");
        return Some((message, format!("write the expression of {named} in its place, in parentheses")));
    }
    if rule.engine.unwrap_or(document.defaults.engine) == Engine::Alarm {
        let message = format!("`when` of {name} names {named}, which is a CloudWatch alarm");
        return Some((message, format!("write `engine: service` for {named}: only its own rules the service follows")));
    }
    None
}

/// Where a rule is named, in characters.
fn find(text: &str, name: &str) -> usize {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let found = text.match_indices(name).find(|(start, _)| {
        let (before, after) = (text.get(..*start), text.get(start + name.len()..));
        !before.is_some_and(|text| text.ends_with(inside)) && !after.is_some_and(|text| text.starts_with(inside))
    });
    found.and_then(|(start, _)| Some(text.get(..start)?.chars().count())).unwrap_or_default()
}
