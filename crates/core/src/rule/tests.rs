use serde::Deserialize;

use super::*;
use crate::catalogue::{AlertSeverity, Level, Severity};

mod outlooks;
mod properties;

const TREATMENTS: [MissingData; 4] =
    [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];

fn level(name: &str) -> Level {
    Level { name: name.to_owned(), alert: AlertSeverity::High, incident: Severity::Sev2 }
}

fn tier(comparison: Comparison, threshold: f64, clear: f64) -> Tier {
    Tier { level: level("level"), comparison, threshold, clear }
}

/// Breaches above each of the thresholds; none clears later than it fires.
fn above(thresholds: &[f64]) -> Condition {
    let tiers = thresholds.iter().map(|threshold| tier(Comparison::Above, *threshold, *threshold)).collect();
    Condition::Threshold { tiers }
}

fn absence() -> Condition {
    Condition::Absence { level: level("absent") }
}

fn m_of_n(datapoints: u32, periods: u32, missing: MissingData) -> Evaluation {
    Evaluation { periods, datapoints, missing, clear_after: 1 }
}

/// `0 - X`: 0 is 0, X is 1, a number is itself, - is missing.
fn points(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace()
        .map(|point| match point {
            "-" => None,
            "X" => Some(1.0),
            number => Some(number.parse().unwrap()),
        })
        .collect()
}

fn check(condition: &Condition, evaluation: Evaluation, text: &str, firing: Option<usize>, expected: Outcome) {
    let verdict = evaluate(condition, &evaluation, &points(text), firing);
    assert_eq!(verdict.outcome, expected, "{text} with {evaluation:?}, firing {firing:?}");
}

const ALARM: Outcome = Outcome::Alarm { level: 0 };

mod cloudwatch_tables {
    use super::*;

    #[derive(Deserialize)]
    struct Specification {
        evaluation_range: usize,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        evaluation_periods: u32,
        datapoints_to_alarm: u32,
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        datapoints: Vec<String>,
        to_fill: u32,
        state: std::collections::BTreeMap<String, String>,
    }

    fn specification() -> Specification {
        serde_json::from_str(include_str!("../../../../tests/fixtures/cloudwatch-alarm-missing-data.json")).unwrap()
    }

    #[test]
    fn every_row_gives_the_state_that_aws_documents() {
        let mut compared = 0;
        for case in specification().cases {
            for row in case.rows {
                let datapoints = points(&row.datapoints.join(" "));
                for missing in TREATMENTS {
                    let evaluation = m_of_n(case.datapoints_to_alarm, case.evaluation_periods, missing);
                    let treatment = serde_json::to_value(missing).unwrap();
                    let expected = row.state[treatment.as_str().unwrap()].as_str();
                    let actual = match evaluate(&above(&[0.5]), &evaluation, &datapoints, None).outcome {
                        // Both are OK to CloudWatch.
                        Outcome::Ok | Outcome::Pending => "OK",
                        Outcome::Alarm { level: 0 } => "ALARM",
                        Outcome::InsufficientData => "INSUFFICIENT_DATA",
                        Outcome::Retain => "RETAIN",
                        Outcome::Alarm { .. } => "a level that is not there",
                    };
                    assert_eq!(actual, expected, "{:?} with {evaluation:?}", row.datapoints);
                    compared += 1;
                }
            }
        }
        assert_eq!(compared, 40, "two tables of five rows and four treatments");
    }

    #[test]
    fn as_many_are_filled_in_as_aws_documents() {
        for case in specification().cases {
            for row in case.rows {
                let tally = Tally::of(&points(&row.datapoints.join(" ")), case.evaluation_periods, |value| value > 0.5);
                assert_eq!(case.evaluation_periods - tally.real, row.to_fill, "{:?}", row.datapoints);
            }
        }
    }

    #[test]
    fn the_range_is_the_documented_one() {
        let specification = specification();
        for case in specification.cases {
            let evaluation = m_of_n(case.datapoints_to_alarm, case.evaluation_periods, MissingData::Missing);
            assert_eq!(evaluation_range(&evaluation), specification.evaluation_range);
        }
    }
}

