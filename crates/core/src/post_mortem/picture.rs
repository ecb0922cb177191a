//! The metrics of an incident as a picture, with what happened marked.

use jiff::{SignedDuration, Timestamp};

use super::PostMortem;
use super::traces::{Measured, Trace, first_onset};
use crate::chart::{Area, Chart, Line, Mark, Threshold, Tone, document, panel};
use crate::metric::Sample;

const WIDTH: f64 = 900.0;
const PANEL_HEIGHT: f64 = 230.0;
const GAP: f64 = 10.0;

/// The metrics of the alerts, one below the other, over the same time; `None` where nothing was measured.
pub fn svg(post_mortem: &PostMortem) -> Option<String> {
    let traces: Vec<(&Trace, Vec<Sample>)> = post_mortem
        .traces
        .iter()
        .filter(|trace| matches!(trace.outcome, Measured::Known { .. }))
        .map(|trace| (trace, trace.samples()))
        .collect();
    let (from, to) = span(post_mortem, &traces)?;
    let marks = marks(post_mortem);
    let mut content = String::new();
    let mut y = 0.0;
    for (trace, samples) in &traces {
        let label = trace.label();
        let chart = Chart {
            title: &label,
            unit: trace.unit,
            from,
            to,
            lines: vec![Line { label: &label, samples, period_seconds: trace.period_seconds }],
            thresholds: thresholds(trace),
            marks: marks.clone(),
            expected: &[],
        };
        content.push_str(&panel(&chart, Area { x: 0.0, y, width: WIDTH, height: PANEL_HEIGHT }));
        y += PANEL_HEIGHT + GAP;
    }
    let title = format!("Metrics of {}", post_mortem.incident_id);
    Some(document(WIDTH, y - GAP, &title, &content))
}

/// From an hour before it began, or as far as the coarsest metric was read, until a little after its end.
fn span(post_mortem: &PostMortem, traces: &[(&Trace, Vec<Sample>)]) -> Option<(Timestamp, Timestamp)> {
    let began =
        first_onset(&post_mortem.traces).map_or(post_mortem.onset, |(_, onset)| onset.at.min(post_mortem.onset));
    let coarsest = traces.iter().map(|(trace, _)| i64::from(trace.period_seconds)).max()?;
    let before = SignedDuration::from_secs((coarsest * 12).max(3600));
    let from = began - before;
    let after = post_mortem.resolved_at.duration_since(from).as_secs() / 12;
    Some((from, post_mortem.resolved_at + SignedDuration::from_secs(after.max(60))))
}

/// The last is the worst.
fn thresholds(trace: &Trace) -> Vec<Threshold<'_>> {
    let last = trace.thresholds.len().saturating_sub(1);
    let tone = |index: usize| if index == last && last > 0 { Tone::Critical } else { Tone::Warning };
    let limits = trace.thresholds.iter().enumerate();
    limits.map(|(index, limit)| Threshold { label: &limit.label, value: limit.value, tone: tone(index) }).collect()
}

/// In the order of time, so that neighbours stand in different rows.
fn marks(post_mortem: &PostMortem) -> Vec<Mark<'static>> {
    let mark = |at, label, tone| Mark { at, label, tone };
    let onset = first_onset(&post_mortem.traces).map(|(_, onset)| mark(onset.at, "onset", Tone::Warning));
    let acknowledged = post_mortem.acknowledged_at.map(|at| mark(at, "acknowledged", Tone::Neutral));
    let mut marks: Vec<Mark<'static>> = onset.into_iter().collect();
    marks.push(mark(post_mortem.opened_at, "detected", Tone::Critical));
    marks.extend(acknowledged);
    marks.push(mark(post_mortem.resolved_at, "resolved", Tone::Good));
    marks.sort_by_key(|mark| mark.at);
    marks
}
