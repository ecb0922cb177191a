//! Plain text: SMS, e-mail and the terminal.

use super::wording::{date_and_time, time_of_day};
use super::{Notice, NoticeKind};
use crate::catalogue::Severity;

/// Two concatenated segments of the GSM 7-bit alphabet (3GPP TS 23.040): 153 septets each.
const SMS_SEPTETS: usize = 306;

/// SNS: fewer than 100 characters. Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.
const SUBJECT_CHARS: usize = 99;

/// A text message: ASCII, and one segment where the title is short, two at most.
pub fn sms(notice: &Notice) -> String {
    let reason = match notice.kind {
        NoticeKind::Page { level: 1, round: 0, .. } => String::new(),
        _ => ascii(&format!(" {}.", notice.reason())),
    };
    let since = match notice.kind {
        NoticeKind::Resolved { .. } | NoticeKind::PostMortem { .. } => String::new(),
        _ => format!(" Since {}.", time_of_day(notice.since)),
    };
    let step = notice.next_step().map_or_else(|| notice.incident.to_string(), |(_, command)| command);

    // What to do about it is never cut; of the rest, each part leaves room for the next.
    let on_call = notice.on_call_line().map(|line| format!(" {}.", cut(&ascii(&line), 40))).unwrap_or_default();
    let end = format!("{on_call}{since} {step}");
    let room = SMS_SEPTETS.saturating_sub(septets(&end));
    let place = cut(&ascii(&notice.place()), room / 3);
    let value = ascii(&notice.value());
    let head = format!("{} {place}: ", notice.label());
    let room = room.saturating_sub(septets(&head) + septets(&value) + 1);
    let what = cut(&ascii(&notice.what()), room - septets(&reason).min(room / 2));
    let reason = cut(&reason, room.saturating_sub(septets(&what)));
    format!("{head}{what}{value}.{reason}{end}")
}

/// Subject and body of an e-mail. The subject fits SNS: ASCII, one line, fewer than 100 characters.
pub fn email(notice: &Notice) -> (String, String) {
    let subject = ascii(&format!("[{}] {} - {}", notice.label(), notice.what(), notice.place()));
    (cut_chars(&subject, SUBJECT_CHARS), format!("{}\n", lines(notice).join("\n")))
}

/// Several lines for a terminal, with colours if asked. Nothing in the notice can move the cursor.
pub fn terminal(notice: &Notice, colour: bool) -> String {
    let mut lines = lines(notice);
    if colour && let Some(first) = lines.first_mut() {
        let code = match (&notice.kind, notice.severity) {
            (NoticeKind::Resolved { .. } | NoticeKind::PostMortem { .. }, _) => "1;32",
            (_, Severity::Sev1) => "1;31",
            (_, Severity::Sev2) => "1;33",
            (_, Severity::Sev3 | Severity::Sev4) => "1;36",
        };
        *first = format!("\u{1b}[{code}m{first}\u{1b}[0m");
    }
    format!("{}\n", lines.join("\n"))
}

/// The whole of a notice, what is wrong first.
fn lines(notice: &Notice) -> Vec<String> {
    let mut lines = vec![
        format!("{}: {}", notice.label(), notice.what()),
        format!("{}, {} {} ({})", notice.place(), notice.since_word(), date_and_time(notice.since), notice.duration()),
        notice.reason(),
    ];
    lines.extend(notice.on_call_line());
    if !notice.alerts.is_empty() {
        lines.push(String::new());
    }
    for alert in &notice.alerts {
        let since = if alert.firing { format!(", since {}", time_of_day(alert.since)) } else { String::new() };
        lines.push(format!("- {}{since}", alert.sentence()));
        lines.extend(alert.quotation().map(|quote| format!("  \"{quote}\"")));
    }
    lines.extend(notice.more().map(|more| format!("- {more}")));

    let is_over = matches!(notice.kind, NoticeKind::Resolved { .. } | NoticeKind::PostMortem { .. });
    if let Some(runbook) = notice.runbook.as_ref().filter(|_| !is_over) {
        lines.push(String::new());
        lines.push(format!("What to do: {}", runbook.heading()));
        lines.extend(runbook.first_steps());
        lines.extend(runbook.more_steps());
        lines.extend(runbook.link().map(str::to_owned));
        lines.extend(runbook.query_links().map(|(title, url)| format!("Logs, {title}: {url}")));
    }
    lines.push(String::new());
    lines.push(match notice.next_step() {
        Some((verb, command)) => format!("{verb}: {command}"),
        None => notice.incident.to_string(),
    });
    lines
}

/// ASCII that the GSM alphabet has, too: all of it but the backtick.
fn ascii(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '`' | '‘' | '’' => result.push('\''),
            '“' | '”' => result.push('"'),
            '–' | '—' | '−' => result.push('-'),
            '…' => result.push_str("..."),
            'µ' | 'μ' => result.push('u'),
            ' '..='~' => result.push(character),
            _ if character.is_whitespace() || character.is_control() => result.push(' '),
            _ => result.push('?'),
        }
    }
    result
}

/// The length in the GSM 7-bit alphabet (3GPP TS 23.038): these ASCII characters take two septets.
fn septets(text: &str) -> usize {
    text.chars().map(septets_of).sum()
}

fn septets_of(character: char) -> usize {
    if matches!(character, '^' | '{' | '}' | '\\' | '[' | ']' | '~' | '|') { 2 } else { 1 }
}

/// At most `room` septets of ASCII text, with three dots where it was cut.
fn cut(text: &str, room: usize) -> String {
    if septets(text) <= room {
        return text.to_owned();
    }
    let Some(mut left) = room.checked_sub(3) else {
        return String::new();
    };
    let kept = text.chars().take_while(|character| {
        let needed = septets_of(*character);
        let fits = needed <= left;
        left = left.saturating_sub(needed);
        fits
    });
    let mut result: String = kept.collect();
    result.push_str("...");
    result
}

/// At most `room` characters, with three dots where it was cut.
fn cut_chars(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut result: String = text.chars().take(room.saturating_sub(3)).collect();
    result.push_str("...");
    result
}
