//! The series that rules watch, with the times in which alerts fired.

use monitoring_core::backtest::{Firing, History, Label, Span, expected, watched};
use monitoring_core::catalogue::{AlertSeverity, Catalogue, Metric, Rule};
use monitoring_core::chart::{Area, Chart, Line, Reach, Spell, Threshold, Tone, document, panel_with_spells, text};
use monitoring_core::metric::{Dimensions, Series, format_dimensions};

/// The most series that are drawn, those with the most alerts first.
const MOST_PANELS: usize = 12;

const WIDTH: f64 = 1200.0;
const PANEL: f64 = 220.0;
const GAP: f64 = 10.0;

/// One panel for each series on which an alert fired; for every series of the rules when none did.
pub(super) fn draw(
    catalogue: &Catalogue,
    rules: &[&Rule],
    history: &History,
    alerts: &[Firing],
    labels: &[Label],
    span: Span,
) -> String {
    let mut panels = panels(catalogue, rules, history, alerts, span);
    panels.sort_by_key(|panel| std::cmp::Reverse(panel.alerts.len()));
    let left_out = panels.len().saturating_sub(MOST_PANELS);
    panels.truncate(MOST_PANELS);
    let mut content = String::new();
    let mut top = GAP;
    for panel in &panels {
        content.push_str(&panel.draw(top, labels, span));
        top += PANEL + GAP;
    }
    let note = match (panels.is_empty(), left_out) {
        (true, _) => "no series".to_owned(),
        (false, 0) => "red: an alert fired; grey: what was expected, or known from the labels".to_owned(),
        (false, left_out) => format!("{left_out} further series are not drawn; name their rules to see them"),
    };
    text(&mut content, "faint", GAP, top + 12.0, &note);
    let title = format!("Alerts from {} to {}", span.from, span.to);
    document(WIDTH, top + 22.0, &title, &content)
}

struct Panel<'a> {
    rule: &'a Rule,
    metric: &'a Metric,
    dimensions: Dimensions,
    series: Series,
    alerts: Vec<&'a Firing>,
    expected: Vec<Reach>,
}

fn panels<'a>(
    catalogue: &'a Catalogue,
    rules: &[&'a Rule],
    history: &History,
    alerts: &'a [Firing],
    span: Span,
) -> Vec<Panel<'a>> {
    let mut panels = Vec::new();
    for rule in rules {
        let Some(metric) = catalogue.metrics.get(&rule.metric) else { continue };
        let mut ranges = expected(catalogue, rule, history, span);
        for (dimensions, series) in watched(catalogue, rule, history, span) {
            let fired = |firing: &&Firing| firing.rule == rule.name && firing.dimensions == dimensions;
            let alerts: Vec<&Firing> = alerts.iter().filter(fired).collect();
            let expected = ranges.remove(&dimensions).unwrap_or_default();
            let expected = expected.into_iter().map(|(at, range)| Reach { at, range }).collect();
            panels.push(Panel { rule, metric, dimensions, series, alerts, expected });
        }
    }
    if !alerts.is_empty() {
        panels.retain(|panel| !panel.alerts.is_empty());
    }
    panels
}

impl Panel<'_> {
    fn draw(&self, top: f64, labels: &[Label], span: Span) -> String {
        let fired = match self.alerts.len() {
            1 => "1 alert".to_owned(),
            count => format!("{count} alerts"),
        };
        let watched = format!("{}{}", self.metric.name, format_dimensions(&self.dimensions));
        let title = format!("{}: {watched}, {fired}", self.rule.name);
        let known: Vec<String> =
            labels.iter().map(|label| format!("known: {} to {}", label.from, label.until)).collect();
        let known = labels.iter().zip(&known).map(|(label, told)| Spell {
            from: label.from,
            until: label.until,
            label: told,
            tone: Tone::Neutral,
        });
        let told: Vec<String> = self
            .alerts
            .iter()
            .map(|firing| format!("{} from {}: {}", firing.level.as_str(), firing.from, firing.reason))
            .collect();
        let fired = self.alerts.iter().zip(&told).map(|(firing, told)| Spell {
            from: firing.from,
            until: firing.until.unwrap_or(span.to),
            label: told,
            tone: Tone::Critical,
        });
        let spells: Vec<Spell<'_>> = known.chain(fired).collect();
        let thresholds = self.thresholds();
        let thresholds =
            thresholds.iter().map(|(label, value, tone)| Threshold { label, value: *value, tone: *tone }).collect();
        let period_seconds = self.metric.period_seconds;
        let chart = Chart {
            title: &title,
            unit: self.metric.unit,
            from: span.from,
            to: span.to,
            lines: vec![Line { label: &watched, samples: &self.series.samples, period_seconds }],
            thresholds,
            marks: Vec::new(),
            expected: &self.expected,
        };
        panel_with_spells(&chart, &spells, Area { x: GAP, y: top, width: WIDTH - 2.0 * GAP, height: PANEL })
    }

    fn thresholds(&self) -> Vec<(String, f64, Tone)> {
        let tone = |severity| if severity >= AlertSeverity::High { Tone::Critical } else { Tone::Warning };
        let drawn = self.rule.condition.thresholds().iter().map(|tier| {
            let value = self.metric.unit.format(tier.threshold);
            (format!("{} {} {value}", tier.level.name, tier.comparison), tier.threshold, tone(tier.level.alert))
        });
        drawn.collect()
    }
}
