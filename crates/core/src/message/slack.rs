//! Slack, in Block Kit. Source of the limits: <https://docs.slack.dev/reference/block-kit/blocks>: 50 blocks a message,
//! 3,000 characters a section, 150 a header; <https://docs.slack.dev/reference/methods/chat.postMessage>: 4,000 of text.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::wording::date_and_time;
use super::{AlertLine, Notice, NoticeKind, OnCallPerson, RunbookCard};
use crate::alert::bounded;
use crate::catalogue::Severity;
use crate::incident::Status;

/// The longest header.
const MAX_HEADER: usize = 150;

/// The most of one thing that is shown, in characters after escaping. A section has at most four, and a link.
const MAX_PIECE: usize = 480;

/// What the buttons are called when they come back.
pub const ACKNOWLEDGE: &str = "acknowledge";
/// See [`ACKNOWLEDGE`].
pub const RESOLVE: &str = "resolve";
/// See [`ACKNOWLEDGE`].
pub const SILENCE_1H: &str = "silence_1h";
/// See [`ACKNOWLEDGE`]; the number of the action is behind it: `approve_1`.
pub const APPROVE: &str = "approve_";

/// The message of an incident, as it is now: for a channel, or in place of the one that is there. It has buttons if there
/// is somebody who hears them.
pub fn blocks(notice: &Notice, buttons: bool) -> Value {
    let header = bounded(&format!("{} {}: {}", mark(notice), notice.standing(), notice.what()), MAX_HEADER);
    let context = format!(
        "*{}*, {} {} ({})",
        escaped(&notice.place()),
        notice.since_word(),
        date(notice.since),
        notice.duration()
    );
    let mut blocks = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": header, "emoji": false}}),
        section(&format!("{context}\n{}{}", escaped(&notice.reason()), on_call(notice))),
    ];
    blocks.extend(notice.alerts.iter().map(alert));
    blocks.extend(notice.more().map(|more| section(&more)));
    if !matches!(notice.kind, NoticeKind::Resolved { .. } | NoticeKind::PostMortem { .. }) {
        blocks.extend(notice.runbook.as_ref().map(runbook));
        blocks.extend(notice.runbook.iter().flat_map(RunbookCard::query_links).map(query));
        blocks.extend(buttons.then(|| actions(notice)));
    }
    blocks.push(footer(notice));
    message(notice, &blocks)
}

/// What is new, for the thread of the incident's message.
pub fn thread_reply(notice: &Notice, buttons: bool) -> Value {
    let reason = escaped(&notice.reason());
    let mut blocks = match notice.kind {
        NoticeKind::Acknowledged { .. } | NoticeKind::Resolved { .. } => vec![section(&reason)],
        NoticeKind::PostMortem { .. } => vec![section(&reason), footer(notice)],
        NoticeKind::Page { .. } | NoticeKind::Team { .. } | NoticeKind::Update | NoticeKind::Approval { .. } => {
            let mut blocks = vec![section(&format!("*{}*: {reason}{}", notice.label(), on_call(notice)))];
            blocks.extend(notice.alerts.iter().map(alert));
            blocks.extend(notice.more().map(|more| section(&more)));
            blocks
        }
    };
    if matches!(notice.kind, NoticeKind::Page { .. } | NoticeKind::Team { .. } | NoticeKind::Approval { .. }) {
        blocks.extend(buttons.then(|| actions(notice)));
        blocks.push(footer(notice));
    }
    message(notice, &blocks)
}

