//! A dashboard as SVG: the widgets where `CloudWatch` would show them, filled with sample data.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use monitoring_core::catalogue::{Alarm, AlertSeverity, Catalogue, Severity};
use monitoring_core::chart::{self, Area, Tone};
use monitoring_core::metric::Sample;

use super::sample::{Firing, SampleData};
use crate::catalogue::deployment::board::{Board, COLUMNS, Chart, Content};

/// Pixels of a column and of a row of the grid.
const COLUMN: f64 = 52.0;
const ROW: f64 = 40.0;

/// Pixels between two widgets.
const GAP: f64 = 8.0;

/// Pixels of a line of text, and about those of a character of it and of a heading.
const LINE: f64 = 16.0;
const CHARACTER: f64 = 6.5;
const HEADING_CHARACTER: f64 = 8.2;

/// Alarms side by side.
const ALARMS_PER_ROW: usize = 3;

/// The picture of a dashboard at a moment.
pub(super) fn draw(board: &Board, catalogue: &Catalogue, data: &SampleData<'_>, at: Timestamp) -> String {
    let firing = data.firing(at);
    let mut content = String::new();
    for widget in &board.widgets {
        let area = Area {
            x: f64::from(widget.x) * COLUMN + GAP,
            y: f64::from(widget.y) * ROW + GAP,
            width: f64::from(widget.width) * COLUMN - GAP,
            height: f64::from(widget.height) * ROW - GAP,
        };
        content.push_str(&match &widget.content {
            Content::Text(markdown) => text(markdown, area),
            Content::Runbook(_, markdown) => chart::frame(area) + &text(markdown, area),
            Content::Numbers => numbers(&firing, area),
            Content::Firing => table(&firing, area),
            Content::Alarms(names) => alarms(names, catalogue, &firing, area),
            Content::Chart(drawn) => panel(drawn, catalogue, data, board.window_seconds, at, area),
        });
    }
    let (width, height) = (f64::from(COLUMNS) * COLUMN + GAP, f64::from(board.height()) * ROW + GAP + LINE);
    let moment = at.strftime("%Y-%m-%d %H:%M UTC");
    let note = format!("{}: sample data of the simulation, as of {moment}", board.name);
    chart::text(&mut content, "faint", GAP, height - GAP, &note);
    chart::document(width, height, &note, &content)
}

fn panel(
    drawn: &Chart,
    catalogue: &Catalogue,
    data: &SampleData<'_>,
    window_seconds: u32,
    at: Timestamp,
    area: Area,
) -> String {
    let from = at.saturating_sub(SignedDuration::from_secs(i64::from(window_seconds))).unwrap_or(Timestamp::MIN);
    let samples: Vec<Vec<Sample>> =
        drawn.lines.iter().map(|line| data.samples(&line.metric, &line.dimensions, from, at)).collect();
    let lines = drawn.lines.iter().zip(&samples).map(|(line, samples)| chart::Line {
        label: &line.label,
        samples,
        period_seconds: catalogue.metrics.get(&line.metric).map_or(60, |metric| metric.period_seconds),
    });
    let thresholds = drawn.thresholds.iter().map(|threshold| chart::Threshold {
        label: &threshold.label,
        value: threshold.value,
        tone: match threshold.severity {
            AlertSeverity::Low => Tone::Neutral,
            AlertSeverity::Medium => Tone::Warning,
            AlertSeverity::High | AlertSeverity::Critical => Tone::Critical,
        },
    });
    let chart = chart::Chart {
        title: &cut(&drawn.title, area.width / HEADING_CHARACTER),
        unit: drawn.unit,
        from,
        to: at,
        lines: lines.collect(),
        thresholds: thresholds.collect(),
        marks: Vec::new(),
        expected: &[],
    };
    chart::panel(&chart, area)
}

