//! Alerts: one rule on one set of dimensions, as a state machine, and the changes that it publishes.

pub mod incoming;
mod state;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::catalogue::{AlertSeverity, Comparison, Condition, Metric, Rule, Severity, Tier};
use crate::metric::{Dimensions, Range, Unit, format_dimensions, format_seconds};

pub use state::{Alert, AlertState, Episode, MAX_UNPUBLISHED, Step, step, step_because};

/// The version of the stored form of an alert and of the message that publishes a change.
pub const SCHEMA: u32 = 1;

/// The most bytes of a title, of a reason and of a quote in a change.
pub(crate) const MAX_TITLE: usize = 160;
pub(crate) const MAX_REASON: usize = 400;
pub(crate) const MAX_QUOTE: usize = 600;

/// The groups that are no rule's: what the suite says about itself, and the incident that stands for a storm.
pub const SUITE: &str = "monitoring-suite";
/// Of what could not be recognised.
pub const UNRECOGNISED: &str = "unrecognised";
/// See [`SUITE`].
pub const STORM: &str = "storm";

/// The most dimensions of a change; an alarm has 30 at most, and what tells alerts apart is in their keys.
const MAX_DIMENSIONS: usize = 10;

/// The fingerprint of an alert: `lambda-duration{FunctionName=api}`; for a `CloudWatch` alarm with its level behind it:
/// `error-rate/critical`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertKey(String);

impl AlertKey {
    /// The most bytes of a key; a longer one is cut and made unique by a hash.
    pub const MAX_BYTES: usize = 120;

    /// The alert of a rule on a set of dimensions, without control characters, and of one level only where each level is an alarm of its own.
    pub fn new(rule: &str, dimensions: &Dimensions, level: Option<&str>) -> Self {
        let mut text = format!("{rule}{}", format_dimensions(dimensions));
        if let Some(level) = level {
            text.push('/');
            text.push_str(level);
        }
        let whole = text;
        let mut text = visible(&whole);
        if text.len() > Self::MAX_BYTES {
            let hash = fnv1a(&[&whole]);
            let cut = text.floor_char_boundary(Self::MAX_BYTES - 17);
            text.truncate(cut);
            text = format!("{text}~{hash:016x}");
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the rule, which the key begins with.
    pub fn rule(&self) -> &str {
        Self::rule_of(&self.0)
    }

    /// The same of a key of which only the text is known.
    pub fn rule_of(key: &str) -> &str {
        key.split(['{', '/']).next().unwrap_or_default()
    }
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an incident is about: at most one incident of a group is open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupKey(String);

impl GroupKey {
    /// The group of a rule on a set of dimensions: `api`, or `host/i-1` where the rule has an incident for each host.
    pub fn for_rule(rule: &Rule, dimensions: &Dimensions) -> Self {
        let mut text = rule.group.clone();
        for name in &rule.group_by {
            text.push('/');
            text.push_str(dimensions.get(name).map_or("-", String::as_str));
        }
        Self::named(&text)
    }

    /// The group of one thing that the suite says about itself. Each has its own, so that who knows of one is called for
    /// another.
    pub fn suite(name: &str) -> Self {
        Self::named(&format!("{SUITE}/{name}"))
    }

    /// Whether it is about the suite itself.
    pub fn is_suite(&self) -> bool {
        self.0.split('/').next() == Some(SUITE)
    }

    /// The group of the incident that stands for a storm.
    pub fn storm() -> Self {
        Self::named(STORM)
    }

    /// A group that no rule has. Bounded, and without control characters.
    pub fn named(text: &str) -> Self {
        Self(bounded(text, 200))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether an alert fires, as an incident sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeState {
    /// It fires.
    Firing,
    /// It was measured OK.
    Ok,
}

impl ChangeState {
    /// As it is written in message attributes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Ok => "ok",
        }
    }
}

/// Where a change comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The monitoring function's own evaluation.
    Service,
    /// A `CloudWatch` alarm.
    Alarm,
    /// A message by hand, in the seed's form.
    Manual,
    /// Something that could not be recognised.
    Unrecognised,
    /// The suite, about itself.
    Suite,
}

/// A change of an alert: what the monitoring function publishes, and what every other source is translated to. It
/// carries all that a decision needs, so that sender and receiver may have different catalogues during a deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertChange {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Which alert.
    pub key: AlertKey,
    /// The rule, where there is one.
    pub rule: Option<String>,
    /// The incident that it belongs to.
    pub group: GroupKey,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether it fires.
    pub state: ChangeState,
    /// How bad the alert is.
    pub level: AlertSeverity,
    /// How bad that makes the incident.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// Its set of dimensions.
    pub dimensions: Dimensions,
    /// The newest value, in `unit`.
    pub value: Option<f64>,
    /// The bad side of the threshold.
    pub comparison: Option<Comparison>,
    /// The threshold, in `unit`.
    pub threshold: Option<f64>,
    /// Unit of both.
    pub unit: Unit,
    /// When the alert changed.
    pub at: Timestamp,
    /// Since when it has been firing; equal to `at` for a new one.
    pub since: Timestamp,
    /// What to do.
    pub runbook: Option<String>,
    /// Why it changed.
    pub reason: String,
    /// A quote of what could not be recognised.
    pub quote: Option<String>,
    /// What was expected of the value, in `unit`, where a detector says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Range>,
}

impl AlertChange {
    /// That an alert about the suite itself is over.
    #[must_use]
    pub fn is_over(self, reason: &str) -> Self {
        Self { state: ChangeState::Ok, reason: given(&bounded(reason, MAX_REASON)), ..self }
    }

