//! What was played, for people: figures, rule by rule, and the alerts.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use monitoring_core::backtest::{Firing, Played, Span, Summary};
use monitoring_core::catalogue::Severity;
use monitoring_core::message::format_seconds;

/// So many alerts are listed; `--json` has all.
const MOST_ALERTS: usize = 30;

/// One catalogue's past.
pub(super) struct Side<'a> {
    pub(super) name: &'a str,
    pub(super) played: &'a Played,
    pub(super) summary: &'a Summary,
}

/// The figures of one catalogue, or of two beside each other, and the alerts.
pub(super) fn text(sides: &[Side<'_>], span: Span) -> String {
    let mut text = format!("{} to {}, {:.1} weeks\n\n", short(span.from), short(span.to), weeks(sides));
    let columns: Vec<Vec<(&str, String)>> = sides.iter().map(|side| figures(side)).collect();
    if sides.len() > 1 {
        let names: String = sides.iter().map(|side| format!("  {:>20}", side.name)).collect();
        let _ = writeln!(text, "{:<34}{names}", "");
    }
    for (index, (title, _)) in columns.first().into_iter().flatten().enumerate() {
        let values = columns.iter().filter_map(|column| column.get(index));
        let values: String = values.map(|(_, value)| format!("  {value:>20}")).collect();
        let _ = writeln!(text, "{title:<34}{values}");
    }
    for side in sides {
        if sides.len() > 1 {
            let _ = writeln!(text, "\n{}:", side.name);
        } else {
            text.push('\n');
        }
        text.push_str(&by_rule(&side.played.alerts, span));
    }
    match sides {
        [before, after] => {
            text.push_str(&difference(
                "only with the proposed catalogue",
                &after.played.alerts,
                &before.played.alerts,
                span,
            ));
            text.push_str(&difference(
                "only with today's catalogue",
                &before.played.alerts,
                &after.played.alerts,
                span,
            ));
        }
        _ => {
            for side in sides {
                text.push_str(&listed("alerts", &side.played.alerts.iter().collect::<Vec<_>>(), span));
            }
        }
    }
    text
}

fn weeks(sides: &[Side<'_>]) -> f64 {
    sides.first().map_or(0.0, |side| side.summary.weeks)
}

fn figures(side: &Side<'_>) -> Vec<(&'static str, String)> {
    let Summary { alerts, still_firing, incidents, pages, pages_a_week, by_phone, by_phone_at_night, .. } =
        side.summary;
    let open = if *still_firing > 0 { format!("{alerts} ({still_firing} to the end)") } else { alerts.to_string() };
    let lasting = |seconds: Option<i64>| seconds.map_or("-".to_owned(), format_seconds);
    let flapping: Vec<&str> = side.summary.flapping.iter().map(monitoring_core::alert::GroupKey::as_str).collect();
    let mut figures = vec![
        ("alerts", open),
        ("incidents", format!("{incidents}{}", by_severity(side.played))),
        ("pages", pages.to_string()),
        ("pages a week", format!("{pages_a_week:.1}")),
        ("by telephone", by_phone.to_string()),
        ("by telephone at night", by_phone_at_night.to_string()),
        ("shortest alert", lasting(side.summary.shortest_seconds)),
        ("longest alert", lasting(side.summary.longest_seconds)),
        ("flapping groups", if flapping.is_empty() { "none".to_owned() } else { flapping.join(", ") }),
    ];
    if let Some(score) = &side.summary.score {
        let share = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.0} %", 100.0 * share));
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a delay within the span")]
        let delay = score.mean_delay_seconds.map_or("-".to_owned(), |seconds| format_seconds(seconds.round() as i64));
        figures.push(("precision", format!("{} ({} of {})", share(score.precision), score.right, score.alerts)));
        figures.push(("recall", format!("{} ({} of {})", share(score.recall), score.found, score.labels)));
        figures.push(("delay, on average", delay));
    }
    figures
}

/// ` (1 SEV1, 2 SEV3)`.
fn by_severity(played: &Played) -> String {
    let mut counts: BTreeMap<std::cmp::Reverse<Severity>, usize> = BTreeMap::new();
    for incident in &played.incidents {
        *counts.entry(std::cmp::Reverse(incident.severity)).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(severity, count)| format!("{count} {}", severity.0)).collect();
    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) }
}

fn by_rule(alerts: &[Firing], span: Span) -> String {
    let mut rules: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for firing in alerts {
        rules.entry(&firing.rule).or_default().push(seconds(firing, span));
    }
    let mut text = String::new();
    if rules.is_empty() {
        return "no alert\n".to_owned();
    }
    let _ = writeln!(text, "{:<26} {:>6}  {:>10}  {:>10}  {:>12}", "rule", "alerts", "shortest", "longest", "in all");
    for (rule, lasted) in rules {
        let all: i64 = lasted.iter().sum();
        let (shortest, longest) = (lasted.iter().min().copied(), lasted.iter().max().copied());
        let shown = |seconds: Option<i64>| seconds.map_or("-".to_owned(), format_seconds);
        let _ = writeln!(
            text,
            "{rule:<26} {:>6}  {:>10}  {:>10}  {:>12}",
            lasted.len(),
            shown(shortest),
            shown(longest),
            format_seconds(all)
        );
    }
    text
}

fn seconds(firing: &Firing, span: Span) -> i64 {
    firing.until.unwrap_or(span.to).duration_since(firing.from).as_secs().max(0)
}

/// Alerts of `these` that no alert of the same key among `those` overlaps.
fn difference(title: &str, these: &[Firing], those: &[Firing], span: Span) -> String {
    let end = |firing: &Firing| firing.until.unwrap_or(span.to);
    let only: Vec<&Firing> = these
        .iter()
        .filter(|firing| {
            !those
                .iter()
                .any(|other| other.alert == firing.alert && other.from <= end(firing) && end(other) >= firing.from)
        })
        .collect();
    listed(title, &only, span)
}

fn listed(title: &str, alerts: &[&Firing], span: Span) -> String {
    let mut text =
        format!("\n{title}: {}\n", if alerts.is_empty() { "none".to_owned() } else { alerts.len().to_string() });
    for firing in alerts.iter().take(MOST_ALERTS) {
        let lasted = match firing.until {
            Some(_) => format_seconds(seconds(firing, span)),
            None => "to the end".to_owned(),
        };
        let _ = writeln!(
            text,
            "  {}  {lasted:>10}  {:<8}  {}: {}",
            short(firing.from),
            firing.level.as_str(),
            firing.alert,
            firing.reason
        );
    }
    if alerts.len() > MOST_ALERTS {
        let _ = writeln!(text, "  and {} more; --json has all", alerts.len() - MOST_ALERTS);
    }
    text
}

/// `2024-10-14 14:07 UTC`
fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
