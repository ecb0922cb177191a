//! What was deployed and changed around the beginning of an incident, from what Lambda and `CloudTrail` say.

use std::collections::BTreeSet;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evidence::{Call, Function, Gathered, Version, is_name, resources};
use crate::alert::bounded;
use crate::catalogue::Catalogue;
use crate::message::format_seconds;

/// The most changes that are told, and the most bytes of what and who.
pub(super) const MAX_CHANGES: usize = 8;
const MAX_WHAT: usize = 200;
const MAX_WHO: usize = 80;

/// A change within this time before an incident is named before anything else.
const SHORTLY: SignedDuration = SignedDuration::from_mins(30);

/// Metrics tell a minute, not a second: a change within the minute in which it began came before it.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Both say the time of a change, and not to the second the same.
const SAME: SignedDuration = SignedDuration::from_secs(60);

/// What Lambda calls the version that can still be changed.
const LATEST: &str = "$LATEST";

/// What changes how something works: the service, and what the names of its calls begin with. Whatever else is written all day (a
/// log stream for each new process of a function) says nothing of why something fails.
const CHANGES: [(&str, &[&str]); 7] = [
    ("lambda", &["Create", "Update", "Publish", "Put", "Delete"]),
    ("dynamodb", &["CreateTable", "UpdateTable", "DeleteTable", "RestoreTable", "UpdateTimeToLive"]),
    ("ssm", &["PutParameter", "DeleteParameter"]),
    ("application-autoscaling", &["Register", "Deregister", "Put", "Delete"]),
    ("sqs", &["SetQueueAttributes", "DeleteQueue"]),
    ("events", &["PutRule", "EnableRule", "DisableRule", "DeleteRule"]),
    ("apigateway", &["Update", "Put", "Delete"]),
];

/// What deploys something, whatever it is, and the parameter that names it.
const DEPLOYMENTS: [(&str, &str, &str); 5] = [
    ("cloudformation", "CreateStack", "stackName"),
    ("cloudformation", "UpdateStack", "stackName"),
    ("cloudformation", "ExecuteChangeSet", "stackName"),
    ("codedeploy", "CreateDeployment", "deploymentGroupName"),
    ("apigateway", "CreateDeployment", "restApiId"),
];

/// Something that was deployed or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What: `ai-nutritionist-api got version 42`.
    pub what: String,
    /// Who, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Who says so.
    pub source: ChangeSource,
}

/// Who tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ChangeSource {
    /// The versions and aliases of functions.
    Lambda,
    /// Calls of AWS.
    CloudTrail,
}

impl fmt::Display for ChangeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lambda => "Lambda",
            Self::CloudTrail => "CloudTrail",
        })
    }
}

impl Change {
    /// `ai-nutritionist-api got version 42 by alice`.
    pub fn sentence(&self) -> String {
        match &self.who {
            Some(who) => format!("{} by {who}", self.what),
            None => self.what.clone(),
        }
    }

    /// The same, with how long before it began: `... 4 min before it began`.
    pub fn before(&self, began: Timestamp) -> String {
        let seconds = began.duration_since(self.at).as_secs();
        let when =
            if seconds > 0 { format!("{} before it began", format_seconds(seconds)) } else { "as it began".to_owned() };
        format!("{} {when}", self.sentence())
    }

    /// As much of it as is kept.
    pub(super) fn bounded(mut self) -> Self {
        self.what = bounded(&self.what, MAX_WHAT);
        self.who = self.who.map(|who| bounded(&who, MAX_WHO)).filter(|who| !who.is_empty());
        self
    }
}

/// The latest change shortly before an incident began; of several at once one of which it is known who made it.
pub(super) fn suspect(changes: &[Change], began: Timestamp) -> Option<&Change> {
    let earliest = began.saturating_sub(SHORTLY).unwrap_or(Timestamp::MIN);
    let latest = began.saturating_add(MINUTE).unwrap_or(Timestamp::MAX);
    changes
        .iter()
        .filter(|change| (earliest..latest).contains(&change.at))
        .max_by_key(|change| (change.at, change.who.is_some()))
}

