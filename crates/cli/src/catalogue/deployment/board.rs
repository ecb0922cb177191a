//! Dashboards laid out: what stands where on `CloudWatch`'s grid of 24 columns. The console's form and the picture are both
//! made of this, so that the picture shows what the console would.

use std::collections::BTreeSet;

use monitoring_core::catalogue::{AlertSeverity, Catalogue, Rule, Runbook};
use monitoring_core::metric::{Dimensions, Unit};

use super::super::document::{self, Document};
use super::{console_url, query_name};

/// Columns of the grid.
pub(crate) const COLUMNS: u32 = 24;

/// Heights in rows of the grid.
const TITLE: u32 = 2;
const HEADING: u32 = 2;
const CHART: u32 = 6;
const RUNBOOK: u32 = 11;

/// The most alarms that one widget shows.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>.
const ALARMS_PER_WIDGET: usize = 100;

/// How far back a dashboard looks when it does not say.
const WINDOW_SECONDS: u32 = 12 * 3_600;

/// The most runbooks side by side.
const RUNBOOKS_PER_ROW: usize = 3;

/// A dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    /// Without the environment's suffix.
    pub(crate) name: String,
    /// How far back it looks when it is opened, in seconds.
    pub(crate) window_seconds: u32,
    /// From top to bottom.
    pub(crate) widgets: Vec<Widget>,
}

/// Something on it, in units of the grid.
#[derive(Clone, Debug)]
pub(crate) struct Widget {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) content: Content,
}

/// What a widget shows.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// Markdown.
    Text(String),
    /// How many incidents are open, and how many alerts of the monitoring function fire.
    Numbers,
    /// A row for each alert that fires in an open incident, whoever evaluated it.
    Firing,
    /// The state of these alarms, by name.
    Alarms(Vec<String>),
    /// Series over time.
    Chart(Chart),
    /// What to do, by the runbook's name, as markdown.
    Runbook(String, String),
}

/// Series over time.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) lines: Vec<Line>,
    pub(crate) thresholds: Vec<Threshold>,
}

/// A metric on a set of dimensions.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) metric: String,
    pub(crate) dimensions: Dimensions,
    pub(crate) label: String,
}

/// A threshold of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) severity: AlertSeverity,
}

impl Board {
    /// Whether the steps of a runbook are on it.
    pub(crate) fn shows_runbook(&self, name: &str) -> bool {
        self.widgets.iter().any(|widget| matches!(&widget.content, Content::Runbook(shown, _) if shown == name))
    }

    /// The metrics that it draws.
    pub(crate) fn metrics(&self) -> BTreeSet<&str> {
        let charts = self.widgets.iter().filter_map(|widget| match &widget.content {
            Content::Chart(chart) => Some(chart),
            _ => None,
        });
        charts.flat_map(|chart| chart.lines.iter().map(|line| line.metric.as_str())).collect()
    }

    /// In rows of the grid.
    pub(crate) fn height(&self) -> u32 {
        self.widgets.iter().map(|widget| widget.y + widget.height).max().unwrap_or_default()
    }
}

/// Every dashboard of the document, by name.
pub(crate) fn boards(document: &Document, catalogue: &Catalogue) -> Vec<Board> {
    let dashboards = document.dashboards.iter();
    dashboards.map(|(name, dashboard)| board(document, catalogue, name, dashboard)).collect()
}

fn board(document: &Document, catalogue: &Catalogue, name: &str, dashboard: &document::Dashboard) -> Board {
    let mut layout = Layout::default();
    layout.row(TITLE, vec![Content::Text(format!("# {}\n{}", name.replace(['-', '_'], " "), dashboard.description))]);
    if dashboard.overview {
        layout.overview(catalogue);
    }
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for row in &dashboard.rows {
        let metrics = row.charts.iter().flat_map(|chart| &chart.metrics);
        let runbooks: BTreeSet<&str> =
            metrics.flat_map(|metric| rules_on(catalogue, metric)).filter_map(|rule| rule.runbook.as_deref()).collect();
        let height = if runbooks.is_empty() { 1 } else { HEADING };
        layout.row(height, vec![Content::Text(heading(catalogue, name, &row.title, &runbooks))]);
        layout.row(CHART, row.charts.iter().map(|drawn| Content::Chart(chart(catalogue, drawn))).collect());
        shown.extend(runbooks);
    }
    let runbooks: Vec<&Runbook> = shown.into_iter().filter_map(|name| catalogue.runbooks.get(name)).collect();
    if !runbooks.is_empty() {
        layout.row(1, vec![Content::Text("## What to do".to_owned())]);
    }
    // Rows of about the same length: two and two rather than three and one.
    let rows = runbooks.len().div_ceil(RUNBOOKS_PER_ROW).max(1);
    for row in runbooks.chunks(runbooks.len().div_ceil(rows).max(1)) {
        let contents = row
            .iter()
            .map(|runbook| Content::Runbook(runbook.name.clone(), runbook_text(document, catalogue, runbook)));
        layout.row(RUNBOOK, contents.collect());
    }
    let window_seconds = dashboard.window.map_or(WINDOW_SECONDS, |window| window.seconds);
    Board { name: name.to_owned(), window_seconds, widgets: layout.widgets }
}

