use super::*;
use crate::formula::Formula;

const DAY: u32 = 86_400;

fn slo(counts: Counts) -> Slo {
    Slo {
        name: "api".to_owned(),
        description: "Requests succeed.".to_owned(),
        objective: 99.9,
        period_seconds: 30 * DAY,
        total: "Total".to_owned(),
        counted: "Counted".to_owned(),
        counts,
    }
}

/// Windows in minutes, and burn rates.
fn windows(days: u32, period_seconds: u32) -> [(u32, u32, f64); 3] {
    let minutes = |periods: u32| periods * period_seconds / 60;
    burn_windows(days * DAY, period_seconds).map(|window| (minutes(window.long), minutes(window.short), window.limit))
}

#[test]
fn thirty_days_have_the_table_of_the_workbook() {
    // "Table 5-8. Recommended parameters for multiwindow, multi-burn-rate alerts": 2 %, 5 % and 10 % of the budget.
    let table = [(60, 5, 14.4), (360, 30, 6.0), (3 * 24 * 60, 6 * 60, 1.0)];
    assert_eq!(windows(30, 60), table);
    assert_eq!(windows(30, 300), table);
}

#[test]
fn other_periods_have_other_windows_and_the_same_shares() {
    // 90 days: three times as long. 7 days by the minute: 60 x 7 / 30 = 14 minutes, 84, 1008; 14 / 12 is rounded to 1.
    assert_eq!(windows(90, 60), [(180, 15, 14.4), (1080, 90, 6.0), (9 * 24 * 60, 18 * 60, 1.0)]);
    assert_eq!(windows(7, 60), [(14, 1, 14.4), (84, 7, 6.0), (1008, 84, 1.0)]);
    // 14 minutes are rounded to 15, so the limit is lower: 0.02 x 10080 / 15.
    assert_eq!(windows(7, 300)[0], (15, 5, 13.44));
}

/// The burn rate of each minute, by the formula.
fn burn(slo: &Slo, window: &BurnWindow, total: &[Option<f64>], counted: &[Option<f64>]) -> Vec<Option<f64>> {
    let formula = Formula::parse(&burn_formula(slo, window)).unwrap();
    assert_eq!(formula.lookback(), usize::try_from(window.long).unwrap() - 1);
    let input = |name: &str| Some(if name == "Total" { total } else { counted });
    formula.evaluate(&input, total.len())
}

/// How many minutes of an outage pass until a window fires, by the first value of its formula above the limit.
fn detected_after(window: usize, bad_of_thousand: f64) -> Option<usize> {
    let window = burn_windows(30 * DAY, 60)[window];
    let good = 3 * 24 * 60;
    let total = vec![Some(1000.0); 2 * good];
    let counted: Vec<_> = (0..2 * good).map(|minute| (minute >= good).then_some(bad_of_thousand)).collect();
    let rates = burn(&slo(Counts::Bad), &window, &total, &counted);
    let fires = rates.iter().position(|rate| rate.is_some_and(|rate| rate > window.limit));
    fires.map(|minute| minute + 1 - good)
}

#[test]
fn an_outage_is_detected_when_the_workbook_says() {
    // The Workbook: detection takes (1 - objective) / error ratio x window x burn rate. For a full outage of a 99.9 % objective in the
    // window of an hour that is 0.001 / 1 x 60 min x 14.4 = 52 s: within the first minute.
    assert_eq!(detected_after(0, 1000.0), Some(1));
    // One in ten: 0.001 / 0.1 x 60 x 14.4 = 8.64 min. Six hours: 0.001 / 0.1 x 360 x 6 = 21.6. Three days: 43.2.
    assert_eq!(detected_after(0, 100.0), Some(9));
    assert_eq!(detected_after(1, 100.0), Some(22));
    assert_eq!(detected_after(2, 100.0), Some(44));
    // A burn rate of 10 is too slow for the first, and of 1 for all of them.
    assert_eq!(detected_after(0, 10.0), None);
    assert_eq!(detected_after(1, 10.0), Some(217));
    assert_eq!(detected_after(2, 1.0), None);
}

#[test]
fn a_burn_ends_with_the_short_window_and_is_unknown_without_events() {
    let window = burn_windows(30 * DAY, 60)[0];
    // An hour at 2 %, then five good minutes, then no request at all.
    let bad = |minute: usize| Some(if minute < 60 { 20.0 } else { 0.0 });
    let counted: Vec<_> = (0..75).map(|minute| if minute < 65 { bad(minute) } else { None }).collect();
    let total: Vec<_> = (0..75).map(|minute| (minute < 65).then_some(1000.0)).collect();
    let rates = burn(&slo(Counts::Bad), &window, &total, &counted);
    let near = |minute: usize, expected: f64| {
        assert!((rates[minute].unwrap() - expected).abs() < 1e-9, "minute {minute}: {:?}", rates[minute]);
    };
    near(59, 20.0);
    // Two of five minutes were good: 12 a thousand in the short window, still 19.3 in the long one.
    near(61, 12.0);
    near(64, 0.0);
    near(68, 0.0);
    assert_eq!(rates[69..], [None; 6]);
}

#[test]
fn good_events_count_as_well_as_bad_ones() {
    let window = burn_windows(30 * DAY, 60)[0];
    let total = vec![Some(1000.0); 60];
    let good = vec![Some(980.0); 60];
    let bad = vec![Some(20.0); 60];
    let by_good = burn(&slo(Counts::Good), &window, &total, &good);
    assert_eq!(by_good, burn(&slo(Counts::Bad), &window, &total, &bad));
    // Nothing good at all while requests come is a full outage.
    assert_eq!(burn(&slo(Counts::Good), &window, &total, &[])[59], Some(1000.0));
}

#[test]
fn a_budget_is_spent_by_bad_events() {
    // The Workbook's example: a million requests at 99.9 % may have 1,000 errors; 250 of them spend a quarter.
    let spent_of = |counts, counted| spent(&slo(counts), 1e6, counted).unwrap();
    let quarter = spent_of(Counts::Bad, 250.0);
    assert_eq!(
        (quarter.bad, quarter.allowed, quarter.left_percent, quarter.good_percent),
        (250.0, 1000.0, 75.0, 99.975)
    );
    assert_eq!(spent_of(Counts::Good, 1e6 - 250.0), quarter);
    // 15 % of the month's requests fail: 150 budgets.
    let outage = spent_of(Counts::Bad, 150_000.0);
    assert_eq!((outage.bad, outage.left_percent), (150_000.0, -14_900.0));
    assert_eq!(Some(spent_of(Counts::Bad, 2e6)), spent(&slo(Counts::Bad), 1e6, 1e6));
    assert_eq!(spent(&slo(Counts::Bad), 0.0, 0.0), None);
    assert_eq!(spent(&slo(Counts::Bad), f64::NAN, 0.0), None);
}