/// Alerts of one group make one incident.
fn numbers(firing: &[Firing<'_>], area: Area) -> String {
    let groups: BTreeSet<&str> = firing.iter().map(|firing| firing.rule.group.as_str()).collect();
    let mut out = chart::frame(area);
    chart::text(&mut out, "heading", area.x + 10.0, area.y + 19.0, "Open incidents");
    let tone = if groups.is_empty() { Tone::Good } else { Tone::Critical };
    for (row, (count, what, tone)) in
        [(groups.len(), "open incidents", tone), (firing.len(), "alerts that fire", Tone::Neutral)]
            .into_iter()
            .enumerate()
    {
        let y = area.y + 68.0 + LINE * 4.5 * index(row);
        chart::text(&mut out, &format!("number {}", tone.class()), area.x + 16.0, y, &count.to_string());
        chart::text(&mut out, "label", area.x + 16.0, y + LINE + 2.0, what);
    }
    out
}

fn table(firing: &[Firing<'_>], area: Area) -> String {
    let mut out = chart::frame(area);
    chart::text(&mut out, "heading", area.x + 10.0, area.y + 19.0, "What breaches now, by open incident");
    let columns = [0.0, 0.08, 0.2, 0.62].map(|share| area.x + 12.0 + share * area.width);
    let mut row = |y: f64, class: &str, cells: [&str; 4]| {
        for (x, cell) in columns.into_iter().zip(cells) {
            chart::text(&mut out, class, x, y, cell);
        }
    };
    row(area.y + 42.0, "label", ["severity", "group", "alert", "value"]);
    let room = ((area.height - 60.0) / LINE).max(0.0);
    for (number, firing) in firing.iter().enumerate().take_while(|(number, _)| index(*number) < room) {
        let severity = firing.severity();
        let class = if severity >= Severity::Sev2 { Tone::Critical } else { Tone::Warning }.class();
        let alert = firing.alert();
        let y = area.y + 62.0 + index(number) * LINE;
        row(y, class, [severity.as_str(), &firing.rule.group, &alert, &firing.value]);
    }
    if firing.is_empty() {
        chart::text(&mut out, Tone::Good.class(), area.x + 12.0, area.y + 62.0, "nothing");
    }
    out
}

fn alarms(names: &[String], catalogue: &Catalogue, firing: &[Firing<'_>], area: Area) -> String {
    let mut out = chart::frame(area);
    chart::text(&mut out, "heading", area.x + 10.0, area.y + 19.0, "Alarms");
    let width = (area.width - 20.0) / index(ALARMS_PER_ROW);
    let rows = index(names.len().div_ceil(ALARMS_PER_ROW).max(1));
    let alarms = names.iter().filter_map(|name| catalogue.alarms.iter().find(|alarm| alarm.name == *name));
    for (number, alarm) in alarms.enumerate() {
        let x = area.x + 12.0 + width * index(number % ALARMS_PER_ROW);
        let y = area.y + 44.0 + index(number / ALARMS_PER_ROW) * (area.height - 50.0) / rows;
        let (state, tone) = if is_in_alarm(alarm, firing) { ("ALARM", Tone::Critical) } else { ("OK", Tone::Good) };
        chart::text(&mut out, tone.class(), x, y, state);
        let name = alarm.name.replace(&format!("{}-", catalogue.service), "");
        chart::text(&mut out, "label", x + 48.0, y, &cut(&name, (width - 54.0) / CHARACTER));
    }
    out
}

fn is_in_alarm(alarm: &Alarm, firing: &[Firing<'_>]) -> bool {
    firing.iter().any(|firing| {
        let level = firing.rule.condition.levels().position(|level| level.name == alarm.level);
        firing.rule.name == alarm.rule
            && *firing.dimensions == alarm.dimensions
            && level.is_some_and(|level| level <= firing.level)
    })
}

/// Markdown as far as the dashboards use it: headings, lists, the texts of links.
fn text(markdown: &str, area: Area) -> String {
    let mut out = String::new();
    let mut y = area.y + 18.0;
    for line in markdown.lines() {
        let plain = without_links(line);
        let (class, words, height) = match plain.trim_start_matches('#') {
            words if words.len() < plain.len() => ("heading", words.trim_start().to_owned(), LINE + 4.0),
            _ => ("label", plain, LINE),
        };
        for line in wrapped(&words, (area.width - 20.0) / CHARACTER) {
            if y > area.y + LINE * 2.0 && y + LINE > area.y + area.height {
                // The console scrolls.
                chart::text(&mut out, class, area.x + 10.0, y, "…");
                return out;
            }
            chart::text(&mut out, class, area.x + 10.0, y, &line);
            y += height;
        }
    }
    out
}

/// `see [this](https://...)` to `see this`.
fn without_links(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after.split_once("](").and_then(|(words, address)| Some((words, address.split_once(')')?.1)));
        match link {
            Some((words, after)) if !words.contains('[') => {
                let _ = write!(plain, "{before}{words}");
                rest = after;
            }
            _ => {
                let _ = write!(plain, "{before}[");
                rest = after;
            }
        }
    }
    plain + rest
}

fn wrapped(text: &str, characters: f64) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace().flat_map(|word| pieces(word, characters)) {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && index(line.chars().count() + 1 + word.chars().count()) > characters {
            lines.push(word);
        } else {
            let space = if line.is_empty() { "" } else { " " };
            let _ = write!(line, "{space}{word}");
        }
    }
    lines
}

/// A word that is longer than a line, in pieces.
fn pieces(word: &str, characters: f64) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for c in word.chars() {
        match pieces.last_mut() {
            Some(piece) if index(piece.chars().count()) + 1.0 <= characters => piece.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

fn cut(text: &str, characters: f64) -> String {
    if index(text.chars().count()) <= characters {
        return text.to_owned();
    }
    let mut kept: String =
        text.chars().enumerate().take_while(|(number, _)| index(*number) + 1.0 < characters).map(|(_, c)| c).collect();
    kept.push('…');
    kept
}

fn index(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
