//! Rules that look further back than their datapoints: anomalies, trends, and comparisons with earlier weeks.

use monitoring_core::cycle::{COST_DAYS, COST_DAYS_BY_SERVICE};

use super::super::super::Finding;
use super::super::super::document::{Cost, Duration, Rule, SameHour, Trend};
use super::super::super::resolve;
use super::super::super::yaml::child;
use super::super::{Checker, metrics};

const DAY: u32 = 86_400;

/// A line is fitted to so many periods. The longest is a day by the minute.
const TREND_PERIODS: std::ops::RangeInclusive<u32> = 8..=1_440;

/// The furthest that a line leads.
const LONGEST_TREND: u32 = 90 * DAY;

/// Weeks by a shorter period would be more than 8,000 datapoints of every series, each time.
const SHORTEST_PERIOD: u32 = 300;

/// How far back `CloudWatch` has data of a period of at least so many seconds, in days.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>.
const RETENTION: [(u32, u32); 2] = [(3_600, 455), (300, 63)];

pub(super) fn check(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    check_source(checker, pointer, name, rule);
    if let Some(trend) = &rule.trend {
        check_trend(checker, &child(pointer, "trend"), name, rule, trend);
    }
    if let Some(hour) = &rule.same_hour {
        check_same_hour(checker, &child(pointer, "same_hour"), name, rule, hour);
    }
}

/// Logs Insights is billed by what it searches: days or weeks of logs, again and again.
fn check_source(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule) {
    let kinds =
        [("anomaly", rule.anomaly.is_some()), ("trend", rule.trend.is_some()), ("same_hour", rule.same_hour.is_some())];
    let Some((kind, _)) = kinds.into_iter().find(|(_, used)| *used) else { return };
    let measured = metrics::measured(checker.document, &rule.metric);
    let Some((logs, _)) = measured.iter().find(|(_, metric)| metric.logs.is_some()) else { return };
    let message = format!("rule {name} has `{kind}`, for which {logs} would search days of logs in every cycle");
    let help = "let a metric filter or the application count it, and read that with `cloudwatch`; or use a threshold";
    checker.push(Finding::error(child(pointer, kind), message, help).on_key());
}

/// Exactly one side, and `clear` on its good side.
fn check_side(
    checker: &mut Checker<'_>,
    pointer: &str,
    name: &str,
    (above, below, clear): (Option<f64>, Option<f64>, Option<f64>),
) {
    match checker.written_of(pointer, &["above", "below"]).as_slice() {
        [] => {
            let message = format!("rule {name} has no threshold");
            checker.push(Finding::error(pointer, message, "add `above` or `below`").on_key());
        }
        [_, second, ..] => {
            let message = format!("rule {name} has both `above` and `below`");
            checker.push(Finding::error(child(pointer, second), message, "make two rules of it").on_key());
        }
        _ => {}
    }
    let Some(clear) = clear else { return };
    let wrong = above.map(|above| (clear > above, "at most", above));
    let wrong = wrong.or(below.map(|below| (clear < below, "at least", below)));
    if let Some((true, side, threshold)) = wrong {
        let message = format!("`clear: {clear}` is on the wrong side of {threshold}");
        checker.error(child(pointer, "clear"), message, format!("write {side} {threshold}: a firing rule ends there"));
    }
}

fn check_trend(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule, trend: &Trend) {
    check_side(checker, pointer, name, (trend.above, trend.below, trend.clear));
    let longest = Duration { seconds: LONGEST_TREND };
    if trend.within.seconds == 0 || trend.within.seconds > LONGEST_TREND {
        let message = format!("the trend of rule {name} looks {} ahead", trend.within);
        checker.error(child(pointer, "within"), message, format!("write at most {longest}"));
    }
    if !metrics::has_shape(checker, &rule.metric) {
        return;
    }
    let period = resolve::period(checker.document, &rule.metric);
    let kept = kept(checker, &rule.metric, period);
    let periods = trend.over.seconds / period.seconds.max(1);
    if !TREND_PERIODS.contains(&periods) {
        let [least, most] = [TREND_PERIODS.start(), TREND_PERIODS.end()]
            .map(|periods| Duration { seconds: period.seconds.saturating_mul(*periods) });
        let most = Duration { seconds: most.seconds.min(kept) };
        let message = format!("the trend of rule {name} looks {} back, {periods} periods of {period}", trend.over);
        checker.error(child(pointer, "over"), message, format!("write {least} to {most}"));
    } else if trend.over.seconds > kept {
        let message = format!("the trend of rule {name} looks {} back", trend.over);
        let kept = Duration { seconds: kept };
        checker.error(child(pointer, "over"), message, format!("write at most {kept}; older data is not kept"));
    }
}

fn check_same_hour(checker: &mut Checker<'_>, pointer: &str, name: &str, rule: &Rule, hour: &SameHour) {
    check_side(checker, pointer, name, (hour.above, hour.below, hour.clear));
    let usual = [
        ("above", hour.above.filter(|share| *share <= 1.0), "more than 1: `2` for twice the usual"),
        ("below", hour.below.filter(|share| !(*share > 0.0 && *share < 1.0)), "0 to 1: `0.5` for half the usual"),
    ];
    for (key, share, help) in usual {
        if let Some(share) = share {
            let message = format!("rule {name} fires {key} {share} times the usual");
            checker.error(child(pointer, key), message, format!("write {help}"));
        }
    }
    if !metrics::has_shape(checker, &rule.metric) {
        return;
    }
    let period = resolve::period(checker.document, &rule.metric);
    if period.seconds < SHORTEST_PERIOD {
        let message = format!("rule {name} compares weeks, and {} has a period of {period}", rule.metric);
        let help = "give the metric `period: 5m` or longer, or watch one that has";
        checker.push(Finding::error(pointer, message, help).on_key());
        return;
    }
    let weeks = kept(checker, &rule.metric, period).saturating_sub(DAY) / (7 * DAY);
    if hour.weeks > weeks {
        let message = format!("rule {name} compares {} weeks of periods of {period}", hour.weeks);
        checker.error(child(pointer, "weeks"), message, format!("write at most {weeks}; older data is not kept"));
    }
}

/// For how long there is data of a metric with this period, in seconds.
fn kept(checker: &Checker<'_>, metric: &str, period: Duration) -> u32 {
    let cloudwatch = RETENTION.iter().find(|(least, _)| period.seconds >= *least).map_or(15, |(_, days)| *days);
    let costs = metrics::measured(checker.document, metric).into_iter().filter_map(|(_, metric)| metric.cost);
    let costs = costs.map(|cost| if cost == Cost::ByService { COST_DAYS_BY_SERVICE } else { COST_DAYS });
    costs.fold(cloudwatch, u32::min) * DAY
}
