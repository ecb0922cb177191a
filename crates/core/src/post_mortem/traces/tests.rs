use super::*;
use crate::alert::{AlertKey, ChangeState};
use crate::metric::Series;
use crate::post_mortem::reading::reads;

fn at(text: &str) -> Timestamp {
    format!("2026-11-23T{text}:00Z").parse().unwrap()
}

/// An incident of these rules, which fired at these times, over at a time.
fn incident(rules: &[(&str, &str)], ended_at: &str) -> Incident {
    let json = serde_json::json!({
        "schema": 1, "incident_id": "INC-1", "version": 1, "group": "api", "title": "t", "severity": "SEV1", "status": "resolved",
        "runbook": null, "onset": at(rules[0].1), "opened_at": at(rules[0].1), "updated_at": at(ended_at), "alerts": {}, "beyond": [],
        "acknowledgement": null, "resolution": { "at": at(ended_at), "by": "recovery" },
        "escalation": { "level": 1, "round": 0, "first_round": 0, "started_at": at(rules[0].1) },
        "wake_at": null, "pages": {}, "threads": {}, "next_entry": 1, "next_effect": 1,
    });
    let mut incident: Incident = serde_json::from_value(json).unwrap();
    for (rule, since) in rules {
        let member = Member {
            state: ChangeState::Ok,
            at: at(ended_at),
            since: at(since),
            title: (*rule).to_owned(),
            level: crate::catalogue::AlertSeverity::Critical,
            severity: crate::catalogue::Severity::Sev1,
            dimensions: Dimensions::new(),
            value: None,
            comparison: None,
            threshold: None,
            unit: Unit::Percent,
            runbook: None,
            quote: None,
            expected: None,
        };
        incident.alerts.insert(AlertKey::new(rule, &Dimensions::new(), None), member);
    }
    incident
}

fn catalogue() -> Catalogue {
    crate::example_catalogue::catalogue()
}

/// What a metric reads in the minute that begins so many minutes after midnight.
type Reading<'a> = &'a dyn Fn(&str, i64) -> Option<f64>;

fn read(incident: &Incident, known: &[Trace], reading: Reading<'_>) -> Vec<Trace> {
    read_of(&catalogue(), incident, known, reading)
}

fn read_of(catalogue: &Catalogue, incident: &Incident, known: &[Trace], reading: Reading<'_>) -> Vec<Trace> {
    let now = at("23:00");
    let reads = reads(catalogue, &wants(catalogue, incident, known, now));
    let answers: Vec<Result<Vec<Series>, String>> = reads
        .iter()
        .map(|want| {
            let period = i64::from(want.period_seconds);
            let count = i64::try_from(want.periods()).unwrap();
            let samples = (0..count).filter_map(|index| {
                let begins = want.start + SignedDuration::from_secs(index * period);
                let minute = (begins.as_second() - at("00:00").as_second()) / 60;
                Some(Sample { at: begins, value: reading(&want.metric, minute)? })
            });
            Ok(vec![Series::new(want.dimensions.clone(), samples.collect())])
        })
        .collect();
    traces(catalogue, incident, known, &Readings::new(reads, answers), now)
}

#[track_caller]
fn began(traces: &[Trace]) -> (String, Timestamp) {
    let (trace, onset) = first_onset(traces).expect("something began");
    (trace.label(), onset.at)
}

/// `ErrorRate` goes from 0.8 % to 1.2 % in five steps, over and over; from 15:00 on it is 20 %.
fn errors(minute: i64) -> f64 {
    let steps = [0.8, 0.9, 1.0, 1.1, 1.2];
    if minute >= 900 { 20.0 } else { steps[usize::try_from(minute % 5).unwrap()] }
}

#[test]
fn it_began_with_the_first_bad_minute_before_the_alert() {
    let incident = incident(&[("error-rate", "15:04")], "15:30");
    let traces = read(&incident, &[], &|_, minute| Some(errors(minute)));
    assert_eq!(began(&traces), ("ErrorRate".to_owned(), at("15:00")));
    let onset = traces[0].onset().unwrap();
    // The median is 1, the median deviation from it 0.1, and 4 * 1.4826 * 0.1 is 0.593.
    let (least, most) = onset.usual.unwrap();
    assert!((least - 0.407).abs() < 0.001 && (most - 1.593).abs() < 0.001, "{least} to {most}");
    assert_eq!(onset.value, Some(20.0));
    let labels: Vec<&str> = traces[0].thresholds.iter().map(|limit| limit.label.as_str()).collect();
    assert_eq!(labels, ["warning above 5 %", "critical above 10 %"]);
}

#[test]
fn it_began_when_it_left_what_was_usual_though_no_threshold_was_crossed_yet() {
    // 2 % is below the warning, and twice what was usual.
    let incident = incident(&[("error-rate", "15:04")], "15:30");
    let traces =
        read(&incident, &[], &|_, minute| if (890..900).contains(&minute) { Some(2.0) } else { Some(errors(minute)) });
    assert_eq!(began(&traces).1, at("14:50"));
    // To the good side nothing begins.
    let traces =
        read(&incident, &[], &|_, minute| if (890..900).contains(&minute) { Some(0.0) } else { Some(errors(minute)) });
    assert_eq!(began(&traces).1, at("15:00"));
}

