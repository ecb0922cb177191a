//! What an incident cost: figures of the metrics that the catalogue counts, against the same hours of earlier weeks.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use serde::{Deserialize, Serialize};

use super::reading::{Readings, Want, ceiling, floor, period_kept, settled};
use super::{Source, Statement};
use crate::alert::bounded;
use crate::catalogue::{Catalogue, Count, Measure, Metric};
use crate::message::date_and_time;
use crate::metric::Unit;

/// With how many earlier weeks an incident is compared. Of four, one that was unusual moves the median little.
pub const WEEKS: u32 = 4;

/// Periods up to this long follow the clocks of the users when these change.
const HOUR: u32 = 3600;

/// The most bytes of why something could not be read.
const MAX_REASON: usize = 200;

/// What an incident cost by one measure of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// The metric that is counted.
    pub metric: String,
    /// What the document calls it.
    pub title: String,
    /// How it is counted.
    pub count: Count,
    /// Unit of the figures.
    pub unit: Unit,
    /// Start of the first period in which the incident was.
    pub from: Timestamp,
    /// End of the last one.
    pub until: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
}

/// What a measure came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// There is data.
    Measured {
        /// The sum of what was measured.
        total: f64,
        /// Until when it is counted; before [`Loss::until`] where the data of the last periods was not complete yet.
        counted_until: Timestamp,
        /// How many periods.
        periods: u32,
        /// In how many of them there is no data.
        missing: u32,
        /// What there was in the same hours of earlier weeks; `None` where these have no data.
        usual: Option<Usual>,
    },
    /// The first period is not complete yet.
    NotYet {},
    /// The data could not be had.
    Unavailable {
        /// Why.
        reason: String,
    },
}

/// What there was in the same hours of earlier weeks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// How many weeks have data; 1 to [`WEEKS`].
    pub weeks: u32,
    /// The median of their sums.
    pub median: f64,
    /// The least of their sums, over those periods only in which the incident has data, too.
    pub least: f64,
    /// The greatest of their sums.
    pub most: f64,
}

impl Loss {
    /// Whether nothing more will be known of it.
    pub fn is_complete(&self) -> bool {
        matches!(&self.outcome, Outcome::Measured { counted_until, usual: Some(_), .. } if *counted_until == self.until)
    }

    /// When more will be known of it, if the data comes as fast as it should.
    pub fn complete_at(&self, catalogue: &Catalogue) -> Option<Timestamp> {
        let waits = match self.outcome {
            Outcome::Measured { counted_until, .. } => counted_until < self.until,
            Outcome::NotYet {} => true,
            Outcome::Unavailable { .. } => false,
        };
        let delay = SignedDuration::from_secs(i64::from(catalogue.ingestion_delay_seconds));
        waits.then(|| self.until + delay)
    }

    /// Whether it covers the time. Later its periods would be longer, since short ones are not kept.
    fn is_of(&self, measure: &Measure, (from, until): (Timestamp, Timestamp)) -> bool {
        (self.metric == measure.metric && self.count == measure.count) && self.from <= from && until <= self.until
    }
}

/// When an incident was, in whole periods of a metric.
#[derive(Clone, Copy, Debug)]
struct Hours {
    period_seconds: u32,
    from: Timestamp,
    until: Timestamp,
    /// Until when the data is complete; not after `until`.
    settled: Timestamp,
}

impl Hours {
    fn of(catalogue: &Catalogue, metric: &Metric, from: Timestamp, until: Timestamp, now: Timestamp) -> Self {
        let oldest = from - SignedDuration::from_hours(i64::from(WEEKS) * 7 * 24 + 2);
        let period_seconds = period_kept(metric.period_seconds, oldest, now);
        let (from, until) = (floor(from, period_seconds), ceiling(until, period_seconds));
        let settled = settled(catalogue, period_seconds, now).clamp(from, until);
        Self { period_seconds, from, until, settled }
    }

    /// Start and end of the same hours, so many weeks earlier.
    fn weeks_before(&self, weeks: u32, zone: &TimeZone) -> (Timestamp, Timestamp) {
        let exact = self.from - SignedDuration::from_hours(i64::from(weeks) * 7 * 24);
        let local = || self.from.to_zoned(zone.clone()).checked_sub(Span::new().weeks(weeks)).ok();
        let from = if self.period_seconds <= HOUR { local().map_or(exact, |at| at.timestamp()) } else { exact };
        let from = floor(from, self.period_seconds);
        (from, from + self.settled.duration_since(self.from))
    }
}

