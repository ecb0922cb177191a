//! What was deployed and changed lately: the versions and aliases of Lambda functions, and the calls that `CloudTrail` recorded.

use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use monitoring_core::investigation::{Call, Calls, Function, Version};
use tokio::time::{Instant, sleep};

use super::Pace;
use super::failure::retrying;

/// Functions that are asked about at the same time.
const PARALLEL_FUNCTIONS: usize = 4;

/// The most pages of versions of a function, 50 each: the newest come last.
const MAX_PAGES: usize = 20;

/// The most pages of recorded calls, 50 each, newest first. An account whose tools write all day has more, and says so.
const MAX_CALL_PAGES: usize = 6;

/// The most bytes of a recorded call that are read.
const MAX_RECORD: usize = 64 * 1024;

/// What each function has, in the order of the names.
pub(super) async fn functions(
    client: &aws_sdk_lambda::Client,
    pace: &Pace,
    deadline: Instant,
    names: &[String],
) -> Vec<(String, Result<Function, String>)> {
    let asked: Vec<_> = names.iter().map(|name| function(client, pace, deadline, name)).collect();
    let answers: Vec<Result<Function, String>> = stream::iter(asked).buffered(PARALLEL_FUNCTIONS).collect().await;
    names.iter().cloned().zip(answers).collect()
}

async fn function(
    client: &aws_sdk_lambda::Client,
    pace: &Pace,
    deadline: Instant,
    name: &str,
) -> Result<Function, String> {
    let versions = versions(client, pace, deadline, name);
    let (versions, aliases) = futures_util::try_join!(versions, aliases(client, pace, deadline, name))?;
    Ok(Function { versions, aliases })
}

async fn versions(
    client: &aws_sdk_lambda::Client,
    pace: &Pace,
    deadline: Instant,
    function: &str,
) -> Result<Vec<Version>, String> {
    let mut versions = Vec::new();
    let mut marker = None;
    for _ in 0..MAX_PAGES {
        let request = client.list_versions_by_function().function_name(function).set_marker(marker);
        let page = retrying(pace, deadline, || request.clone().send()).await;
        let page = page.map_err(|failure| failure.sentence("lambda:ListVersionsByFunction"))?;
        versions.extend(page.versions.unwrap_or_default().into_iter().filter_map(|version| {
            let at = version.last_modified.as_deref().and_then(time)?;
            Some(Version { name: version.version?, at })
        }));
        marker = page.next_marker.filter(|marker| !marker.is_empty());
        if marker.is_none() {
            return Ok(versions);
        }
    }
    Err(format!("it has more than {} versions; delete old ones", MAX_PAGES * 50))
}

async fn aliases(
    client: &aws_sdk_lambda::Client,
    pace: &Pace,
    deadline: Instant,
    function: &str,
) -> Result<Vec<(String, String)>, String> {
    let request = client.list_aliases().function_name(function);
    let page = retrying(pace, deadline, || request.clone().send()).await;
    let page = page.map_err(|failure| failure.sentence("lambda:ListAliases"))?;
    let aliases = page.aliases.unwrap_or_default().into_iter();
    Ok(aliases.filter_map(|alias| Some((alias.name?, alias.function_version?))).collect())
}

/// As Lambda writes times: `2026-11-23T11:52:00.000+0000`.
pub(crate) fn time(text: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text).ok()
}

/// The recorded calls of a time that change something.
pub(super) async fn calls(
    client: &aws_sdk_cloudtrail::Client,
    pace: &Pace,
    deadline: Instant,
    (from, until): (Timestamp, Timestamp),
) -> Result<Calls, String> {
    let writes = LookupAttribute::builder().attribute_key(LookupAttributeKey::ReadOnly).attribute_value("false");
    let writes = writes.build().map_err(|_| "cloudtrail:LookupEvents could not be asked".to_owned())?;
    let request = client
        .lookup_events()
        .lookup_attributes(writes)
        .start_time(DateTime::from_secs(from.as_second()))
        .end_time(DateTime::from_secs(until.as_second()));
    let mut calls: Vec<Call> = Vec::new();
    let mut token = None;
    for page in 0..MAX_CALL_PAGES {
        if page > 0 {
            sleep(pace.between_lookups).await;
        }
        let request = request.clone().set_next_token(token);
        let answer = match retrying(pace, deadline, || request.clone().send()).await {
            Ok(answer) => answer,
            // What was read before is worth having: the newest is what matters.
            Err(_) if !calls.is_empty() => break,
            Err(failure) => return Err(failure.sentence("cloudtrail:LookupEvents")),
        };
        calls.extend(answer.events.unwrap_or_default().into_iter().filter_map(call));
        token = answer.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(Calls { calls, only_since: None });
        }
    }
    let only_since = calls.iter().map(|call| call.at).min();
    Ok(Calls { calls, only_since })
}

/// A recorded call; `None` for what has no time or no record that can be read. One bad record harms no other.
fn call(event: Event) -> Option<Call> {
    let at = Timestamp::from_second(event.event_time?.secs()).ok()?;
    let record = event.cloud_trail_event.filter(|record| record.len() <= MAX_RECORD)?;
    Some(Call { at, who: event.username, record: serde_json::from_str(&record).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_lambda_writes_them() {
        assert_eq!(time("2026-11-23T11:52:00.123+0000").unwrap().to_string(), "2026-11-23T11:52:00.123Z");
        assert_eq!(time("yesterday"), None);
    }
}
