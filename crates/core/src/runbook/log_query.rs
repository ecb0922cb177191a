//! Links that open a runbook's Logs Insights queries in the console, at the time of an incident.
//!
//! The console's own form: what it shows in the address bar once a query has run. It keeps the query in `queryDetail` as JSURL
//! (<https://github.com/Sage/jsurl>), behind `#`, where it writes `$` for `%`.

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{Catalogue, LogQuery};
use crate::message::{MAX_QUERY_LINK, MAX_QUERY_LINKS, QueryLink};

/// How long before an incident, and after its end, its logs are looked at.
const AROUND: SignedDuration = SignedDuration::from_mins(15);

/// While it lasts, whoever opens the link later wants what was logged since.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);

/// Where and when to look.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// Region of the log groups; `None` where there is no AWS account, and no link.
    pub region: Option<&'a str>,
    /// When the incident began.
    pub onset: Timestamp,
    /// When it ended; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// What the time is.
    pub now: Timestamp,
}

/// One link for each query of the runbook. A query that is cut is another query: one that is too long has none.
pub(super) fn links(catalogue: &Catalogue, runbook: &str, look: Look<'_>) -> Vec<QueryLink> {
    let (Some(runbook), Some(region)) = (catalogue.runbooks.get(runbook), look.region) else { return Vec::new() };
    let queries = runbook.queries.iter().filter_map(|name| catalogue.queries.get(name));
    let link = |query: &LogQuery| {
        let url = url(query, region, range(look));
        (url.len() <= MAX_QUERY_LINK).then(|| QueryLink { title: query.title.clone(), url })
    };
    queries.filter_map(link).take(MAX_QUERY_LINKS).collect()
}

/// From some minutes before it began until some after it ended, or until an hour from now.
fn range(look: Look<'_>) -> (Timestamp, Timestamp) {
    let until = match look.end {
        Some(end) => end.saturating_add(AROUND),
        None => look.now.saturating_add(AHEAD),
    };
    (look.onset.saturating_sub(AROUND).unwrap_or(Timestamp::MIN), until.unwrap_or(Timestamp::MAX))
}

fn url(query: &LogQuery, region: &str, (start, end): (Timestamp, Timestamp)) -> String {
    let time = |at: Timestamp| jsurl(&at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string());
    let groups: String = query.log_groups.iter().map(|group| format!("~{}", jsurl(group))).collect();
    format!(
        "https://{region}.{}/cloudwatch/home?region={region}#logsV2:logs-insights$3FqueryDetail$3D\
         ~(end~{}~start~{}~timeType~'ABSOLUTE~tz~'UTC~editorString~{}~source~({groups}))",
        console(region),
        time(end),
        time(start),
        jsurl(&query.query),
    )
}

/// The console's domain in the region's partition.
fn console(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "console.amazonaws.cn",
        _ if region.starts_with("us-gov-") => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    }
}

/// A string in JSURL: a quote, then letters, digits, `_`, `-` and `.` as they are, `!` for `$`, and anything else as `*` with two
/// hexadecimal digits, or `**` with four for each UTF-16 unit beyond U+00FF.
fn jsurl(text: &str) -> String {
    let mut result = "'".to_owned();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') => result.push(byte.into()),
            Ok(b'$') => result.push('!'),
            Ok(byte) => result.push_str(&format!("*{byte:02x}")),
            Err(_) => result.push_str(&format!("**{unit:04x}")),
        }
    }
    result
}