/// What has to be read to tell what an incident cost that lasted from a time until another. What is `known` completely
/// is not read again.
pub fn wants(
    catalogue: &Catalogue,
    (from, until): (Timestamp, Timestamp),
    known: &[Loss],
    now: Timestamp,
) -> Vec<Want> {
    let measures = catalogue.impact.measures.iter().filter_map(|measure| {
        let metric = catalogue.metrics.get(&measure.metric)?;
        let hours = Hours::of(catalogue, metric, from, until, now);
        let is_known = known.iter().any(|loss| loss.is_of(measure, (from, until)) && loss.is_complete());
        (!is_known && hours.settled > hours.from).then_some((metric, hours))
    });
    let weeks = 0..=WEEKS;
    measures
        .flat_map(|(metric, hours)| weeks.clone().flat_map(move |week| of_week(catalogue, metric, &hours, week)))
        .collect()
}

/// The series of a metric in the hours of an incident, so many weeks earlier.
fn of_week(catalogue: &Catalogue, metric: &Metric, hours: &Hours, week: u32) -> Vec<Want> {
    let (start, end) = match week {
        0 => (hours.from, hours.settled),
        weeks => hours.weeks_before(weeks, &zone(catalogue)),
    };
    let want = |dimensions: &_| Want {
        metric: metric.name.clone(),
        dimensions: Clone::clone(dimensions),
        period_seconds: hours.period_seconds,
        start,
        end,
    };
    metric.dimensions.iter().map(want).collect()
}

fn zone(catalogue: &Catalogue) -> TimeZone {
    TimeZone::get(&catalogue.impact.time_zone).unwrap_or(TimeZone::UTC)
}

/// What an incident cost, of what was read for [`wants`] with the same arguments.
pub fn losses(
    catalogue: &Catalogue,
    (from, until): (Timestamp, Timestamp),
    known: &[Loss],
    readings: &Readings,
    now: Timestamp,
) -> Vec<Loss> {
    let measures = catalogue.impact.measures.iter().filter_map(|measure| {
        let metric = catalogue.metrics.get(&measure.metric)?;
        let hours = Hours::of(catalogue, metric, from, until, now);
        let before = known.iter().find(|loss| loss.is_of(measure, (from, until)));
        if let Some(complete) = before.filter(|loss| loss.is_complete()) {
            return Some(complete.clone());
        }
        let outcome = outcome(catalogue, metric, &hours, readings);
        // What was known is better than that it cannot be read any longer.
        if matches!(outcome, Outcome::Unavailable { .. })
            && let Some(before) = before.filter(|loss| matches!(loss.outcome, Outcome::Measured { .. }))
        {
            return Some(before.clone());
        }
        Some(Loss {
            metric: metric.name.clone(),
            title: measure.title.clone(),
            count: measure.count,
            unit: amount(metric.unit),
            from: hours.from,
            until: hours.until,
            outcome,
        })
    });
    measures.collect()
}

/// What is an amount where it is summed.
fn amount(unit: Unit) -> Unit {
    match unit {
        Unit::UsdPerHour => Unit::Usd,
        Unit::CountPerHour => Unit::Count,
        unit => unit,
    }
}

fn outcome(catalogue: &Catalogue, metric: &Metric, hours: &Hours, readings: &Readings) -> Outcome {
    if hours.settled <= hours.from {
        return Outcome::NotYet {};
    }
    let week = |week| added(catalogue, &of_week(catalogue, metric, hours, week), readings);
    let unavailable = |reason: &str| Outcome::Unavailable { reason: bounded(reason, MAX_REASON) };
    let measured = match week(0) {
        Ok(measured) => measured,
        Err(reason) => return unavailable(&reason),
    };
    let (earlier, refused): (Vec<_>, Vec<_>) = (1..=WEEKS).map(week).partition(Result::is_ok);
    let earlier: Vec<Vec<Option<f64>>> = earlier.into_iter().flatten().collect();
    if let Some(Err(reason)) = refused.first().filter(|_| earlier.is_empty()) {
        return unavailable(reason);
    }
    let usual = usual(&measured, &earlier);
    let missing = measured.iter().filter(|value| value.is_none()).count();
    if missing == measured.len() && usual.is_none() {
        return unavailable(&format!(
            "there is no data of {} in these hours, and none of the weeks before",
            metric.name
        ));
    }
    Outcome::Measured {
        total: measured.iter().flatten().sum(),
        counted_until: hours.settled,
        periods: u32::try_from(measured.len()).unwrap_or(u32::MAX),
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
        usual,
    }
}

/// The series of a metric added up, period by period: one is enough for a period to have data.
fn added(catalogue: &Catalogue, wants: &[Want], readings: &Readings) -> Result<Vec<Option<f64>>, String> {
    let mut sums: Vec<Option<f64>> = Vec::new();
    for want in wants {
        let datapoints = readings.datapoints(catalogue, want)?;
        sums.resize(datapoints.len().max(sums.len()), None);
        for (sum, value) in sums.iter_mut().zip(datapoints) {
            *sum = match (*sum, value) {
                (Some(sum), Some(value)) => Some(sum + value),
                (one, other) => one.or(other),
            };
        }
    }
    Ok(sums)
}

