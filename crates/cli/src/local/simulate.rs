//! AI Nutritionist, made up: three days with a daily and a weekly rhythm and four incidents, one for each runbook.
//!
//! A value depends on the seed, the metric, its dimensions and the time, and on nothing else, so any window can be asked
//! for again, in any order, with the same answer. Before and after the three days the application is just well.

mod memory;

use std::collections::BTreeMap;

use jiff::Timestamp;
use monitoring_aws::outside::{SeriesAnswer, SeriesRequest};
use monitoring_core::alert::fnv1a;
use monitoring_core::investigation::{Call, Calls, Function, Gathered, Version, Wanted};
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};
use serde_json::json;

pub use memory::Memory;

/// The simulated application.
#[derive(Clone, Copy, Debug)]
pub struct Simulation {
    /// A midnight UTC, in seconds.
    start: i64,
    seed: u64,
    relief: Relief,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    kind: TroubleKind,
    /// Minutes since the start of the simulation.
    from_minute: i64,
    /// Minutes since the start of the simulation: it is well again from here on.
    to_minute: i64,
}

/// What goes wrong, one for each runbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TroubleKind {
    /// A deployment makes every fourth request fail, slowly.
    Errors,
    /// A hot partition throttles a table, and what waits for it gets slower.
    Throttles,
    /// A dependency hangs and a function runs into its time-out.
    SlowFunction,
    /// The page with the plans fails to load: plans and revenue fall, and nothing technical shows it.
    Revenue,
}

/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// One group of rules each, far apart. The minutes count from a midnight UTC; the users live in New York, where revenue
/// is watched from 6 to 23 o'clock.
const TROUBLES: [Trouble; 4] = [
    Trouble { kind: TroubleKind::Errors, from_minute: 14 * 60 + 7, to_minute: 14 * 60 + 33 },
    Trouble { kind: TroubleKind::Throttles, from_minute: DAY + 3 * 60 + 12, to_minute: DAY + 3 * 60 + 47 },
    Trouble { kind: TroubleKind::SlowFunction, from_minute: DAY + 17 * 60 + 41, to_minute: DAY + 18 * 60 + 24 },
    Trouble { kind: TroubleKind::Revenue, from_minute: 2 * DAY + 15 * 60, to_minute: 2 * DAY + 17 * 60 },
];

/// The function that answers users.
const API: &str = "ai-nutritionist-api";

/// What actions have done for the application, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Relief {
    /// The API's function serves the version before the deployment again.
    pub api_rolled_back: Option<Timestamp>,
    /// A circuit breaker keeps the application from calling the model: what hangs since it is called too much recovers.
    pub model_rested: Option<Timestamp>,
    /// The table of meal plans has more capacity.
    pub table_scaled: Option<Timestamp>,
}

impl Relief {
    fn of(self, kind: TroubleKind) -> Option<Timestamp> {
        match kind {
            TroubleKind::SlowFunction => self.model_rested,
            TroubleKind::Throttles => self.table_scaled,
            TroubleKind::Errors => self.api_rolled_back,
            TroubleKind::Revenue => None,
        }
    }
}

/// How long before the first errors their version was made, in minutes.
const DEPLOYED_BEFORE: i64 = 4;

/// How long it takes until it is felt, in seconds.
const RECOVERY: i64 = 60;

impl TroubleKind {
    fn title(self) -> &'static str {
        match self {
            Self::Errors => "a deployment makes every fourth request fail, slowly",
            Self::Throttles => "a hot partition throttles the table of meal plans",
            Self::SlowFunction => "a dependency hangs, and the meal planner runs into its time limit",
            Self::Revenue => "the page with the plans fails to load, and revenue falls",
        }
    }
}

impl Simulation {
    /// An application whose three days begin with the day of `start`, in UTC.
    pub fn new(start: Timestamp, seed: u64) -> Self {
        Self { start: start.as_second().div_euclid(86_400) * 86_400, seed, relief: Relief::default() }
    }

    /// The same, when this was done for it.
    #[must_use]
    pub fn with_relief(self, relief: Relief) -> Self {
        Self { relief, ..self }
    }

    /// What goes wrong, in order: from when, to when, and what.
    pub fn story(&self) -> Vec<(Timestamp, Timestamp, &'static str)> {
        let at = |minute: i64| Timestamp::from_second(self.start.saturating_add(minute * 60)).unwrap_or(Timestamp::MAX);
        TROUBLES.iter().map(|trouble| (at(trouble.from_minute), at(trouble.to_minute), trouble.kind.title())).collect()
    }

