//! Rules on where a series is going, and on what it was in the weeks before.

use jiff::SignedDuration;

use super::*;
use crate::catalogue::{Metric, Rule, SameHour, Trend};
use crate::example_catalogue::catalogue;

const HOUR: i64 = 3600;

/// A Tuesday.
fn noon() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn rule(condition: Condition) -> (Rule, Metric) {
    let catalogue = catalogue();
    let mut rule = catalogue.rules["error-rate"].clone();
    (rule.condition, rule.evaluation) = (condition, m_of_n(1, 1, MissingData::Missing));
    (rule, catalogue.metrics["ErrorRate"].clone())
}

/// Above 90 % within so many minutes, by the line through the last 30.
fn rising(minutes: u32) -> (Rule, Metric) {
    let trend = Trend { within_seconds: minutes * 60, over_seconds: 30 * 60 };
    rule(Condition::Trend { tier: tier(Comparison::Above, 90.0, 90.0), trend })
}

/// By the minute, from 10 on.
fn line(slope: f64) -> Vec<Option<f64>> {
    (0..40).map(|minute| Some(10.0 + slope * f64::from(minute))).collect()
}

fn outcome((rule, metric): &(Rule, Metric), datapoints: &[Option<f64>]) -> Outcome {
    judge(rule, metric, noon(), datapoints, None).0.outcome
}

#[test]
fn a_line_that_reaches_the_threshold_in_time_fires_and_says_when() {
    // 49 now, and one more each minute: 90 in 41 minutes, counted from 12:01, the end of the newest period.
    let (rule, metric) = rising(42);
    let (verdict, because) = judge(&rule, &metric, noon(), &line(1.0), None);
    assert_eq!((verdict.outcome, verdict.value), (ALARM, Some(49.0)));
    assert_eq!(
        because.as_deref(),
        Some("rises by 60 % an hour and will be above 90 % at 2026-11-24 12:42 UTC, in 41 min")
    );
    assert_eq!(outcome(&rising(41), &line(1.0)), Outcome::Ok, "exactly 90 is not above it");
    assert_eq!(outcome(&rising(42), &line(-1.0)), Outcome::Ok);
    assert_eq!(outcome(&rising(42), &line(0.0)), Outcome::Ok);
}

#[test]
fn a_fall_is_a_trend_as_well() {
    let trend = Trend { within_seconds: 3600, over_seconds: 30 * 60 };
    let falling = rule(Condition::Trend { tier: tier(Comparison::Below, 5.0, 5.0), trend });
    let values: Vec<Option<f64>> = line(-1.0).iter().map(|value| value.map(|value| value + 90.0)).collect();
    // 61 now; 1 in an hour.
    assert_eq!(outcome(&falling, &values), ALARM);
    let (_, because) = judge(&falling.0, &falling.1, noon(), &values, None);
    assert_eq!(
        because.as_deref(),
        Some("falls by 60 % an hour and will be below 5 % at 2026-11-24 12:57 UTC, in 56 min")
    );
}

#[test]
fn a_fifth_of_wild_values_does_not_bend_the_line() {
    let wild = |minute: usize, value: f64| if minute.is_multiple_of(5) { value * 40.0 - 3000.0 } else { value };
    let values: Vec<Option<f64>> =
        line(1.0).iter().enumerate().map(|(minute, value)| value.map(|value| wild(minute, value))).collect();
    assert_eq!(outcome(&rising(45), &values), ALARM);
    assert_eq!(outcome(&rising(35), &values), Outcome::Ok);
}

#[test]
fn what_could_be_chance_is_no_trend() {
    // Up and down by 6 around 50, without direction. A line through any ten of them has some slope.
    let noise = |minute: i64| 44.0 + f64::from(i32::try_from(minute * 7919 % 13).unwrap());
    let ten_days = rule(Condition::Trend {
        tier: tier(Comparison::Above, 60.0, 60.0),
        trend: Trend { within_seconds: 10 * 86_400, over_seconds: 30 * 60 },
    });
    for first in 0..200 {
        let values: Vec<Option<f64>> = (first..first + 40).map(|minute| Some(noise(minute))).collect();
        assert_eq!(outcome(&ten_days, &values), Outcome::Ok, "from {first}");
    }
}

#[test]
fn what_is_beyond_the_threshold_now_says_so() {
    let values: Vec<Option<f64>> = line(0.0).iter().map(|_| Some(95.0)).collect();
    let (rule, metric) = rising(60);
    let (verdict, because) = judge(&rule, &metric, noon(), &values, None);
    assert_eq!(verdict.outcome, ALARM);
    assert_eq!(because.as_deref(), Some("is above 90 % now, at 95 % on the line through the last 30 min"));
}

#[test]
fn too_few_datapoints_are_no_line() {
    let mut values = line(1.0);
    values[10..26].fill(None);
    assert_eq!(outcome(&rising(60), &values), Outcome::InsufficientData, "14 of 30");
    values[25] = Some(35.0);
    assert_eq!(outcome(&rising(60), &values), ALARM, "15 of 30");
    assert_eq!(outcome(&rising(60), &line(1.0)[35..]), Outcome::InsufficientData);
    // Nothing new is known without the newest ones, and nothing is OK that was not measured.
    let mut stale = line(1.0);
    stale[37..].fill(None);
    let (rule, metric) = rising(60);
    let (verdict, _) = judge(&rule, &metric, noon(), &stale, Some(0));
    assert_eq!((verdict.outcome, verdict.measured), (Outcome::InsufficientData, false));
}

