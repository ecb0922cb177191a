//! Which rules a cycle evaluates: those of which there can be something new. Each series that is read is paid for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{delay, newest_period};
use crate::catalogue::{Catalogue, Rule};

/// How long a datapoint is waited for that is not there when its period is complete...
const LATE_SECONDS: i64 = 10 * 60;

/// ... where the next period is far away. Of shorter ones it is seen with the next, and many of them never have a datapoint.
const WAITED_FOR_SECONDS: u32 = 3600;

/// What was evaluated, and up to which period. A process keeps it in memory: one that begins knows nothing, and so
/// evaluates everything.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    done: BTreeMap<String, Timestamp>,
}

impl Pace {
    /// Whether a rule has a period that is complete and was not yet when it was last evaluated. One whose periods are no
    /// longer than a cycle always has.
    pub fn is_due(&self, catalogue: &Catalogue, rule: &Rule, now: Timestamp) -> bool {
        newest_long_period(catalogue, rule, now).is_none_or(|newest| self.done.get(&rule.name) != Some(&newest))
    }

    /// Notes that a rule was evaluated, and that nothing of it has to be tried again. Where the newest period has no datapoint,
    /// `is_complete` is false, and that of an hour or a day is looked for again for some minutes: it may only be late.
    pub fn note(&mut self, catalogue: &Catalogue, rule: &Rule, is_complete: bool, now: Timestamp) {
        if let Some(newest) = newest_long_period(catalogue, rule, now) {
            let Some(metric) = catalogue.metrics.get(&rule.metric) else { return };
            let known = i64::from(metric.period_seconds) + i64::from(delay(catalogue, metric));
            let may_be_late = !is_complete && metric.period_seconds >= WAITED_FOR_SECONDS;
            if may_be_late && now.as_second() - newest.as_second() - known < LATE_SECONDS {
                return;
            }
            self.done.insert(rule.name.clone(), newest);
        }
    }
}

/// Start of the newest complete period of a rule whose periods are longer than a cycle.
fn newest_long_period(catalogue: &Catalogue, rule: &Rule, now: Timestamp) -> Option<Timestamp> {
    // A composite rule changes with any of those that it names, and reads nothing.
    let metric = catalogue.metrics.get(&rule.metric).filter(|_| rule.condition.composite().is_none())?;
    (metric.period_seconds > catalogue.cycle_seconds).then(|| newest_period(catalogue, metric, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example_catalogue::catalogue;

    #[track_caller]
    fn check(rule: &str, period_seconds: u32, evaluated_at: &str, cases: &[(&str, bool)]) {
        let mut catalogue = catalogue();
        catalogue.cycle_seconds = 60;
        catalogue.ingestion_delay_seconds = 60;
        let rule = catalogue.rules[rule].clone();
        catalogue.metrics.get_mut(&rule.metric).unwrap().period_seconds = period_seconds;
        let mut pace = Pace::default();
        let evaluated_at = evaluated_at.parse().unwrap();
        assert!(pace.is_due(&catalogue, &rule, evaluated_at), "nothing is known of it");
        pace.note(&catalogue, &rule, true, evaluated_at);
        for (at, expected) in cases {
            assert_eq!(pace.is_due(&catalogue, &rule, at.parse().unwrap()), *expected, "{at}");
        }
    }

    #[test]
    fn an_hour_is_evaluated_when_it_is_complete_and_its_data_is_there() {
        check(
            "revenue",
            3600,
            "2026-11-23T12:01:00Z",
            &[
                ("2026-11-23T12:02:00Z", false),
                ("2026-11-23T13:00:59Z", false),
                ("2026-11-23T13:01:00Z", true),
                // A clock that went back shows another hour.
                ("2026-11-23T12:00:30Z", true),
            ],
        );
    }

    #[test]
    fn what_is_late_is_looked_for_again_and_not_for_ever() {
        let mut catalogue = catalogue();
        (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (60, 60);
        catalogue.metrics.get_mut("Revenue").unwrap().period_seconds = 3600;
        let rule = catalogue.rules["revenue"].clone();
        let mut pace = Pace::default();
        for (at, due_again) in
            [("2026-11-23T12:01:00Z", true), ("2026-11-23T12:10:59Z", true), ("2026-11-23T12:11:00Z", false)]
        {
            let at: Timestamp = at.parse().unwrap();
            pace.note(&catalogue, &rule, false, at);
            assert_eq!(pace.is_due(&catalogue, &rule, at), due_again, "{at}");
        }
    }

    /// Costs are read six hours after the end of their day, and not noted as read before they can be there.
    #[test]
    fn a_day_of_costs_is_due_when_its_costs_are_there() {
        let mut catalogue = catalogue();
        (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (60, 60);
        let rule = catalogue.rules["service-cost"].clone();
        let metric = catalogue.metrics.get_mut("ServiceCost").unwrap();
        (metric.period_seconds, metric.source) = (86_400, crate::catalogue::Source::Cost { by_service: true });
        let mut pace = Pace::default();
        pace.note(&catalogue, &rule, true, "2026-11-23T12:00:00Z".parse().unwrap());
        for (at, due) in
            [("2026-11-24T00:01:00Z", false), ("2026-11-24T05:59:00Z", false), ("2026-11-24T06:00:00Z", true)]
        {
            assert_eq!(pace.is_due(&catalogue, &rule, at.parse().unwrap()), due, "{at}");
        }
    }

    #[test]
    fn what_is_no_longer_than_a_cycle_is_evaluated_each_time() {
        check("revenue", 60, "2026-11-23T12:01:00Z", &[("2026-11-23T12:01:01Z", true), ("2026-11-23T12:02:00Z", true)]);
    }
}