/// A message that is about no incident. Whoever it is for is mentioned, where the catalogue has their member id.
pub fn plain(to: Option<&OnCallPerson>, heading: &str, lines: &[String]) -> Value {
    let text: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    let heading = escaped(heading);
    // A section takes 3,000 characters.
    let mention = to.and_then(OnCallPerson::slack_member).map_or(String::new(), |id| format!("<@{id}> "));
    let mut blocks = vec![section(&format!("{mention}*{heading}*"))];
    blocks.extend(text.chunks(5).map(|lines| section(&lines.join("\n"))).take(40));
    json!({"text": heading, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

/// What can be done about an open incident with a click. Resolving asks once more: it would end the calls for help.
fn actions(notice: &Notice) -> Value {
    let text = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let id = &notice.incident;
    let confirm = json!({
        "title": text("Is it over?"),
        "text": text("Nobody is called any more, even if it goes on."),
        "confirm": text("Resolve"),
        "deny": text("Not yet"),
    });
    let (acknowledge, resolve, silence) = (text("Acknowledge"), text("Resolve"), text("Silence 1 h"));
    let mut buttons = vec![
        json!({"type": "button", "action_id": ACKNOWLEDGE, "text": acknowledge, "value": id, "style": "primary"}),
        json!({"type": "button", "action_id": RESOLVE, "text": resolve, "value": id, "confirm": confirm}),
        json!({"type": "button", "action_id": SILENCE_1H, "text": silence, "value": id}),
    ];
    if let NoticeKind::Approval { run, what, .. } = &notice.kind {
        let confirm = json!({
            "title": text("Go on with it?"),
            "text": text(&bounded(what, 280)),
            "confirm": text("Approve"),
            "deny": text("Not yet"),
        });
        let name = format!("{APPROVE}{run}");
        buttons.insert(
            0,
            json!({"type": "button", "action_id": name, "text": text("Approve"), "value": id, "style": "primary", "confirm": confirm}),
        );
        return json!({"type": "actions", "elements": buttons});
    }
    let is_answered = notice.status != Status::Detected && !matches!(notice.kind, NoticeKind::Page { .. });
    if is_answered {
        buttons.remove(0);
    }
    json!({"type": "actions", "elements": buttons})
}

/// `text` is what a notification on a phone shows, and what is read aloud.
fn message(notice: &Notice, blocks: &[Value]) -> Value {
    let label = notice.label();
    let (what, place) = (escaped(&notice.what_and_value()), escaped(&notice.place()));
    let on_call = notice.on_call_line().map(|line| format!(". {}", escaped(&line))).unwrap_or_default();
    let text = format!("{label}: {what} ({place}). {}{on_call}", escaped(&notice.reason()));
    json!({"text": text, "blocks": blocks, "unfurl_links": false, "unfurl_media": false})
}

/// A line of its own that calls the person by a mention, which Slack notifies them of; their name where the catalogue
/// has no member id.
fn on_call(notice: &Notice) -> String {
    let Some(person) = &notice.on_call else { return String::new() };
    let who = person.slack_member().map_or_else(|| escaped(&person.name()), |id| format!("<@{id}>"));
    format!("\nOn call: {who}")
}

fn alert(alert: &AlertLine) -> Value {
    let since = if alert.firing { format!(", since {}", date(alert.since)) } else { String::new() };
    let mut text = format!("• {}{since}", escaped(&alert.sentence()));
    text.extend(alert.quotation().map(|quote| format!("\n```{}```", escaped(&quote))));
    section(&text)
}

fn runbook(runbook: &RunbookCard) -> Value {
    let title = escaped(&runbook.heading());
    let mut lines = vec![match runbook.link() {
        Some(link) => format!("*What to do*: <{}|{title}>", link.replace('&', "&amp;")),
        None => format!("*What to do*: {title}"),
    }];
    lines.extend(runbook.first_steps().iter().map(|step| escaped(step)));
    lines.extend(runbook.more_steps());
    section(&lines.join("\n"))
}

/// In a section of its own: a link is long, though people see its title only.
fn query((title, url): (String, &str)) -> Value {
    section(&format!("<{}|Logs: {}>", url.replace('&', "&amp;"), escaped(&title)))
}

fn footer(notice: &Notice) -> Value {
    let text = match notice.next_step() {
        Some((verb, command)) => format!("{verb}: `{}`", escaped(&command)),
        None => notice.incident.to_string(),
    };
    json!({"type": "context", "elements": [{"type": "mrkdwn", "text": text, "verbatim": true}]})
}

fn section(text: &str) -> Value {
    // Verbatim: nothing in it becomes a link or a mention by itself.
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": true}})
}

fn mark(notice: &Notice) -> &'static str {
    match (&notice.kind, notice.severity) {
        (NoticeKind::Resolved { .. }, _) => "✅",
        (NoticeKind::PostMortem { .. }, _) => "📝",
        (_, Severity::Sev1) => "🔴",
        (_, Severity::Sev2) => "🟠",
        (_, Severity::Sev3) => "🟡",
        (_, Severity::Sev4) => "🔵",
    }
}

/// The time in the reader's time zone, and in UTC where Slack cannot say it.
fn date(at: Timestamp) -> String {
    format!("<!date^{}^{{date_short_pretty}} {{time}}|{}>", at.as_second(), date_and_time(at))
}

/// Text from outside as text: no mention, no link, no formatting, no end of a code block. `&`, `<` and `>` are escaped
/// as Slack asks; for the characters of its formatting it has no escape, so others that look alike take their place.
fn escaped(text: &str) -> String {
    let text = bounded(text, 4 * MAX_PIECE);
    let mut result = String::with_capacity(text.len());
    let mut length = 0;
    let mut before = ' ';
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        // Within a word an underscore means nothing to Slack, and metrics are full of them.
        let inside = before.is_alphanumeric() && characters.peek().is_some_and(|after| after.is_alphanumeric());
        let mut buffer = [0; 4];
        let shown: &str = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '`' => "'",
            '*' => "∗",
            '~' => "∼",
            '_' if !inside => "ˍ",
            _ => character.encode_utf8(&mut buffer),
        };
        length += shown.chars().count();
        if length > MAX_PIECE {
            result.push('…');
            break;
        }
        result.push_str(shown);
        before = character;
    }
    result
}
