//! Back to the version before: a Lambda alias names another version.

use jiff::Timestamp;

use super::{Call, Condition, Plan, PlannedCall};
use crate::message::format_seconds;

/// What an alias serves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served<'a> {
    pub(super) serving: Version<'a>,
    /// The published version before.
    pub(super) previous: Option<Version<'a>>,
    /// Whether a share of the calls goes to yet another one.
    pub(super) split: bool,
}

/// A published version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'a> {
    pub(super) number: &'a str,
    pub(super) made_at: Option<Timestamp>,
}

/// Lambda does not tell when an alias was moved, so what counts is when the version that it names was made: only one that came
/// shortly before the onset is a likely cause. The version before must be older than that: after a fix that failed it is the very
/// one that the fix was for, and nobody knows how far back the last good one is.
pub(super) fn plan(
    function: &str,
    alias: &str,
    served: Served<'_>,
    within_seconds: u32,
    onset: Timestamp,
) -> Result<Plan, String> {
    let Served { serving, previous, split } = served;
    if split {
        return Err(format!("{alias} of {function} divides its calls among two versions: somebody is rolling out"));
    }
    let version = serving.number;
    let age = serving.age(function, onset)?;
    if age < 0 {
        return Err(format!("version {version} of {function} was made after it began"));
    }
    let within = format_seconds(i64::from(within_seconds));
    if age > i64::from(within_seconds) {
        let age = format_seconds(age);
        return Err(format!(
            "version {version} of {function} was made {age} before it began, and only what is younger than {within} is suspected"
        ));
    }
    let Some(previous) = previous else {
        return Err(format!("{function} has no version before {version}"));
    };
    let before = previous.age(function, onset)?;
    if before <= i64::from(within_seconds) {
        return Err(format!(
            "version {} of {function}, which came before {version}, was made {} before it began and is as much suspected: \
             only one that is older than {within} is gone back to",
            previous.number,
            format_seconds(before),
        ));
    }
    let serve = |version: &str, expected: &str| PlannedCall {
        call: Call::SetAlias { function: function.to_owned(), alias: alias.to_owned(), version: version.to_owned() },
        condition: Condition::Version { version: expected.to_owned() },
    };
    let (calls, inverse) = (vec![serve(previous.number, version)], vec![serve(version, previous.number)]);
    Ok(Plan { calls, later: None, inverse, stays: true })
}

impl Version<'_> {
    /// How long before the onset it was made, in seconds; negative when after.
    fn age(self, function: &str, onset: Timestamp) -> Result<i64, String> {
        let unknown = || format!("it is not known when version {} of {function} was made", self.number);
        self.made_at.map(|made_at| onset.duration_since(made_at).as_secs()).ok_or_else(unknown)
    }
}
