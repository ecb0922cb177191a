//! Objectives: what they count, and the windows that their burn rates need.

use monitoring_core::formula::MAX_ROLLING;
use monitoring_core::slo::burn_windows;

use super::super::Finding;
use super::super::document::{Duration, Slo};
use super::super::resolve;
use super::super::yaml::child;
use super::{Checker, entries, metrics};

/// The windows of a shorter time are minutes, and of a longer one more than a cycle can read.
const PERIOD_SECONDS: std::ops::RangeInclusive<u32> = 7 * 86_400..=90 * 86_400;

/// The longest name of which a metric's name can be made: 64 letters with `BurnCreeping`.
const MAX_NAME: usize = 50;

pub(super) fn check(checker: &mut Checker<'_>) {
    for (pointer, name, slo) in entries("slos", &checker.document.slos) {
        check_name(checker, &pointer, name);
        if !PERIOD_SECONDS.contains(&slo.period.seconds) {
            let message = format!("the objective {name} is for {}", slo.period);
            checker.error(child(&pointer, "period"), message, "write 7d to 90d; 30d is usual");
        }
        if let Some(runbook) = &slo.runbook {
            let at = child(&pointer, "runbook");
            checker.known(&at, "runbooks", runbook, &format!("objective {name} names"));
            // A burn over days does not end within the time in which an action must have helped, so that what helped would be undone.
            if checker.document.runbooks.get(runbook).is_some_and(|runbook| runbook.automation.is_some()) {
                let message = format!("objective {name} names {runbook}, which acts by itself");
                checker.error(at, message, "name a runbook without `automation`, or none; thresholds ask for actions");
            }
        }
        check_metrics(checker, &pointer, name, slo);
    }
}

/// What is made of the name must be a metric's name, and nobody else's.
fn check_name(checker: &mut Checker<'_>, pointer: &str, name: &str) {
    if name.len() > MAX_NAME || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        let message = format!("\"{name}\" cannot be the name of an objective");
        let help = format!("its metrics are called after it: begin with a letter, and write at most {MAX_NAME}");
        checker.push(Finding::error(pointer, message, help).on_key());
    }
    for window in burn_windows(30 * 86_400, 60) {
        let (metric, rule) = (resolve::burn_metric(name, window.name), resolve::burn_rule(name, window.name));
        let metrics = checker.document.metrics.contains_key(&metric).then_some(("metric", metric.clone()));
        let mut others = checker.document.slos.keys().filter(|other| other.as_str() < name);
        let same = others.any(|other| resolve::burn_metric(other, window.name) == metric);
        let rules = checker.document.rules.contains_key(&rule).then_some(("rule", rule));
        let taken = metrics.or(rules).or(same.then_some(("metric", metric)));
        if let Some((what, taken)) = taken {
            let message = format!("objective {name} makes a {what} {taken}, which there is already");
            checker.push(Finding::error(pointer, message, "rename one of them").on_key());
            return;
        }
    }
}

fn check_metrics(checker: &mut Checker<'_>, pointer: &str, name: &str, slo: &Slo) {
    let counted = match checker.written_of(pointer, &["good", "bad"]).as_slice() {
        [] => {
            let message = format!("objective {name} counts neither good nor bad events");
            checker.push(
                Finding::error(pointer, message, "add `bad:` or `good:` with a metric that counts them").on_key(),
            );
            None
        }
        [_, second, ..] => {
            let message = format!("objective {name} counts both good and bad events");
            checker.push(
                Finding::error(child(pointer, second), message, "keep one; `total` minus it is the other").on_key(),
            );
            return;
        }
        [key] => slo.good.as_ref().or(slo.bad.as_ref()).map(|metric| (*key, metric)),
    };
    let mut sound = true;
    for (key, metric) in [("total", &slo.total)].into_iter().chain(counted) {
        let at = child(pointer, key);
        sound &= checker.known(&at, "metrics", metric, &format!("objective {name} counts"))
            && metrics::has_shape(checker, metric);
        let measured = metrics::measured(checker.document, metric);
        let adds_up = |statistic: &str| ["Sum", "SampleCount"].contains(&statistic);
        let other = measured.iter().find_map(|(measured, metric)| {
            let cloudwatch = metric.cloudwatch.as_ref().filter(|cloudwatch| !adds_up(&cloudwatch.statistic))?;
            Some((*measured, cloudwatch.statistic.clone()))
        });
        if let Some((measured, statistic)) = other {
            let message = format!(
                "objective {name} counts {metric}, but {measured} has the statistic {statistic}, which does not add up"
            );
            checker.error(&at, message, "count with metrics whose statistic is `Sum` or `SampleCount`");
        }
    }
    let Some((key, metric)) = counted.filter(|_| sound) else { return };
    let document = checker.document;
    let [total, own] = [&slo.total, metric].map(|metric| resolve::period(document, metric));
    if total != own {
        let message = format!("{metric} has a period of {own}, {} one of {total}", slo.total);
        checker.error(child(pointer, key), message, "count both with metrics of the same period");
        return;
    }
    if resolve::dimensions(document, &slo.total) != resolve::dimensions(document, metric) {
        let message = format!("{metric} and {} have different dimensions", slo.total);
        checker.error(child(pointer, key), message, "count both with metrics of the same dimensions");
    }
    check_windows(checker, &child(pointer, "total"), name, slo, total);
}

/// The shortest window has more than one period, and the longest no more than can be added up.
fn check_windows(checker: &mut Checker<'_>, pointer: &str, name: &str, slo: &Slo, period: Duration) {
    let [fast, .., creeping] = burn_windows(slo.period.seconds, period.seconds);
    let hour = Duration { seconds: slo.period.seconds / 720 };
    if fast.long < 2 {
        let message = format!("objective {name} is judged over {hour}, but {} has a period of {period}", slo.total);
        checker.error(pointer, message, "count with metrics of a shorter period, such as 1m or 5m");
    } else if usize::try_from(creeping.long).is_ok_and(|periods| periods > MAX_ROLLING) {
        let message = format!("objective {name} needs {} periods of {period}", creeping.long);
        checker.error(
            pointer,
            message,
            format!("at most {MAX_ROLLING}: write a shorter `period`, or count with longer ones"),
        );
    }
}