#[test]
fn a_lone_young_datapoint_is_no_alarm_yet() {
    // The note of the specification: with 3 of 3 neither goes to ALARM, the next period's does.
    let evaluation = m_of_n(3, 3, MissingData::Missing);
    check(&above(&[0.5]), evaluation, "- - - - X", None, Outcome::Pending);
    check(&above(&[0.5]), evaluation, "- - - X -", None, Outcome::Pending);
    check(&above(&[0.5]), evaluation, "- - X - -", None, ALARM);
    check(&above(&[0.5]), evaluation, "- - X - 0", None, Outcome::Pending);
}

#[test]
fn missing_data_beyond_the_tables() {
    let three = |missing| m_of_n(3, 3, missing);
    let two_of_three = |missing| m_of_n(2, 3, missing);
    for (evaluation, text, expected) in [
        // Still the newest thing known, until it leaves the range.
        (three(MissingData::Missing), "- X - - -", ALARM),
        (three(MissingData::Missing), "X - - - -", ALARM),
        (three(MissingData::Missing), "X - - - - -", Outcome::InsufficientData),
        // Old enough, and only breaching ones since.
        (three(MissingData::Missing), "- - X - X", ALARM),
        (three(MissingData::Missing), "- - - X X", Outcome::Pending),
        // A good datapoint forbids a premature alarm, before or after.
        (three(MissingData::Missing), "- 0 X - -", Outcome::Pending),
        (three(MissingData::Missing), "- - X 0 -", Outcome::Pending),
        // Enough real datapoints decide, whatever the treatment.
        (two_of_three(MissingData::NotBreaching), "- - X - X", ALARM),
        (two_of_three(MissingData::Ignore), "- - X - X", ALARM),
        (three(MissingData::Breaching), "0 - 0 - 0", Outcome::Ok),
        (three(MissingData::Breaching), "X - 0 X -", Outcome::Pending),
        (three(MissingData::Breaching), "- - 0 - -", Outcome::Ok),
        // As few are filled in as possible: one, and two breach with it.
        (three(MissingData::Breaching), "- - X X -", ALARM),
        (three(MissingData::NotBreaching), "- - X X -", Outcome::Pending),
        // Ignored: nothing good was measured.
        (three(MissingData::Ignore), "- - - - X", Outcome::Retain),
        (three(MissingData::Ignore), "- - 0 - X", Outcome::Pending),
        // A window that is shorter than the range, as at a start.
        (three(MissingData::Missing), "", Outcome::InsufficientData),
        (three(MissingData::Ignore), "", Outcome::Retain),
        (three(MissingData::Breaching), "", ALARM),
        (three(MissingData::NotBreaching), "", Outcome::Ok),
        (three(MissingData::Missing), "0", Outcome::Ok),
        (m_of_n(1, 1, MissingData::Missing), "X", ALARM),
        // What is older than the range does not count.
        (m_of_n(1, 1, MissingData::Missing), "X - - -", Outcome::InsufficientData),
        (m_of_n(1, 1, MissingData::Missing), "X - -", ALARM),
    ] {
        check(&above(&[0.5]), evaluation, text, None, expected);
    }
}

#[test]
fn every_comparison_breaches_on_its_side() {
    let evaluation = m_of_n(1, 1, MissingData::Missing);
    for (comparison, below, equal, beyond) in [
        (Comparison::Above, Outcome::Ok, Outcome::Ok, ALARM),
        (Comparison::AtLeast, Outcome::Ok, ALARM, ALARM),
        (Comparison::Below, ALARM, Outcome::Ok, Outcome::Ok),
        (Comparison::AtMost, ALARM, ALARM, Outcome::Ok),
    ] {
        let condition = Condition::Threshold { tiers: vec![tier(comparison, 10.0, 10.0)] };
        check(&condition, evaluation, "9", None, below);
        check(&condition, evaluation, "10", None, equal);
        check(&condition, evaluation, "11", None, beyond);
    }
}

#[test]
fn the_worst_tier_wins() {
    let condition = above(&[5.0, 10.0]);
    let evaluation = m_of_n(2, 3, MissingData::Missing);
    for (text, expected) in [
        ("1 1 1", Outcome::Ok),
        ("1 1 6", Outcome::Pending),
        ("1 12 1", Outcome::Pending),
        ("1 6 6", Outcome::Alarm { level: 0 }),
        ("1 6 12", Outcome::Alarm { level: 0 }),
        ("1 12 12", Outcome::Alarm { level: 1 }),
        ("12 6 12", Outcome::Alarm { level: 1 }),
    ] {
        check(&condition, evaluation, text, None, expected);
    }
    // One tier retains and the other is OK: the state stays.
    check(&condition, m_of_n(3, 3, MissingData::Ignore), "- - 6 - -", None, Outcome::Retain);
    check(&above(&[]), evaluation, "1 1 1", None, Outcome::InsufficientData);
}

