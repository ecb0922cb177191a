//! A metric of the catalogue as `CloudWatch` queries: one for what is stored, and metric math for what is computed.

use std::collections::BTreeMap;

use monitoring_core::catalogue::{Catalogue, MinVolume, Source};
use monitoring_core::formula::Formula;
use monitoring_core::metric::Dimensions;
use serde::Serialize;

/// A `MetricDataQuery`, with the names that Terraform gives its parts. It has an expression or a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricQuery {
    /// Starts with a lower-case letter, as `CloudWatch` wants it; no metric of a catalogue is called so in an expression.
    pub id: String,
    /// Metric math over ids.
    pub expression: Option<String>,
    /// The metric's name in the catalogue.
    pub label: String,
    /// Whether this is the result.
    pub return_data: bool,
    /// What is stored.
    pub metric: Option<MetricStat>,
}

/// A metric of `CloudWatch` and how its values become one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricStat {
    /// `AWS/Lambda`.
    pub namespace: String,
    /// `Duration`.
    pub metric_name: String,
    /// `Maximum` or `p99`.
    pub stat: String,
    /// Seconds.
    pub period: u32,
    /// By name.
    pub dimensions: Dimensions,
}

/// Collects queries; a series that is needed twice is queried once.
#[derive(Debug)]
pub(crate) struct Queries<'a> {
    catalogue: &'a Catalogue,
    list: Vec<MetricQuery>,
    ids: BTreeMap<(String, Dimensions), String>,
    metrics: usize,
    expressions: usize,
}

impl<'a> Queries<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue) -> Self {
        Self { catalogue, list: Vec::new(), ids: BTreeMap::new(), metrics: 0, expressions: 0 }
    }

    /// Adds a metric on a set of dimensions with all that it is computed from, none of it a result, and gives its id; `None`
    /// for what is not in `CloudWatch`, which the catalogue's check refuses here.
    pub(crate) fn add(&mut self, name: &str, dimensions: &Dimensions) -> Option<String> {
        let metric = self.catalogue.metrics.get(name)?;
        // What has no series for these dimensions has one without any.
        let dimensions = metric.dimensions.iter().find(|set| *set == dimensions).or(metric.dimensions.first())?;
        let key = (name.to_owned(), dimensions.clone());
        if let Some(id) = self.ids.get(&key) {
            return Some(id.clone());
        }
        let id = match &metric.source {
            Source::Cloudwatch { namespace, metric_name, statistic } => {
                let stat = MetricStat {
                    namespace: namespace.clone(),
                    metric_name: metric_name.clone(),
                    stat: statistic.clone(),
                    period: metric.period_seconds,
                    dimensions: dimensions.clone(),
                };
                self.metrics += 1;
                let id = format!("m{}", self.metrics);
                self.push(&id, None, name, Some(stat))
            }
            Source::Formula { expression } => {
                let formula = Formula::parse(expression).ok().filter(Formula::is_metric_math)?;
                let inputs: Option<BTreeMap<&str, String>> =
                    formula.inputs().map(|input| Some((input, self.add(input, dimensions)?))).collect();
                let inputs = inputs?;
                let text = formula.with_ids(|input| inputs.get(input).cloned().unwrap_or_default());
                self.add_expression(text, name)
            }
            Source::Logs { .. } | Source::Cost { .. } => return None,
        };
        self.ids.insert(key, id.clone());
        Some(id)
    }

    /// Adds metric math over ids and gives its id.
    pub(crate) fn add_expression(&mut self, expression: String, label: &str) -> String {
        self.expressions += 1;
        let id = format!("e{}", self.expressions);
        self.push(&id, Some(expression), label, None)
    }

    /// Makes a query a result.
    pub(crate) fn show(&mut self, id: &str, label: &str) {
        for query in self.list.iter_mut().filter(|query| query.id == id) {
            query.return_data = true;
            label.clone_into(&mut query.label);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<MetricQuery> {
        self.list
    }

    fn push(&mut self, id: &str, expression: Option<String>, label: &str, metric: Option<MetricStat>) -> String {
        let (id, label) = (id.to_owned(), label.to_owned());
        self.list.push(MetricQuery { id: id.clone(), expression, label, return_data: false, metric });
        id
    }
}

/// Metric math that is 1 where a series has a datapoint with enough behind it, else 0 or nothing: arithmetic takes the
/// missing one of two datapoints as 0, and a comparison gives no datapoint where there is none to compare.
pub(super) fn is_there(id: &str, volume: Option<(&MinVolume, &str)>) -> String {
    let is_there = format!("{id} == {id}");
    match volume {
        Some((volume, counted)) => format!("({is_there}) * ({counted} >= {})", volume.at_least),
        None => is_there,
    }
}