    /// The published versions of the API's function, with the time at which each was made: the errors come with the latest.
    pub fn versions(&self) -> BTreeMap<u32, Timestamp> {
        let errors = TROUBLES.iter().find(|trouble| trouble.kind == TroubleKind::Errors);
        let deployed = errors.map_or(0, |trouble| trouble.from_minute - DEPLOYED_BEFORE);
        let at = |minute: i64| Timestamp::from_second(self.start.saturating_add(minute * 60)).unwrap_or(Timestamp::MAX);
        BTreeMap::from([(1, at(-30 * DAY)), (2, at(deployed))])
    }

    /// The samples of a metric of AI Nutritionist's catalogue, one for each whole period; of another metric there is
    /// no series.
    pub fn series(&self, request: &SeriesRequest) -> SeriesAnswer {
        let period = i64::from(request.period_seconds.max(60));
        let every_service = request.metric == "ServiceCost" && request.dimensions.is_empty();
        let sets = if every_service { services() } else { vec![request.dimensions.clone()] };
        let mut answer = Vec::with_capacity(sets.len());
        for dimensions in sets {
            let mut samples = Vec::new();
            let mut at = request.start.as_second() + (-request.start.as_second()).rem_euclid(period);
            while at + period <= request.end.as_second() {
                // No series at all, for one without samples would look like an outage.
                let Some(value) = self.value(&request.metric, &dimensions, at, period) else { return Ok(Vec::new()) };
                samples.extend(Timestamp::from_second(at).map(|at| Sample { at, value }));
                at += period;
            }
            answer.push(Series::new(dimensions, samples));
        }
        Ok(answer)
    }

    /// What Lambda and `CloudTrail` would say of [`Simulation::versions`]: who made the latest is a name like any other. Nothing is logged.
    pub fn evidence(&self, wanted: &Wanted) -> Gathered {
        let made: Vec<(u32, Timestamp)> = self.versions().into_iter().filter(|(_, at)| *at <= wanted.until).collect();
        let mut newest_first = made.iter().rev().map(|(number, _)| number.to_string());
        let serves = newest_first.nth(usize::from(self.relief.api_rolled_back.is_some())).unwrap_or_default();
        let functions = wanted.functions.iter().map(|name| {
            if name != API {
                return (name.clone(), Ok(Function::default()));
            }
            let version = |(number, at): &(u32, Timestamp)| Version { name: number.to_string(), at: *at };
            let versions = made.iter().map(version).collect();
            (name.clone(), Ok(Function { versions, aliases: vec![("live".to_owned(), serves.clone())] }))
        });
        let calls = made.iter().rev().filter(|(_, at)| *at >= wanted.from).map(|(number, at)| Call {
            at: *at,
            who: Some("alice".to_owned()),
            record: json!({
                "eventSource": "lambda.amazonaws.com",
                "eventName": "UpdateFunctionCode20150331v2",
                "requestParameters": { "functionName": API, "publish": true },
                "responseElements": { "functionName": API, "version": number.to_string() },
            }),
        });
        let calls = Calls { calls: calls.collect(), only_since: None };
        Gathered { functions: functions.collect(), calls: Some(Ok(calls)), patterns: None }
    }