    /// An alert about the suite itself, which no rule watches. It is a SEV2: nobody would notice otherwise.
    pub fn about_the_suite(name: &str, title: &str, reason: &str, now: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            key: AlertKey::new(&format!("suite:{name}"), &Dimensions::new(), None),
            rule: None,
            group: GroupKey::suite(name),
            origin: Origin::Suite,
            state: ChangeState::Firing,
            level: AlertSeverity::High,
            severity: Severity::Sev2,
            title: bounded(title, MAX_TITLE),
            dimensions: Dimensions::new(),
            value: None,
            comparison: None,
            threshold: None,
            unit: Unit::None,
            at: now,
            since: now,
            runbook: None,
            reason: given(&bounded(reason, MAX_REASON)),
            quote: None,
            expected: None,
        }
    }
}

/// What differs between the changes of one alert.
#[derive(Clone, Copy, Debug)]
pub struct ChangeOf {
    /// Whether it fires.
    pub state: ChangeState,
    /// Index of the level.
    pub level: usize,
    /// The newest value.
    pub value: Option<f64>,
    /// When it changed.
    pub at: Timestamp,
    /// Since when it has been firing.
    pub since: Timestamp,
}

/// The change that the monitoring function publishes.
pub fn change_for(
    rule: &Rule,
    metric: &Metric,
    dimensions: &Dimensions,
    change: ChangeOf,
    reason: &str,
) -> AlertChange {
    let (level, severity, comparison, threshold) = match &rule.condition {
        Condition::Threshold { tiers } => tiers
            .get(change.level)
            .or(tiers.last())
            .map_or((AlertSeverity::Medium, Severity::Sev3, None, None), |tier| {
                (tier.level.alert, tier.level.incident, Some(tier.comparison), Some(tier.threshold))
            }),
        // The value is not beyond the threshold of a trend, and no share; the title tells.
        Condition::Trend { tier: Tier { level, .. }, .. }
        | Condition::SameHour { tier: Tier { level, .. }, .. }
        | Condition::Absence { level }
        | Condition::Anomaly { level, .. }
        | Condition::Composite { level, .. } => (level.alert, level.incident, None, None),
    };
    AlertChange {
        schema: SCHEMA,
        key: AlertKey::new(&rule.name, dimensions, None),
        rule: Some(rule.name.clone()),
        group: GroupKey::for_rule(rule, dimensions),
        origin: Origin::Service,
        state: change.state,
        level,
        severity,
        title: bounded(&title_of(rule, metric, dimensions, comparison.zip(threshold)), MAX_TITLE),
        dimensions: bounded_dimensions(dimensions),
        value: change.value.and_then(storable),
        comparison,
        threshold,
        unit: metric.unit,
        at: change.at,
        since: change.since,
        runbook: rule.runbook.clone(),
        reason: given(&bounded(reason, MAX_REASON)),
        quote: None,
        expected: None,
    }
}