#[test]
fn one_good_minute_or_a_gap_of_one_does_not_begin_it_anew_and_two_do() {
    let incident = incident(&[("error-rate", "15:08")], "15:30");
    for (until, expected) in [(904, "15:00"), (905, "15:05")] {
        for filler in [None, Some(1.0)] {
            let reading = |_: &str, minute| if (903..until).contains(&minute) { filler } else { Some(errors(minute)) };
            assert_eq!(began(&read(&incident, &[], &reading)).1, at(expected), "{until} {filler:?}");
        }
    }
}

#[test]
fn the_metric_that_left_first_tells_when_it_began() {
    let incident = incident(&[("error-rate", "15:04"), ("response-time", "15:06")], "15:30");
    let reading = |metric: &str, minute| match metric {
        "ResponseTime" => Some(if minute >= 897 { 6000.0 } else { 400.0 }),
        _ => Some(errors(minute)),
    };
    let traces = read(&incident, &[], &reading);
    assert_eq!(traces.iter().map(Trace::label).collect::<Vec<_>>(), ["ErrorRate", "ResponseTime"]);
    assert_eq!(began(&traces), ("ResponseTime".to_owned(), at("14:57")));
}

#[test]
fn what_is_bad_by_its_absence_began_when_the_data_ended() {
    let incident = incident(&[("traffic-absent", "15:04")], "15:30");
    let traces = read(&incident, &[], &|_, minute| (minute < 898).then_some(400.0));
    let onset = traces[0].onset().unwrap();
    assert_eq!((onset.at, onset.value, onset.usual), (at("14:58"), None, None));
}

#[test]
fn without_data_or_a_metric_there_is_no_onset_and_it_says_why() {
    let one = incident(&[("error-rate", "15:04")], "15:30");
    let traces = read(&one, &[], &|_, _| None);
    let reason = "there is no data of ErrorRate around it".to_owned();
    assert_eq!(traces[0].outcome, Measured::Unavailable { reason });
    assert_eq!(read(&incident(&[("suite:canary", "15:04")], "15:30"), &[], &|_, _| None), []);
    // Well all the time: the alert was wrong, or by hand.
    let traces = read(&one, &[], &|_, _| Some(1.0));
    assert!(first_onset(&traces).is_none() && traces[0].samples().len() > 120);
}

#[test]
fn a_long_incident_is_kept_with_its_peaks() {
    let mut one = incident(&[("error-rate", "02:04")], "22:00");
    one.resolution.as_mut().unwrap().at = at("22:00");
    let traces = read(&one, &[], &|_, minute| Some(if minute == 1000 { 99.0 } else { 20.0 }));
    let samples = traces[0].samples();
    assert!(samples.len() <= 300, "{}", samples.len());
    assert_eq!(samples.iter().filter(|sample| (sample.value - 99.0).abs() < 0.1).count(), 1);
    assert!(traces[0].period_seconds.is_multiple_of(60) && samples.last().unwrap().at < at("22:00"));
}

#[test]
fn what_is_known_is_not_read_again() {
    let incident = incident(&[("error-rate", "15:04")], "15:30");
    let known = read(&incident, &[], &|_, minute| Some(errors(minute)));
    assert_eq!(wants(&catalogue(), &incident, &known, at("23:00")), []);
    assert_eq!(read(&incident, &known, &|_, _| None), known);
}

#[test]
fn what_a_detector_watches_began_when_it_left_the_usual_on_its_side() {
    use crate::catalogue::{Condition, Detection, Direction};
    let incident = incident(&[("error-rate", "15:04")], "15:30");
    for (direction, value, expected) in [
        (Direction::Both, 0.1, Some("14:58")),
        (Direction::Both, 3.0, Some("14:58")),
        (Direction::Below, 0.1, Some("14:58")),
        (Direction::Below, 3.0, None),
        (Direction::Above, 0.1, None),
    ] {
        let mut catalogue = catalogue();
        let rule = catalogue.rules.get_mut("error-rate").unwrap();
        let level = rule.condition.levels().next().unwrap().clone();
        rule.condition = Condition::Anomaly { level, detection: Detection { direction, ..Detection::default() } };
        let reading = |_: &str, minute| if minute >= 898 { Some(value) } else { Some(errors(minute)) };
        let traces = read_of(&catalogue, &incident, &[], &reading);
        assert_eq!(first_onset(&traces).map(|(_, onset)| onset.at), expected.map(at), "{direction:?} {value}");
        assert_eq!(traces[0].thresholds, [], "it has none");
    }
}

#[test]
fn what_a_detector_expected_is_drawn_with_the_metric() {
    let mut incident = incident(&[("error-rate", "15:04")], "15:30");
    incident.alerts.values_mut().next().unwrap().expected = Some(crate::metric::Range { low: 0.5, high: 4.0 });
    let traces = read(&incident, &[], &|_, minute| Some(errors(minute)));
    let drawn: Vec<(&str, f64)> =
        traces[0].thresholds.iter().map(|limit| (limit.label.as_str(), limit.value)).collect();
    let expected = [("expected up to 4 % when it fired", 4.0), ("expected from 0.5 % when it fired", 0.5)];
    assert_eq!(drawn[drawn.len() - 2..], expected);
}