    /// The value of the period that begins at a second.
    fn value(&self, metric: &str, dimensions: &Dimensions, at: i64, period: i64) -> Option<f64> {
        let noise = self.noise(metric, dimensions, at);
        let minutes = float(period) / 60.0;
        let load = load(at + period / 2);
        let requests = requests(at, period);
        let trouble = |kind| self.share(kind, at, period);
        // Milliseconds that a request waits longer than usual; only errors make it noticeable to the rules.
        let waiting = 3400.0 * trouble(TroubleKind::Errors)
            + 900.0 * trouble(TroubleKind::Throttles)
            + 600.0 * trouble(TroubleKind::SlowFunction);
        let ill = dimensions
            .values()
            .any(|name| name == "ai-nutritionist-meal-planner" || name == "ai-nutritionist-meal-plans");
        Some(match metric {
            "RequestCount" => (requests * (1.0 + 0.04 * noise)).round(),
            "ErrorCount" => (requests * (0.006 + 0.002 * noise + 0.25 * trouble(TroubleKind::Errors))).round().max(0.0),
            "ResponseTime" => 420.0 + 180.0 * load + 40.0 * noise + waiting,
            "CacheLookups" => (requests * 0.7).round(),
            "CacheHits" => (requests * 0.7 * (0.84 + 0.02 * noise)).round(),
            "APIGatewayLatency" => self.value("ResponseTime", &Dimensions::new(), at, period)? + 35.0 + 10.0 * noise,
            "LambdaDuration" if ill => {
                let slow = trouble(TroubleKind::SlowFunction);
                let normal = 6200.0 + 2400.0 * load + 700.0 * noise;
                // The function's time-out is 30 s.
                normal + slow * (29_500.0 + 400.0 * noise - normal)
            }
            "LambdaDuration" => 1400.0 + 600.0 * load + 200.0 * noise + 2.0 * waiting,
            "LambdaConcurrentExecutions" => {
                (18.0 + 60.0 * load + 3.0 * noise + 90.0 * trouble(TroubleKind::SlowFunction)).round()
            }
            "DynamoDBReadThrottles" if ill => {
                (minutes * 31.0 * trouble(TroubleKind::Throttles) * (1.0 + 0.3 * noise)).round()
            }
            "DynamoDBWriteThrottles" if ill => {
                (minutes * 12.0 * trouble(TroubleKind::Throttles) * (1.0 + 0.3 * noise)).round()
            }
            "DynamoDBReadUtilization" => 14.0 + 26.0 * load + 2.0 * noise + 70.0 * trouble(TroubleKind::Throttles),
            "DynamoDBWriteUtilization" => 9.0 + 18.0 * load + 2.0 * noise,
            "DynamoDBReadThrottles"
            | "DynamoDBWriteThrottles"
            | "LambdaThrottles"
            | "SecurityEvents"
            | "DeadLetters" => 0.0,
            "FailedAuthentications" => (3.0 + 9.0 * load + 2.0 * noise).round().max(0.0),
            "Revenue" => (85.0 + 230.0 * load) * (1.0 + 0.06 * noise) * (1.0 - 0.93 * trouble(TroubleKind::Revenue)),
            "MealPlansGenerated" => {
                ((170.0 + 420.0 * load) * (1.0 + 0.05 * noise) * (1.0 - 0.88 * trouble(TroubleKind::Revenue))).round()
            }
            "SignUps" => ((75.0 + 120.0 * load) * (1.0 + 0.05 * noise)).round(),
            "Subscriptions" => {
                ((75.0 + 120.0 * load) * 0.058 * (1.0 + 0.05 * noise) * (1.0 - 0.9 * trouble(TroubleKind::Revenue)))
                    .round()
            }
            "ActiveUsers" => (4200.0 * (1.0 + 0.03 * noise)).round(),
            "TotalCost" => services().iter().filter_map(|service| self.value("ServiceCost", service, at, period)).sum(),
            "ServiceCost" => 11.5 + noise,
            _ => return None,
        })
    }

    /// How much of a period a trouble takes, 0 to 1.
    fn share(&self, kind: TroubleKind, at: i64, period: i64) -> f64 {
        let overlap = |trouble: &Trouble| {
            let (from, mut to) = (self.start + trouble.from_minute * 60, self.start + trouble.to_minute * 60);
            if let Some(acted) = self.relief.of(kind).map(Timestamp::as_second).filter(|acted| *acted >= from) {
                to = to.min(acted + RECOVERY);
            }
            (to.min(at + period) - from.max(at)).max(0)
        };
        let seconds: i64 = TROUBLES.iter().filter(|trouble| trouble.kind == kind).map(overlap).sum();
        float(seconds) / float(period)
    }

    /// -1 to 1, the same whenever it is asked for.
    fn noise(&self, metric: &str, dimensions: &Dimensions, at: i64) -> f64 {
        let hash = fnv1a(&[&self.seed.to_string(), metric, &format_dimensions(dimensions), &at.to_string()]);
        // FNV's high bits mix late; fold them before scaling.
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let fraction = u32::try_from(mixed >> 32).unwrap_or_default();
        f64::from(fraction) / f64::from(u32::MAX) * 2.0 - 1.0
    }
}

/// How busy the application is, 0 to 1: quiet at 08:00 UTC, busy at 20:00 UTC, a little less at weekends.
fn load(at: i64) -> f64 {
    let hour = float(at.rem_euclid(86_400)) / 3600.0;
    let daily = 0.5 - 0.5 * ((hour - 8.0) / 24.0 * std::f64::consts::TAU).cos();
    // 1 January 1970 was a Thursday.
    let weekday = (at.div_euclid(86_400) + 3).rem_euclid(7);
    if weekday >= 5 { daily * 0.85 } else { daily }
}

#[expect(clippy::cast_precision_loss, reason = "the seconds of a period are far below 2^52")]
fn float(seconds: i64) -> f64 {
    seconds as f64
}

/// Requests in a period, without noise.
fn requests(at: i64, period: i64) -> f64 {
    (110.0 + 380.0 * load(at + period / 2)) * float(period) / 60.0
}

fn services() -> Vec<Dimensions> {
    ["AWS Lambda", "Amazon API Gateway", "Amazon DynamoDB", "AmazonCloudWatch"]
        .map(|service| Dimensions::from([("Service".to_owned(), service.to_owned())]))
        .to_vec()
}

#[cfg(test)]
mod tests;