/// The changes since `from`, in the order of time, at most [`MAX_CHANGES`]: the latest before it began, then what followed.
pub(super) fn changes(
    catalogue: &Catalogue,
    gathered: &Gathered,
    (from, began): (Timestamp, Timestamp),
) -> Vec<Change> {
    let asked: BTreeSet<&str> = gathered.functions.iter().map(|(name, _)| name.as_str()).collect();
    let known = Known { names: resources(catalogue).into_iter().chain(asked).collect(), service: &catalogue.service };
    let calls = gathered.calls.iter().flatten().flat_map(|calls| &calls.calls);
    let mut found: Vec<Found> = calls.filter_map(|call| known.read(call)).collect();
    // A new version is published within the same call, or by one of its own right after: one deployment.
    merge(&mut found);
    for (function, answer) in &gathered.functions {
        let Ok(answer) = answer else { continue };
        for version in &answer.versions {
            found.extend(of_version(function, version, answer, &found));
        }
    }
    found.retain(|found| found.change.at >= from);
    let near = |found: &Found| {
        let late = found.change.at >= began.saturating_add(MINUTE).unwrap_or(Timestamp::MAX);
        (late, found.change.at.duration_since(began).as_secs().abs())
    };
    found.sort_by_key(near);
    found.truncate(MAX_CHANGES);
    found.sort_by_key(|found| found.change.at);
    found.into_iter().map(|found| found.change.bounded()).collect()
}

/// A change, and which version of which function came of it.
struct Found {
    change: Change,
    function: Option<String>,
    version: Option<String>,
}

impl Found {
    fn is_near(&self, at: Timestamp) -> bool {
        self.change.at.duration_since(at).abs() <= SAME
    }
}

/// New code, and the version that was published of it within a minute, are told once: as the version.
fn merge(found: &mut Vec<Found>) {
    let versions: Vec<(Option<String>, Timestamp)> = found
        .iter()
        .filter(|found| found.version.is_some())
        .map(|found| (found.function.clone(), found.change.at))
        .collect();
    let is_told = |found: &Found| {
        let same = |(function, at): &(Option<String>, Timestamp)| *function == found.function && found.is_near(*at);
        found.version.is_none() && found.change.what.ends_with(NEW_CODE) && versions.iter().any(same)
    };
    found.retain(|found| !is_told(found));
}

const NEW_CODE: &str = "got new code";

/// What Lambda says of a version, unless `CloudTrail` said it with who it was.
fn of_version(function: &str, version: &Version, of: &Function, found: &[Found]) -> Option<Found> {
    let same = |found: &&Found| found.function.as_deref() == Some(function);
    let what = if version.name == LATEST {
        if found.iter().filter(same).any(|found| found.is_near(version.at)) {
            return None;
        }
        // Publishing touches nothing of it, so a version from the same minute was made of this change.
        let published = |other: &&Version| other.name != LATEST && other.at.duration_since(version.at).abs() <= SAME;
        if of.versions.iter().any(|other| published(&other)) {
            return None;
        }
        format!("{function} got new code or another configuration")
    } else {
        if found.iter().filter(same).any(|found| found.version.as_deref() == Some(&version.name)) {
            return None;
        }
        let serving = of.aliases.iter().filter(|(_, serves)| *serves == version.name);
        let serving: Vec<&str> = serving.map(|(alias, _)| alias.as_str()).collect();
        let serving = if serving.is_empty() { String::new() } else { format!(" (served by {})", serving.join(", ")) };
        format!("{function} got version {}{serving}", version.name)
    };
    let change = Change { at: version.at, what, who: None, source: ChangeSource::Lambda };
    Some(Found { change, function: Some(function.to_owned()), version: Some(version.name.clone()) })
}

/// What a record has to name to be told of.
struct Known<'a> {
    names: BTreeSet<&'a str>,
    service: &'a str,
}

