use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::alert::{Alert, ChangeState, step_because};
use crate::catalogue::{AlertSeverity, Catalogue, Comparison, Condition, Level, SameHour, Source, Tier, Trend};
use crate::cycle::{self, Windows};
use crate::example_catalogue::catalogue;
use crate::metric::Sample;

const MINUTE: i64 = 60;

fn at(minute: i64) -> Timestamp {
    let start: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_mins(minute)
}

fn span(minutes: i64) -> Span {
    Span { from: at(0), to: at(minutes - 1) }
}

/// One value for each minute from midnight on.
fn series(values: impl IntoIterator<Item = Option<f64>>) -> Series {
    let samples = (0..).zip(values).filter_map(|(minute, value)| Some(Sample { at: at(minute), value: value? }));
    Series::new(Dimensions::new(), samples.collect())
}

fn history(metric: &str, values: impl IntoIterator<Item = Option<f64>>) -> History {
    let mut history = History::default();
    history.insert(metric, series(values));
    history
}

fn night() -> Night {
    Night { from_hour: 22, to_hour: 7, time_zone: TimeZone::UTC }
}

/// Minute by minute, as the monitoring handler does it.
fn play_slowly(catalogue: &Catalogue, rule: &Rule, history: &History, span: Span) -> Vec<AlertChange> {
    let mut changes = Vec::new();
    let mut alerts: BTreeMap<AlertKey, Alert> = BTreeMap::new();
    let mut watches = cycle::Watches::new();
    let cycle = i64::from(catalogue.cycle_seconds);
    let delay = SignedDuration::from_secs(i64::from(catalogue.ingestion_delay_seconds));
    let mut now = span.from + SignedDuration::from_secs(MINUTE) + delay;
    let last = span.to + SignedDuration::from_secs(MINUTE) + delay;
    while now <= last {
        if now.as_second() % cycle == 0 {
            let rules = cycle::with_named(catalogue, &[rule]);
            let length = |rule: &Rule| cycle::length(catalogue, rule, &cycle::Watches::new(), now);
            let needs = cycle::needs(catalogue, &rules, &length, now);
            let answers = needs.iter().map(|need| Ok(history.answer(need)));
            let windows = Windows::new(catalogue, &rules, &length, &needs, answers);
            for evaluated in cycle::evaluate(catalogue, &rules, &windows, &alerts, &mut watches, now) {
                let metric = &catalogue.metrics[&evaluated.rule.metric];
                let before = alerts.get(&evaluated.key);
                let said = (&evaluated.verdict, evaluated.because.as_deref());
                let stepped = step_because(evaluated.rule, metric, &evaluated.dimensions, before, said, now);
                if let Some(mut alert) = stepped.alert {
                    let published = std::mem::take(&mut alert.unpublished);
                    changes.extend(published.into_iter().filter(|_| evaluated.rule.name == rule.name));
                    alerts.insert(evaluated.key, alert);
                }
            }
        }
        now += SignedDuration::from_secs(MINUTE);
    }
    changes
}

fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![1 => Just(None), 4 => (0_u8..12).prop_map(|value| Some(f64::from(value)))];
    let inner = prop::collection::vec(value, 30..200);
    // Before the first and after the last sample nothing is known, so both are there.
    inner.prop_map(|mut values| {
        values.insert(0, Some(1.0));
        values.push(Some(1.0));
        values
    })
}

/// The rule's own, one that looks back, or one on other rules.
fn condition(kind: u8, own: Condition) -> Condition {
    let level = Level { name: "level".to_owned(), alert: AlertSeverity::High, incident: Severity::Sev2 };
    let tier = |comparison, threshold| Tier { level: level.clone(), comparison, threshold, clear: threshold };
    match kind {
        0 => own,
        1 => Condition::Trend {
            tier: tier(Comparison::Above, 9.0),
            trend: Trend { within_seconds: 1800, over_seconds: 900 },
        },
        _ => Condition::Composite {
            level,
            when: crate::composite::Expression::parse("error-rate and not response-time").unwrap(),
        },
    }
}