/// Rows of widgets, one below the other.
#[derive(Default)]
struct Layout {
    widgets: Vec<Widget>,
    y: u32,
}

impl Layout {
    /// A row of widgets of one width.
    fn row(&mut self, height: u32, contents: Vec<Content>) {
        let width = COLUMNS / u32::try_from(contents.len().max(1)).unwrap_or(COLUMNS);
        self.place(height, contents.into_iter().map(|content| (width, content)).collect());
    }

    fn place(&mut self, height: u32, contents: Vec<(u32, Content)>) {
        let mut x = 0;
        for (width, content) in contents {
            self.widgets.push(Widget { x, y: self.y, width, height, content });
            x += width;
        }
        self.y += height;
    }

    fn overview(&mut self, catalogue: &Catalogue) {
        self.place(CHART, vec![(5, Content::Numbers), (19, Content::Firing)]);
        let names: Vec<String> = catalogue.alarms.iter().map(|alarm| alarm.name.clone()).collect();
        for names in names.chunks(ALARMS_PER_WIDGET) {
            // Four alarms stand side by side.
            let height = 2 + u32::try_from(names.len().div_ceil(4)).unwrap_or(CHART);
            self.row(height, vec![Content::Alarms(names.to_vec())]);
        }
    }
}

/// The rules that watch a metric.
fn rules_on<'a>(catalogue: &'a Catalogue, metric: &str) -> impl Iterator<Item = &'a Rule> {
    let metric = metric.to_owned();
    catalogue.rules.values().filter(move |rule| rule.metric == metric)
}

fn heading(catalogue: &Catalogue, board: &str, title: &str, runbooks: &BTreeSet<&str>) -> String {
    let links: Vec<String> = runbooks
        .iter()
        .filter_map(|name| catalogue.runbooks.get(*name))
        .map(|runbook| {
            let link = runbook.url.clone().unwrap_or_else(|| console_url(board));
            format!("[{}]({link})", runbook.title)
        })
        .collect();
    if links.is_empty() { format!("## {title}") } else { format!("## {title}\nRunbooks: {}", links.join(", ")) }
}

fn runbook_text(document: &Document, catalogue: &Catalogue, runbook: &Runbook) -> String {
    let team = catalogue.teams.get(&runbook.team).map_or(runbook.team.as_str(), |team| team.title.as_str());
    let mut text = format!("### {}\n{team}\n\n", runbook.title);
    for (index, step) in runbook.steps.iter().enumerate() {
        text.push_str(&format!("{}. {}\n", index + 1, step.trim()));
    }
    let queries = document.runbooks.get(&runbook.name).map(|runbook| runbook.queries.as_slice()).unwrap_or_default();
    let titles: Vec<String> = queries
        .iter()
        .filter_map(|name| document.queries.get(name))
        .map(|query| query_name(catalogue, &query.title))
        .collect();
    if !titles.is_empty() {
        text.push_str(&format!("\nSaved queries in Logs Insights: {}\n", titles.join(", ")));
    }
    if let Some(url) = &runbook.url {
        text.push_str(&format!("\n[More]({url})\n"));
    }
    text
}

fn chart(catalogue: &Catalogue, chart: &document::Chart) -> Chart {
    let metrics: Vec<_> = chart.metrics.iter().filter_map(|name| catalogue.metrics.get(name)).collect();
    let several = metrics.len() > 1;
    let lines = metrics.iter().flat_map(|metric| {
        metric.dimensions.iter().map(move |dimensions| {
            let values: Vec<&str> = dimensions.values().map(String::as_str).collect();
            let label = match (values.is_empty(), several) {
                (true, _) => metric.name.clone(),
                (false, false) => values.join(", "),
                (false, true) => format!("{} {}", metric.name, values.join(", ")),
            };
            Line { metric: metric.name.clone(), dimensions: dimensions.clone(), label }
        })
    });
    let mut thresholds: Vec<Threshold> = Vec::new();
    for metric in &metrics {
        for rule in rules_on(catalogue, &metric.name) {
            for tier in rule.condition.thresholds() {
                let whose = if several { format!("{} ", metric.name) } else { String::new() };
                let value = metric.unit.format(tier.threshold);
                let label = format!("{whose}{} {} {value}", tier.level.name, tier.comparison);
                let threshold = Threshold { label, value: tier.threshold, severity: tier.level.alert };
                if !thresholds.contains(&threshold) {
                    thresholds.push(threshold);
                }
            }
        }
    }
    let title = chart.title.clone().unwrap_or_else(|| match metrics.as_slice() {
        [only] => format!("{}: {}", only.name, only.description.trim_end_matches('.')),
        several => several.iter().map(|metric| metric.name.as_str()).collect::<Vec<_>>().join(", "),
    });
    let unit = metrics.first().map_or(Unit::None, |metric| metric.unit);
    Chart { title, unit, lines: lines.collect(), thresholds }
}
