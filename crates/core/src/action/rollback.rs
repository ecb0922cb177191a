//! Back to the version before: a Lambda alias names another version.

use jiff::Timestamp;

use super::{Call, Condition, Plan, PlannedCall};
use crate::message::format_seconds;

/// What an alias serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serving<'a> {
    pub(super) version: &'a str,
    pub(super) made_at: Option<Timestamp>,
    pub(super) previous: Option<&'a str>,
    pub(super) split: bool,
}

/// Lambda does not tell when an alias was moved, so what counts is when the version that it names was made: only one that came
/// shortly before the onset is a likely cause.
pub(super) fn plan(
    function: &str,
    alias: &str,
    serving: Serving<'_>,
    within_seconds: u32,
    onset: Timestamp,
) -> Result<Plan, String> {
    let Serving { version, made_at, previous, split } = serving;
    if split {
        return Err(format!("{alias} of {function} divides its calls among two versions: somebody is rolling out"));
    }
    let Some(made_at) = made_at else {
        return Err(format!("it is not known when version {version} of {function} was made"));
    };
    let age = onset.duration_since(made_at).as_secs();
    if age < 0 {
        return Err(format!("version {version} of {function} was made after it began, at {made_at}"));
    }
    if age > i64::from(within_seconds) {
        let (age, within) = (format_seconds(age), format_seconds(i64::from(within_seconds)));
        return Err(format!(
            "version {version} of {function} was made {age} before it began, and only what is younger than {within} is suspected"
        ));
    }
    let Some(previous) = previous else {
        return Err(format!("{function} has no version before {version}"));
    };
    let serve = |version: &str, expected: &str| PlannedCall {
        call: Call::SetAlias { function: function.to_owned(), alias: alias.to_owned(), version: version.to_owned() },
        condition: Condition::Version { version: expected.to_owned() },
    };
    let (calls, inverse) = (vec![serve(previous, version)], vec![serve(version, previous)]);
    Ok(Plan { calls, later: None, inverse, stays: true })
}