proptest! {
    /// What the whole columns give is what production finds cycle by cycle, also where cycles are longer than periods, for a rule
    /// with little volume, and for formulas that rest on the window and that do not.
    #[test]
    fn the_past_is_played_as_production_would_have(
        values in values(),
        volume in values(),
        cycle in prop::sample::select(vec![60_u32, 300]),
        formula in prop::sample::select(vec!["", "Input * 1", "FILL(Input, REPEAT)", "Input - MIN(Input)", "ROLLING_SUM(Input, 7) / 4"]),
        at_least in prop::option::of(3.0..6.0_f64),
        kind in 0..3_u8,
    ) {
        let mut catalogue = catalogue();
        catalogue.cycle_seconds = cycle;
        let mut history = history("Input", values.clone());
        history.insert("RequestCount", series(volume));
        let mut input = catalogue.metrics["ErrorRate"].clone();
        input.name = "Input".to_owned();
        catalogue.metrics.insert("Input".to_owned(), input);
        if formula.is_empty() {
            history.insert("ErrorRate", series(values.clone()));
        } else {
            let metric = catalogue.metrics.get_mut("ErrorRate").unwrap();
            metric.source = Source::Formula { expression: formula.to_owned() };
        }
        let mut rule = catalogue.rules["error-rate"].clone();
        rule.min_volume = at_least
            .map(|at_least| crate::catalogue::MinVolume { metric: "RequestCount".to_owned(), at_least });
        rule.condition = condition(kind, rule.condition);
        if kind == 2 {
            rule.name = "both".to_owned();
            let level = rule.condition.levels().next().unwrap().clone();
            let other = catalogue.rules.get_mut("response-time").unwrap();
            (other.metric, other.condition) = ("ErrorRate".to_owned(), Condition::Absence { level });
            // What a formula makes of its whole window rests on how much any rule of the cycle reads.
            other.evaluation = rule.evaluation;
            catalogue.rules.insert("both".to_owned(), rule.clone());
        }
        // Of two inputs the shorter may end while the other goes on; both must be known for the same time here.
        let span = span(i64::try_from(values.len()).unwrap());
        let mut found = Vec::new();
        super::alerts::play(&catalogue, &rule, &history, span, &mut found);
        prop_assert_eq!(found, play_slowly(&catalogue, &rule, &history, span));
    }
}