/// `ErrorRate above 10 %`, `LambdaDuration{FunctionName=api} above 28 s`, `RequestCount: no data`.
pub fn title_of(rule: &Rule, metric: &Metric, dimensions: &Dimensions, threshold: Option<(Comparison, f64)>) -> String {
    let what = format!("{}{}", metric.name, format_dimensions(dimensions));
    match (&rule.condition, threshold) {
        (Condition::Absence { .. }, _) => format!("{what}: no data"),
        (Condition::Anomaly { .. }, _) => format!("{what} is unusual"),
        (Condition::Composite { when, .. }, _) => format!("{}: {when}", rule.name),
        (Condition::Trend { tier, trend }, _) => {
            let threshold = metric.unit.format(tier.threshold);
            let within = format_seconds(i64::from(trend.within_seconds));
            format!("{what} will be {} {threshold} within {within}", tier.comparison)
        }
        (Condition::SameHour { tier, .. }, _) => {
            format!("{what} is {} {} of what is usual at this hour", tier.comparison, percent(tier.threshold))
        }
        (_, Some((comparison, threshold))) => format!("{what} {comparison} {}", metric.unit.format(threshold)),
        (_, None) => what,
    }
}

/// A share, 0.5 for half, in percent.
fn percent(share: f64) -> String {
    Unit::Percent.format(share * 100.0)
}

/// FNV-1a, 64 bits, over the parts with a zero byte between them. For names, not for secrets.
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub fn fnv1a(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// The value as `DynamoDB` can keep it: it takes numbers from 1e-130 to 9.9e125 in size, with 38 digits. What is smaller
/// is zero, what is greater or not finite is left out.
pub fn storable(value: f64) -> Option<f64> {
    match value.abs() {
        size if size < 1e-120 => Some(0.0),
        size if size < 1e120 => Some(value),
        _ => None,
    }
}

/// The range, where both of its ends can be kept, to four digits: it is only looked at, and a head is bounded.
pub(crate) fn storable_range(range: Range) -> Option<Range> {
    let rounded = |end: f64| format!("{:.3e}", storable(end)?).parse().ok();
    Some(Range { low: rounded(range.low)?, high: rounded(range.high)? })
}

/// At most `max` bytes of the text, control characters and bidirectional overrides replaced by a space, with an
/// ellipsis where it was cut.
pub fn bounded(text: &str, max: usize) -> String {
    let mut result = String::with_capacity(text.len().min(max));
    for character in text.chars() {
        let shown = if is_hidden(character) { ' ' } else { character };
        if result.len() + shown.len_utf8() > max {
            while result.len() + '…'.len_utf8() > max && result.pop().is_some() {}
            result.push('…');
            break;
        }
        result.push(shown);
    }
    result
}

/// The text with a space for whatever a reader would not see, or would see elsewhere.
fn visible(text: &str) -> String {
    text.chars().map(|character| if is_hidden(character) { ' ' } else { character }).collect()
}

/// Control characters, line separators, and what changes the direction of text.
fn is_hidden(character: char) -> bool {
    let directs =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    directs || matches!(character, '\u{2028}' | '\u{2029}') || character.is_control()
}

/// The reason, or that none was given: nothing is recorded without one.
pub(crate) fn given(reason: &str) -> String {
    if reason.trim().is_empty() { "no reason given".to_owned() } else { reason.to_owned() }
}

/// The first dimensions, each bounded. One without a name is left out: `DynamoDB` keeps no attribute without a name.
fn bounded_dimensions(dimensions: &Dimensions) -> Dimensions {
    let named = dimensions.iter().filter(|(name, _)| !name.is_empty());
    named.take(MAX_DIMENSIONS).map(|(name, value)| (bounded(name, 60), bounded(value, 100))).collect()
}

#[cfg(test)]
mod tests;