impl Known<'_> {
    /// What a recorded call changed; `None` for what failed, and for what is about something else.
    fn read(&self, call: &Call) -> Option<Found> {
        let record = &call.record;
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
        if text("/errorCode").is_some() {
            return None;
        }
        let service = text("/eventSource")?.split('.').next()?;
        // Lambda's names end in the version of its interface: `UpdateFunctionCode20150331v2`.
        let name = text("/eventName")?.split(|character: char| character.is_ascii_digit()).next()?;
        if !is_change(service, name) {
            return None;
        }
        let (what, function, version) = if service == "lambda" {
            let function = function_name(text("/requestParameters/functionName")?)?;
            if !self.names.contains(function) {
                return None;
            }
            let (what, version) = of_function(function, name, record);
            (what, Some(function.to_owned()), version)
        } else {
            let subject = self.subject(service, name, record)?;
            (format!("{subject}: {name} ({service})"), None, None)
        };
        let change = Change { at: call.at, what, who: call.who.clone(), source: ChangeSource::CloudTrail };
        Some(Found { change, function, version })
    }

    /// What a call of another service than Lambda is about: something that the catalogue names, a parameter of the service, or a
    /// deployment.
    fn subject<'r>(&self, service: &str, name: &str, record: &'r Value) -> Option<&'r str> {
        let parameters = record.get("requestParameters")?.as_object()?;
        let last = |text: &'r str| text.rsplit(['/', ':']).next().unwrap_or(text);
        let deploys = DEPLOYMENTS.iter().find(|(of, call, _)| (*of, *call) == (service, name));
        if let Some((_, _, parameter)) = deploys {
            return parameters.get(*parameter)?.as_str().map(last);
        }
        let mut texts = parameters.values().filter_map(Value::as_str);
        if service == "ssm" {
            let is_own =
                |text: &&str| text.strip_prefix('/').and_then(|path| path.split('/').next()) == Some(self.service);
            return texts.find(is_own);
        }
        texts.map(last).find(|text| self.names.contains(text))
    }
}

/// Whether a call changes how something works.
fn is_change(service: &str, name: &str) -> bool {
    let deploys = DEPLOYMENTS.iter().any(|(of, call, _)| (*of, *call) == (service, name));
    let begins = |of: &str, verbs: &[&str]| of == service && verbs.iter().any(|verb| name.starts_with(verb));
    deploys || CHANGES.iter().any(|(of, verbs)| begins(of, verbs))
}

/// `name` of `name`, `name:alias`, `123456789012:function:name` and an ARN.
fn function_name(text: &str) -> Option<&str> {
    let name = text.rsplit_once("function:").map_or(text, |(_, name)| name);
    name.split(':').next().filter(|name| is_name(name))
}

/// What a call of Lambda did, and the version that came of it.
fn of_function(function: &str, name: &str, record: &Value) -> (String, Option<String>) {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let published = text("/responseElements/version").filter(|version| *version != LATEST && is_name(version));
    let what = match (name, published) {
        ("PublishVersion" | "UpdateFunctionCode", Some(version)) => format!("{function} got version {version}"),
        ("UpdateFunctionCode", None) => format!("{function} {NEW_CODE}"),
        ("UpdateFunctionConfiguration", _) => {
            format!("{function} got another configuration{}", parameters(record))
        }
        ("UpdateAlias" | "CreateAlias", _) => {
            let alias = text("/requestParameters/name").unwrap_or("an alias");
            match text("/requestParameters/functionVersion") {
                Some(version) => format!("{alias} of {function} serves version {version}"),
                None => format!("{alias} of {function} was changed"),
            }
        }
        _ => format!("{function}: {name}"),
    };
    let version = matches!(name, "PublishVersion" | "UpdateFunctionCode").then_some(published).flatten();
    (what, version.map(str::to_owned))
}

/// The names of what a call set, never the values: ` (memorySize, timeout)`.
fn parameters(record: &Value) -> String {
    let parameters = record.get("requestParameters").and_then(Value::as_object);
    let names = parameters.into_iter().flat_map(|parameters| parameters.keys());
    let names: Vec<&str> = names.map(String::as_str).filter(|name| *name != "functionName" && is_name(name)).collect();
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
}