/// Five weeks by the hour, with two bad hours in the last one: what is found at once is what is found hour by hour.
#[test]
fn weeks_are_played_as_production_would_have() {
    let mut catalogue = catalogue();
    (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (3600, 0);
    catalogue.metrics.get_mut("ErrorRate").unwrap().period_seconds = 3600;
    let mut rule = catalogue.rules["error-rate"].clone();
    let level = rule.condition.levels().next().unwrap().clone();
    rule.condition = Condition::SameHour {
        tier: Tier { level, comparison: Comparison::Below, threshold: 0.5, clear: 0.5 },
        usual: SameHour { weeks: 3, minimum: 0.0, time_zone: "Europe/Zurich".to_owned() },
    };
    let value =
        |hour: i64| f64::from(u8::try_from(hour % 24).unwrap()) + 4.0 - if hour / 2 == 350 { 20.0 } else { 0.0 };
    let samples = (0..800).map(|hour| Sample { at: at(hour * 60), value: value(hour) });
    let mut history = History::default();
    history.insert("ErrorRate", Series::new(Dimensions::new(), samples.collect()));
    let span = Span { from: at(0), to: at(799 * 60) };
    let mut found = Vec::new();
    super::alerts::play(&catalogue, &rule, &history, span, &mut found);
    assert_eq!(found.iter().map(|change| change.at).collect::<Vec<_>>(), [at(702 * 60), at(704 * 60)], "2 of 3 each");
    assert_eq!(found, play_slowly(&catalogue, &rule, &history, span));
}

/// 60 minutes of 1 %, from 02:00 to 02:30 20 %, and well again.
fn errors() -> History {
    history("ErrorRate", (0..240).map(|minute| Some(if (120..150).contains(&minute) { 20.0 } else { 1.0 })))
}

fn play_errors(acknowledged_after: Option<i64>) -> (Catalogue, Played) {
    let mut catalogue = catalogue();
    (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (60, 60);
    let rules: Vec<&Rule> = catalogue.rules.values().collect();
    let played = play(&catalogue, &rules, &errors(), span(240), acknowledged_after.map(SignedDuration::from_mins));
    (catalogue, played)
}

#[test]
fn an_episode_is_an_alert_an_incident_and_its_pages() {
    let (catalogue, played) = play_errors(Some(5));
    // 2 of 3: the period of 02:01 is complete at 02:02, and known a minute later.
    let times: Vec<(Timestamp, Option<Timestamp>)> =
        played.alerts.iter().map(|firing| (firing.from, firing.until)).collect();
    assert_eq!(times, [(at(123), Some(at(153)))]);
    assert_eq!(played.incidents.len(), 1);
    let incident = &played.incidents[0];
    assert_eq!((incident.group.as_str(), incident.severity, incident.is_open()), ("api", Severity::Sev1, false));
    assert_eq!(incident.acknowledgement.as_ref().map(|by| by.at), Some(at(128)));
    let pages: Vec<(Timestamp, u32, bool)> =
        played.pages.iter().map(|page| (page.at, page.level, page.phone)).collect();
    assert_eq!(pages, [(at(123), 1, true)]);

    let summary = summary(&catalogue, &played, span(240), &night(), None);
    assert_eq!((summary.alerts, summary.still_firing, summary.incidents, summary.pages), (1, 0, 1, 1));
    assert_eq!((summary.shortest_seconds, summary.longest_seconds), (Some(1800), Some(1800)));
    assert_eq!((summary.by_phone, summary.by_phone_at_night), (1, 1), "02:03 is night");
    assert!(summary.flapping.is_empty());
    assert_eq!(summary.score, None);
}

#[test]
fn nobody_who_answers_is_an_escalation() {
    let (_, played) = play_errors(None);
    // SEV1: 5 minutes to respond, 15 to escalate, and then it starts over until it has recovered.
    let pages: Vec<(Timestamp, u32)> = played.pages.iter().map(|page| (page.at, page.level)).collect();
    assert_eq!(pages.get(..3), Some(&[(at(123), 1), (at(128), 2), (at(138), 3)][..]), "{pages:?}");
    assert!(pages.iter().all(|(when, _)| *when < at(153)), "nobody is called after it was resolved: {pages:?}");
}

#[test]
fn nothing_is_known_before_the_first_and_after_the_last_sample() {
    let catalogue = catalogue();
    let rule = &catalogue.rules["traffic-absent"];
    let recorded = history("RequestCount", (0..600).map(|minute| (100..200).contains(&minute).then_some(5.0)));
    let played = play(&catalogue, &[rule], &recorded, span(600), None);
    assert_eq!(played.alerts, []);
    let gap = history("RequestCount", (0..600).map(|minute| (!(100..200).contains(&minute)).then_some(5.0)));
    let played = play(&catalogue, &[rule], &gap, span(600), None);
    assert_eq!(played.alerts.len(), 1, "a gap within is data that is absent");
}

#[test]
fn a_metric_that_was_not_recorded_says_nothing() {
    let catalogue = catalogue();
    let rules: Vec<&Rule> = catalogue.rules.values().collect();
    let played = play(&catalogue, &rules, &History::default(), span(600), None);
    assert_eq!((played.evaluations, played.changes.len(), played.incidents.len()), (0, 0, 0));
}

#[test]
fn labels_give_precision_and_recall() {
    let (catalogue, played) = play_errors(Some(5));
    let label =
        |from, until, what: Option<&str>| Label { from: at(from), until: at(until), what: what.map(str::to_owned) };
    let score = |labels: &[Label]| summary(&catalogue, &played, span(240), &night(), Some(labels)).score.unwrap();
    // The alert came 3 minutes after the label began.
    let right = score(&[label(120, 150, Some("error-rate")), label(10, 20, None)]);
    assert_eq!((right.found, right.labels, right.right, right.alerts), (1, 2, 1, 1));
    assert_eq!((right.precision, right.recall), (Some(1.0), Some(0.5)));
    assert_eq!(right.mean_delay_seconds, Some(180.0));
    for what in ["ErrorRate", "api"] {
        assert_eq!(score(&[label(120, 150, Some(what))]).recall, Some(1.0), "{what}");
    }
    let wrong = score(&[label(120, 150, Some("revenue")), label(154, 160, None)]);
    assert_eq!((wrong.precision, wrong.recall, wrong.mean_delay_seconds), (Some(0.0), Some(0.0), None));
    assert_eq!(score(&[]).recall, None);
}

#[test]
fn many_incidents_in_little_time_are_flapping() {
    let mut catalogue = catalogue();
    (catalogue.cycle_seconds, catalogue.ingestion_delay_seconds) = (60, 60);
    // Five minutes each of 20 % and of 1 %.
    let flapping = history("ErrorRate", (0..120).map(|minute| Some(if minute / 5 % 2 == 0 { 1.0 } else { 20.0 })));
    let rules: Vec<&Rule> = catalogue.rules.values().collect();
    let played = play(&catalogue, &rules, &flapping, span(120), Some(SignedDuration::from_mins(1)));
    let summary = summary(&catalogue, &played, span(120), &night(), None);
    assert!(summary.alerts > 5, "{summary:?}");
    let groups: Vec<&str> = summary.flapping.iter().map(GroupKey::as_str).collect();
    assert_eq!(groups, ["api"]);
}

#[test]
fn a_change_is_firing_until_it_is_ok() {
    let (catalogue, played) = play_errors(Some(5));
    assert!(played.changes.iter().all(|change| change.rule.as_deref() == Some("error-rate")));
    let states: Vec<ChangeState> = played.changes.iter().map(|change| change.state).collect();
    assert_eq!(states, [ChangeState::Firing, ChangeState::Ok]);
    let open = super::alerts::firings(&catalogue, &played.changes[..1]);
    assert_eq!((open.len(), open[0].until, open[0].metric.as_str()), (1, None, "ErrorRate"));
}