/// Of the weeks that have any data.
fn usual(measured: &[Option<f64>], earlier: &[Vec<Option<f64>>]) -> Option<Usual> {
    let weeks: Vec<&Vec<Option<f64>>> = earlier.iter().filter(|week| week.iter().any(Option::is_some)).collect();
    let mut sums: Vec<f64> = weeks.iter().map(|week| week.iter().flatten().sum()).collect();
    sums.sort_by(f64::total_cmp);
    let comparable = |week: &&Vec<Option<f64>>| -> f64 {
        week.iter().zip(measured).filter(|(_, measured)| measured.is_some()).filter_map(|(value, _)| *value).sum()
    };
    let middle = sums.len() / 2;
    let upper = *sums.get(middle)?;
    let median = if sums.len() % 2 == 1 { upper } else { f64::midpoint(*sums.get(middle - 1)?, upper) };
    Some(Usual {
        weeks: u32::try_from(sums.len()).unwrap_or(WEEKS),
        median,
        least: weeks.iter().map(comparable).fold(f64::INFINITY, f64::min),
        most: *sums.last()?,
    })
}

/// What the document says of the losses; where the catalogue counts nothing, that.
pub(super) fn statements(losses: &[Loss]) -> Vec<Statement> {
    if losses.is_empty() {
        return vec![Statement::not_known(
            "what it cost",
            "`impact` in the catalogue, which says which metrics are counted",
        )];
    }
    losses.iter().map(statement).collect()
}

fn statement(loss: &Loss) -> Statement {
    let Loss { title, metric, from, until, .. } = loss;
    let hours = format!("{} from {} to {}", in_a_sentence(title), date_and_time(*from), date_and_time(*until));
    let text = match &loss.outcome {
        Outcome::NotYet {} => {
            return Statement::not_known(&hours, "the data of these hours, which were not over when this was written");
        }
        Outcome::Unavailable { reason } => {
            return Statement::not_known(&hours, &format!("data that was not available ({reason})"));
        }
        Outcome::Measured { usual: None, .. } if loss.count == Count::Shortfall => {
            return Statement::not_known(&hours, &format!("data of {metric} in the same hours of an earlier week"));
        }
        Outcome::Measured { total, counted_until, periods, missing, usual } => {
            let measured = format!(
                "{} from {} to {}",
                loss.unit.format(*total),
                date_and_time(*from),
                date_and_time(*counted_until)
            );
            let mut text = format!("{title}: {}", figure(loss, &measured, *total, usual.as_ref()));
            if *missing > 0 {
                text.push_str(&format!(" {missing} of {periods} periods have no data and are counted as nothing."));
            }
            if counted_until < until {
                text.push_str(&format!(" What came until {} is not counted yet.", date_and_time(*until)));
            }
            text
        }
    };
    Statement::known(text, [Source::Metric(metric.clone())])
}

/// The figure with its range, and what it rests on.
fn figure(loss: &Loss, measured: &str, total: f64, usual: Option<&Usual>) -> String {
    let format = |value| loss.unit.format(value);
    let Some(usual) = usual else { return format!("{measured}. No earlier week has data to compare it with.") };
    let weeks = match usual.weeks {
        1 => "the same hours of one earlier week".to_owned(),
        weeks => format!("the same hours of {weeks} earlier weeks"),
    };
    let spread = match usual.weeks {
        1 => String::new(),
        _ if usual.least >= usual.most => String::new(),
        _ => format!(" (median; {} to {})", format(usual.least), format(usual.most)),
    };
    let compared = format!("{weeks} had {}{spread}.", format(usual.median));
    if loss.count == Count::Sum {
        return format!("{measured}; {compared}");
    }
    let [least, likely, most] = [usual.least, usual.median, usual.most].map(|usual| rough(usual - total));
    let figure = if likely <= 0.0 {
        "none that shows".to_owned()
    } else if (usual.weeks == 1 || least >= most) && least > 0.0 {
        format!("about {}", format(likely))
    } else if least <= 0.0 {
        format!("perhaps {}, between none and {}", format(likely), format(most))
    } else {
        format!("about {}, between {} and {}", format(likely), format(least), format(most))
    };
    format!("{figure}: there was {measured}, and {compared}")
}

/// To three significant digits: an estimate is no more exact.
fn rough(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let scale = 10_f64.powf(2.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// `Revenue lost` within a sentence.
fn in_a_sentence(title: &str) -> String {
    let mut characters = title.chars();
    let Some(first) = characters.next() else { return String::new() };
    let rest = characters.as_str();
    // An abbreviation stays as it is.
    if rest.starts_with(char::is_uppercase) { title.to_owned() } else { format!("{}{rest}", first.to_lowercase()) }
}

#[cfg(test)]
mod tests;