#[test]
fn once_firing_a_trend_ends_at_clear() {
    let trend = Trend { within_seconds: 42 * 60, over_seconds: 30 * 60 };
    let (rule, metric) = rule(Condition::Trend { tier: tier(Comparison::Above, 90.0, 80.0), trend });
    // 91 in 42 minutes at a slope of 1; at 0.75 it is 39.25 + 31.5 = 70.75, and at 0.9 45.1 + 37.8 = 82.9.
    for (slope, firing, expected) in
        [(1.0, None, ALARM), (0.9, None, Outcome::Ok), (0.9, Some(0), ALARM), (0.75, Some(0), Outcome::Ok)]
    {
        let (verdict, _) = judge(&rule, &metric, noon(), &line(slope), firing);
        assert_eq!(verdict.outcome, expected, "{slope} while {firing:?}");
    }
}

#[test]
fn numbers_at_the_edge_of_floats_do_no_harm() {
    for odd in [f64::MAX, f64::MIN, f64::INFINITY, f64::NAN, 5e-324, 1e308, -0.0] {
        let values: Vec<Option<f64>> = (0..40).map(|minute| Some(if minute % 2 == 0 { odd } else { -odd })).collect();
        judge(&rising(60).0, &rising(60).1, noon(), &values, None);
        let (rule, mut metric) = weekly(Comparison::Below, 0.5, 0.0);
        metric.period_seconds = 3600;
        judge(&rule, &metric, noon(), &vec![Some(odd); 800], None);
    }
}

/// Against the median of the last four weeks, by the hour in New York.
fn weekly(comparison: Comparison, share: f64, minimum: f64) -> (Rule, Metric) {
    let usual = SameHour { weeks: 4, minimum, time_zone: "America/New_York".to_owned() };
    let (rule, mut metric) = rule(Condition::SameHour { tier: tier(comparison, share, share), usual });
    metric.period_seconds = 3600;
    metric.unit = crate::metric::Unit::Count;
    (rule, metric)
}

/// 700 hours, the newest at `end`, each the value of its start.
fn hours(end: Timestamp, value: impl Fn(Timestamp) -> Option<f64>) -> Vec<Option<f64>> {
    (0..700).rev().map(|back| value(end - SignedDuration::from_secs(back * HOUR))).collect()
}

#[test]
fn an_hour_far_below_the_same_hour_of_earlier_weeks_fires() {
    // 80, 100, 120 and 900 in the weeks before at noon, 5 in all other hours; 44 now. The median of the four is 110. No clock changes in them.
    let noon = || noon() + SignedDuration::from_hours(28 * 24);
    let weeks = [44.0, 80.0, 100.0, 120.0, 900.0];
    let value = |at: Timestamp| {
        let back = noon().duration_since(at).as_secs();
        let week = usize::try_from(back / (7 * 24 * HOUR)).unwrap();
        Some(if back % (7 * 24 * HOUR) == 0 { weeks[week] } else { 5.0 })
    };
    let (rule, metric) = weekly(Comparison::Below, 0.5, 10.0);
    let (verdict, because) = judge(&rule, &metric, noon(), &hours(noon(), value), None);
    assert_eq!((verdict.outcome, verdict.value), (ALARM, Some(44.0)));
    assert_eq!(because.as_deref(), Some("40 % of the 110 that is usual at this hour (median of 4 weeks)"));
    assert_eq!(outcome(&weekly(Comparison::Below, 0.4, 10.0), &hours(noon(), value)), Outcome::Ok);
    assert_eq!(outcome(&weekly(Comparison::Below, 0.5, 111.0), &hours(noon(), value)), Outcome::InsufficientData);
    let more = |at| if at == noon() { Some(330.0) } else { value(at) };
    let (rule, metric) = weekly(Comparison::Above, 2.5, 0.0);
    let (verdict, because) = judge(&rule, &metric, noon(), &hours(noon(), more), None);
    assert_eq!(verdict.outcome, ALARM);
    assert_eq!(because.as_deref(), Some("3.0 times the 110 that is usual at this hour (median of 4 weeks)"));
}

#[test]
fn half_of_the_weeks_are_enough() {
    let known = |weeks: i64| {
        move |at: Timestamp| {
            let back = noon().duration_since(at).as_secs() / (7 * 24 * HOUR);
            (back <= weeks).then_some(if back == 0 { 1.0 } else { 100.0 })
        }
    };
    let fired = |weeks| outcome(&weekly(Comparison::Below, 0.5, 0.0), &hours(noon(), known(weeks)));
    assert_eq!((fired(1), fired(2)), (Outcome::InsufficientData, ALARM));
}

/// Clocks in New York went back on 2026-11-01: the same hour is the one that people call so.
#[test]
fn the_same_hour_is_by_the_clock_on_the_wall() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let by_clock = |at: Timestamp| Some(10.0 + 10.0 * f64::from(at.to_zoned(zone.clone()).hour()));
    for hour in 0..48 {
        let at = "2026-11-03T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour);
        let (rule, metric) = weekly(Comparison::Below, 0.99, 0.0);
        let (verdict, because) = judge(&rule, &metric, at, &hours(at, by_clock), None);
        assert_eq!((verdict.outcome, because), (Outcome::Ok, None), "{at}");
    }
}

#[test]
fn what_a_rule_looks_back_on() {
    // 30 minutes by the minute, and four weeks with the hour by which clocks change.
    assert_eq!(history(&rising(60).0.condition, 60), 29);
    assert_eq!(history(&weekly(Comparison::Below, 0.5, 0.0).0.condition, 3600), 4 * 168 + 1);
    assert_eq!(history(&above(&[5.0]), 60), 0);
}
