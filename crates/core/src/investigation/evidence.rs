//! What an investigation asks for beside the series, and what comes back. Each part that cannot be read says why; the others go on.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Question;
use crate::alert::bounded;
use crate::catalogue::{Catalogue, Source};
use crate::redaction::redacted;

/// How long before the beginning of an incident deployments and changes are looked for.
const BEFORE: SignedDuration = SignedDuration::from_hours(3);

/// How long before it the logs are searched: what is scanned costs money, and the time range is what bounds it.
const LOGS_BEFORE: SignedDuration = SignedDuration::from_mins(15);

/// The most functions that are asked for, and the most log groups that are searched: a quota of Logs Insights.
const MAX_FUNCTIONS: usize = 10;
const MAX_LOG_GROUPS: usize = 50;

/// The name of the dimension that names a Lambda function.
pub(crate) const FUNCTION: &str = "FunctionName";

/// What Lambda calls the log group of a function.
const LOG_GROUP_PREFIX: &str = "/aws/lambda/";

/// Lines that speak of a failure, put together by what they have in common. `pattern` is Logs Insights' own command:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax-Pattern.html>.
pub const ERROR_PATTERNS: &str = "filter @message like /(?i)(error|exception|fatal|timed out)/ | pattern @message";

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The functions whose versions and aliases are wanted, at most 10.
    pub functions: Vec<String>,
    /// From when on deployments and changes are wanted.
    pub from: Timestamp,
    /// The log groups whose [`ERROR_PATTERNS`] are wanted, at most 50; none: no logs.
    pub log_groups: Vec<String>,
    /// From when on the logs are searched.
    pub logs_from: Timestamp,
    /// Until when all of it is wanted.
    pub until: Timestamp,
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gathered {
    /// What each function has, or why that is not known; none where there is no Lambda to ask.
    pub functions: Vec<(String, Result<Function, String>)>,
    /// What `CloudTrail` recorded, or why that is not known; `None` where there is none to ask.
    pub calls: Option<Result<Calls, String>>,
    /// What the logs have in common, or why that is not known; `None` where none were searched.
    pub patterns: Option<Result<Vec<Pattern>, String>>,
}

/// What Lambda knows of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its versions, `$LATEST` among them.
    pub versions: Vec<Version>,
    /// Its aliases: name, and the version that it serves.
    pub aliases: Vec<(String, String)>,
}

/// A version of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `42`, or `$LATEST`.
    pub name: String,
    /// When it was published, or for `$LATEST` last changed.
    pub at: Timestamp,
}

/// What `CloudTrail` recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    /// The calls that change something, newest first.
    pub calls: Vec<Call>,
    /// Where there are more than are read: before this time nothing was looked at.
    pub only_since: Option<Timestamp>,
}

/// A call that `CloudTrail` recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// When.
    pub at: Timestamp,
    /// Who, as `CloudTrail` has it: a user, or the name of a role's session.
    pub who: Option<String>,
    /// The record as it stands, which is read as far as it can be.
    pub record: serde_json::Value,
}

/// Lines of a log that have this in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern {
    /// What they have in common; what differs is `<*>` or named `<Time-1>`.
    pub text: String,
    /// How many lines.
    pub count: u64,
}

impl Pattern {
    /// `312 lines: Task timed out after <Number-1> seconds`.
    pub fn line(&self) -> String {
        let lines = if self.count == 1 { "line" } else { "lines" };
        format!("{} {lines}: {}", self.count, self.text)
    }
}

/// What to ask for about an incident: the functions that its alerts and the catalogue name, those of the alert first, and the log
/// groups of its runbook's queries.
pub fn wanted(catalogue: &Catalogue, question: &Question, now: Timestamp) -> Wanted {
    let onset = question.looked_at_from(now);
    let before = |length| onset.saturating_sub(length).unwrap_or(Timestamp::MIN);
    let log_groups = log_groups(catalogue, question);
    let mut functions = Vec::new();
    let of_logs = log_groups.iter().filter_map(|group| group.strip_prefix(LOG_GROUP_PREFIX)).map(str::to_owned);
    for name in question.functions.iter().cloned().chain(named(catalogue, question)).chain(of_logs) {
        if functions.len() < MAX_FUNCTIONS && is_name(&name) && !functions.contains(&name) {
            functions.push(name);
        }
    }
    Wanted { functions, from: before(BEFORE), log_groups, logs_from: before(LOGS_BEFORE), until: now }
}

/// The functions that the catalogue names: those of the rule that asks before the others.
fn named(catalogue: &Catalogue, question: &Question) -> Vec<String> {
    let asking = catalogue.rules.get(&question.rule).map(|rule| rule.metric.as_str());
    let mut metrics: Vec<_> = catalogue.metrics.values().collect();
    metrics.sort_by_key(|metric| Some(metric.name.as_str()) != asking);
    let sets = metrics.into_iter().flat_map(|metric| &metric.dimensions);
    sets.filter_map(|dimensions| dimensions.get(FUNCTION).cloned()).collect()
}

fn log_groups(catalogue: &Catalogue, question: &Question) -> Vec<String> {
    let runbook = catalogue.rules.get(&question.rule).and_then(|rule| rule.runbook.as_ref());
    let queries = runbook.and_then(|name| catalogue.runbooks.get(name)).map(|runbook| runbook.queries.as_slice());
    let queries = queries.unwrap_or_default().iter().filter_map(|name| catalogue.queries.get(name));
    let groups: BTreeSet<&String> = queries.flat_map(|query| &query.log_groups).collect();
    groups.into_iter().take(MAX_LOG_GROUPS).cloned().collect()
}

/// What a function may be called. A dimension may come from somebody else's alarm, and an ARN names another account.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// The names of what the catalogue measures: functions, tables, APIs.
pub(super) fn resources(catalogue: &Catalogue) -> BTreeSet<&str> {
    let is_measured = |source: &Source| matches!(source, Source::Cloudwatch { .. });
    let metrics = catalogue.metrics.values().filter(|metric| is_measured(&metric.source));
    metrics
        .flat_map(|metric| &metric.dimensions)
        .flat_map(|dimensions| dimensions.values().map(String::as_str))
        .collect()
}

/// The most patterns that are told, and the most bytes of the text of one.
const MAX_PATTERNS: usize = 3;
const MAX_PATTERN: usize = 240;

/// The commonest, as many as are told, without what must not leave a log: what is the same in all lines may be a token or a person's
/// address. One line that is like no other is no pattern, and would be told as it stands.
pub(super) fn commonest(mut patterns: Vec<Pattern>) -> Vec<Pattern> {
    patterns.retain(|pattern| pattern.count > 1);
    patterns.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.text.cmp(&b.text)));
    patterns.truncate(MAX_PATTERNS);
    for pattern in &mut patterns {
        // Cut first, lest a page of log be searched; a word that is cut hides what it was.
        pattern.text = bounded(&redacted(&bounded(pattern.text.trim(), 2 * MAX_PATTERN), &[]), MAX_PATTERN);
    }
    patterns
}