#[test]
fn a_verdict_says_what_it_rests_on() {
    for (missing, text, value, breaching, measured) in [
        (MissingData::Missing, "7 1 6 6 -", Some(6.0), 2, true),
        (MissingData::Missing, "7 7 6 6 -", Some(6.0), 3, false),
        // Not among the newest three.
        (MissingData::Missing, "1 1 6 6 6", Some(6.0), 3, false),
        (MissingData::NotBreaching, "- - - - -", None, 0, false),
        (MissingData::NotBreaching, "- - - - 1", Some(1.0), 0, true),
        (MissingData::NotBreaching, "1 - - - - - -", None, 0, false),
        (MissingData::Breaching, "- - - - -", None, 0, false),
    ] {
        let verdict = evaluate(&above(&[5.0]), &m_of_n(3, 3, missing), &points(text), None);
        assert_eq!((verdict.value, verdict.breaching, verdict.measured), (value, breaching, measured), "{text}");
    }
}

mod hysteresis {
    use super::*;

    /// Warning above 5, clear at 4; critical above 10, clear at 8.
    fn condition() -> Condition {
        Condition::Threshold { tiers: vec![tier(Comparison::Above, 5.0, 4.0), tier(Comparison::Above, 10.0, 8.0)] }
    }

    #[test]
    fn a_firing_tier_holds_until_the_value_is_clear() {
        let evaluation = m_of_n(1, 1, MissingData::Missing);
        for (text, firing, expected) in [
            ("4.5", None, Outcome::Ok),
            ("4.5", Some(0), Outcome::Alarm { level: 0 }),
            ("4", Some(0), Outcome::Ok),
            // Only the tiers up to the firing one hold.
            ("9", Some(0), Outcome::Alarm { level: 0 }),
            ("9", Some(1), Outcome::Alarm { level: 1 }),
            ("8", Some(1), Outcome::Alarm { level: 0 }),
            ("4.5", Some(1), Outcome::Alarm { level: 0 }),
            ("4", Some(1), Outcome::Ok),
            // Worse is worse at once.
            ("11", Some(0), Outcome::Alarm { level: 1 }),
            // A catalogue with fewer tiers than the one that fired.
            ("4", Some(7), Outcome::Ok),
        ] {
            check(&condition(), evaluation, text, firing, expected);
        }
    }

    #[test]
    fn holding_works_downwards_too() {
        let condition = Condition::Threshold { tiers: vec![tier(Comparison::Below, 99.0, 99.5)] };
        let evaluation = m_of_n(1, 1, MissingData::Missing);
        check(&condition, evaluation, "99.2", None, Outcome::Ok);
        check(&condition, evaluation, "99.2", Some(0), ALARM);
        check(&condition, evaluation, "99.5", Some(0), Outcome::Ok);
    }

    #[test]
    fn ok_waits_for_as_many_good_datapoints_as_asked() {
        let clear_after = |missing| Evaluation { clear_after: 3, ..m_of_n(1, 1, missing) };
        for (missing, text, firing, expected) in [
            (MissingData::Missing, "9 1 1", Some(0), Outcome::Retain),
            (MissingData::Missing, "9 1 1 1", Some(0), Outcome::Ok),
            (MissingData::Missing, "9 1 1 1", Some(1), Outcome::Ok),
            (MissingData::Missing, "9 1 1", None, Outcome::Ok),
            // Beyond `clear`, though not beyond `threshold`.
            (MissingData::Missing, "4.5 1 1", Some(0), Outcome::Retain),
            // A missing one is not good.
            (MissingData::Missing, "1 1 1 -", Some(0), Outcome::Retain),
            (MissingData::Ignore, "1 1 - 1", Some(0), Outcome::Retain),
            (MissingData::Breaching, "1 1 - 1", Some(0), Outcome::Retain),
            (MissingData::Missing, "1 1", Some(0), Outcome::Retain),
            // Unless the user said that it is.
            (MissingData::NotBreaching, "1 1 - 1", Some(0), Outcome::Ok),
            (MissingData::NotBreaching, "9 - 1", Some(0), Outcome::Retain),
            // No data at all stays what it is.
            (MissingData::Missing, "1 - - -", Some(0), Outcome::InsufficientData),
        ] {
            check(&condition(), clear_after(missing), text, firing, expected);
        }
        assert_eq!(evaluation_range(&Evaluation { clear_after: 9, ..m_of_n(2, 3, MissingData::Missing) }), 9);
    }

    #[test]
    fn an_ok_of_nothing_but_missing_data_is_not_measured() {
        let verdict = evaluate(&condition(), &m_of_n(2, 3, MissingData::NotBreaching), &[None; 5], Some(1));
        assert_eq!((verdict.outcome, verdict.measured), (Outcome::Ok, false));
    }
}

#[test]
fn absence_is_m_of_the_newest_n_periods() {
    let two_of_three = m_of_n(2, 3, MissingData::Missing);
    for (text, expected, absent) in [
        ("1 1 1", Outcome::Ok, 0),
        ("1 - 1", Outcome::Pending, 1),
        ("1 - -", ALARM, 2),
        ("- 1 -", ALARM, 2),
        ("- - 1 1 1", Outcome::Ok, 0),
        ("", ALARM, 3),
        ("1", ALARM, 2),
    ] {
        let verdict = evaluate(&absence(), &two_of_three, &points(text), None);
        assert_eq!((verdict.outcome, verdict.breaching), (expected, absent), "{text}");
    }
    let not_a_number = [Some(f64::NAN), Some(f64::INFINITY), Some(1.0)];
    assert_eq!(evaluate(&absence(), &two_of_three, &not_a_number, None).outcome, ALARM);

    let clear_after = Evaluation { clear_after: 2, ..m_of_n(1, 1, MissingData::Missing) };
    check(&absence(), clear_after, "- 1", Some(0), Outcome::Retain);
    check(&absence(), clear_after, "- 1", None, Outcome::Ok);
    check(&absence(), clear_after, "- 1 1", Some(0), Outcome::Ok);
}

#[test]
fn a_single_value_has_a_level() {
    let condition = above(&[5.0, 10.0]);
    for (value, expected) in [(5.0, None), (6.0, Some(0)), (10.5, Some(1)), (f64::NAN, None), (f64::INFINITY, None)] {
        assert_eq!(static_level(&condition, value), expected, "{value}");
    }
    assert_eq!(static_level(&absence(), 1.0), None);
}

#[test]
fn datapoints_with_little_behind_them_are_missing() {
    for (datapoints, volume, expected) in [
        ("50 50 50 50", "9 10 11 -", "- 50 50 -"),
        ("- 50", "100 100", "- 50"),
        // Both end with the same period.
        ("50 50 50", "100", "- - 50"),
        ("50", "1 100", "50"),
        ("", "100", ""),
    ] {
        let mut masked = points(datapoints);
        mask_low_volume(&mut masked, &points(volume), 10.0);
        assert_eq!(masked, points(expected), "{datapoints} with {volume}");
    }
    let mut masked = points("50 50");
    mask_low_volume(&mut masked, &[Some(f64::NAN), Some(f64::INFINITY)], 10.0);
    assert_eq!(masked, points("- -"));
}

mod hours {
    use super::*;

    fn check(hours: &ActiveHours, cases: &[(&str, bool)]) {
        for (at, expected) in cases {
            assert_eq!(is_active(hours, at.parse().unwrap()), *expected, "{at} in {hours:?}");
        }
    }

    fn new_york(from_hour: u8, to_hour: u8, weekdays: &[u8]) -> ActiveHours {
        ActiveHours { from_hour, to_hour, weekdays: weekdays.to_vec(), time_zone: "America/New_York".to_owned() }
    }

    #[test]
    fn business_hours_follow_the_wall_clock_through_both_changes() {
        // Clocks go forward on Sunday 8 March 2026 and back on Sunday 1 November 2026.
        check(
            &new_york(9, 17, &[1, 2, 3, 4, 5]),
            &[
                // Friday, UTC-5.
                ("2026-03-06T13:59:59Z", false),
                ("2026-03-06T14:00:00Z", true),
                ("2026-03-06T21:59:59Z", true),
                ("2026-03-06T22:00:00Z", false),
                // Sunday noon.
                ("2026-03-08T16:00:00Z", false),
                // Monday, UTC-4.
                ("2026-03-09T12:59:59Z", false),
                ("2026-03-09T13:00:00Z", true),
                ("2026-03-09T20:59:59Z", true),
                ("2026-03-09T21:00:00Z", false),
                // Friday, UTC-4, and Monday, UTC-5.
                ("2026-10-30T13:00:00Z", true),
                ("2026-11-02T13:00:00Z", false),
                ("2026-11-02T14:00:00Z", true),
            ],
        );
    }

    #[test]
    fn an_hour_that_is_skipped_or_happens_twice() {
        // At 7:00 UTC two o'clock becomes three.
        check(&new_york(2, 3, &[7]), &[("2026-03-08T06:59:59Z", false), ("2026-03-08T07:00:00Z", false)]);
        check(&new_york(1, 2, &[7]), &[("2026-03-08T06:59:59Z", true), ("2026-03-08T07:00:00Z", false)]);
        // At 6:00 UTC two o'clock becomes one again.
        check(
            &new_york(1, 2, &[7]),
            &[
                ("2026-11-01T04:59:59Z", false),
                ("2026-11-01T05:00:00Z", true),
                ("2026-11-01T06:59:59Z", true),
                ("2026-11-01T07:00:00Z", false),
            ],
        );
    }

    #[test]
    fn the_edges() {
        let all = [1, 2, 3, 4, 5, 6, 7];
        // Midnight in New York, when it is Monday in UTC and Sunday there, and then Monday in both.
        check(
            &new_york(0, 24, &[1]),
            &[("2026-11-23T04:59:59Z", false), ("2026-11-23T05:00:00Z", true), ("2026-11-24T04:59:59Z", true)],
        );
        check(&new_york(0, 24, &[]), &[("2026-11-23T12:00:00Z", false)]);
        check(&new_york(17, 9, &all), &[("2026-11-23T12:00:00Z", false)]);
        let unknown = ActiveHours { time_zone: "Mars/Olympus".to_owned(), ..new_york(9, 17, &[1]) };
        check(&unknown, &[("2026-11-22T03:00:00Z", true)]);
    }
}

mod names {
    use super::*;

    fn dimensions(pairs: &[(&str, &str)]) -> Dimensions {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn name(pairs: &[(&str, &str)]) -> String {
        alarm_name("ai-nutritionist", "lambda-duration", "critical", &dimensions(pairs))
    }

    #[test]
    fn an_alarm_is_named_after_what_it_watches() {
        assert_eq!(
            alarm_name("ai-nutritionist", "error-rate", "critical", &dimensions(&[])),
            "ai-nutritionist-error-rate-critical"
        );
        assert_eq!(name(&[("FunctionName", "api")]), "ai-nutritionist-lambda-duration-critical-FunctionName=api");
        assert_eq!(
            name(&[("Stage", "prod"), ("ApiName", "GET /meals")]),
            "ai-nutritionist-lambda-duration-critical-ApiName=GET /meals,Stage=prod"
        );
    }

    #[test]
    fn what_is_changed_or_cut_stays_unique() {
        let long = "x".repeat(300);
        let longer = "x".repeat(301);
        let names = [
            name(&[("FunctionName", "caf\u{e9}")]),
            name(&[("FunctionName", "caf\u{e8}")]),
            name(&[("FunctionName", "caf_")]),
            name(&[("FunctionName", "a\nb")]),
            name(&[("FunctionName", &long)]),
            name(&[("FunctionName", &longer)]),
            name(&[("A", "x,B=y")]),
            name(&[("A", "x"), ("B", "y")]),
            name(&[("A", "x,B=y,C=z")]),
            name(&[("A", "x,B=y"), ("C", "z")]),
            name(&[("A", "x"), ("B", "y,C=z")]),
        ];
        let unique: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len(), "{names:#?}");
        for name in &names {
            assert!(name.len() <= 223 && name.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{name}");
        }
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // Test vectors of the FNV authors.
        for (text, expected) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fnv1a(FNV_OFFSET, text.as_bytes()), expected, "{text}");
        }
    }
}
