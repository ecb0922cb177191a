use std::collections::BTreeMap;

use super::*;
use crate::catalogue::{Category, Impact, Source as Origin};
use crate::metric::{Dimensions, Sample, Series};
use crate::post_mortem::reading::reads;

/// `2026-11-23` is a Monday.
fn at(text: &str) -> Timestamp {
    format!("2026-{text}:00Z").parse().unwrap()
}

/// A shop that counts what failed by the minute and its revenue by the hour.
fn catalogue() -> Catalogue {
    let mut catalogue = crate::example_catalogue::catalogue();
    catalogue.ingestion_delay_seconds = 60;
    let metric = |name: &str, unit, period_seconds, sets: Vec<Dimensions>| Metric {
        name: name.to_owned(),
        category: Category::Business,
        description: name.to_owned(),
        unit,
        period_seconds,
        source: Origin::Cloudwatch {
            namespace: "Shop".to_owned(),
            metric_name: name.to_owned(),
            statistic: "Sum".to_owned(),
        },
        dimensions: sets,
        files: Vec::new(),
    };
    let shop = |name: &str| Dimensions::from([("Shop".to_owned(), name.to_owned())]);
    for metric in [
        metric("Failed", Unit::Count, 60, vec![Dimensions::new()]),
        metric("Revenue", Unit::UsdPerHour, 3600, vec![Dimensions::new()]),
        metric("Orders", Unit::CountPerHour, 3600, vec![shop("a"), shop("b")]),
    ] {
        catalogue.metrics.insert(metric.name.clone(), metric);
    }
    catalogue
}

fn counting(metric: &str, title: &str, count: Count) -> Catalogue {
    let mut catalogue = catalogue();
    let measure = Measure { metric: metric.to_owned(), title: title.to_owned(), count };
    catalogue.impact = Impact { time_zone: "America/New_York".to_owned(), measures: vec![measure] };
    catalogue
}

/// What the periods hold that begin at these times.
type Data = BTreeMap<Timestamp, f64>;

fn hours(values: &[(&str, f64)]) -> Data {
    values.iter().map(|(text, value)| (at(text), *value)).collect()
}

/// Each series reads the same data; a failing source gives its reason.
fn losses(
    catalogue: &Catalogue,
    lasted: (&str, &str),
    now: &str,
    data: &Result<Data, String>,
    known: &[Loss],
) -> Vec<Loss> {
    let (lasted, now) = ((at(lasted.0), at(lasted.1)), at(now));
    let reads = reads(catalogue, &wants(catalogue, lasted, known, now));
    let answers: Vec<Result<Vec<Series>, String>> = reads
        .iter()
        .map(|read| {
            let inside = data.as_ref().map_err(Clone::clone)?.range(read.start..read.end);
            let samples = inside.map(|(at, value)| Sample { at: *at, value: *value }).collect();
            Ok(vec![Series::new(read.dimensions.clone(), samples)])
        })
        .collect();
    super::losses(catalogue, lasted, known, &Readings::new(reads, answers), now)
}

#[track_caller]
fn says(losses: &[Loss], expected: &str) {
    let text: Vec<String> = statements(losses).iter().map(Statement::text).collect();
    assert_eq!(text, [expected]);
}

/// 15:00 to 17:00 on Mondays; the median of 280, 300, 320 and 360 is 310.
fn earlier_mondays() -> Data {
    hours(&[
        ("11-16T15:00", 100.0),
        ("11-16T16:00", 180.0),
        ("11-09T15:00", 140.0),
        ("11-09T16:00", 160.0),
        ("11-02T15:00", 160.0),
        ("11-02T16:00", 160.0),
        ("10-26T14:00", 180.0),
        ("10-26T15:00", 180.0),
    ])
}

fn with(more: &[(&str, f64)]) -> Data {
    earlier_mondays().into_iter().chain(hours(more)).collect()
}

#[test]
fn a_shortfall_is_what_the_median_of_the_same_hours_had_more() {
    let catalogue = counting("Revenue", "Revenue lost", Count::Shortfall);
    // Whole hours around 15:20 to 16:40. New York changed its clocks on 1 November: at the end of October its morning of
    // 15:00 UTC was an hour earlier.
    let data = Ok(with(&[("11-23T15:00", 20.0), ("11-23T16:00", 30.0)]));
    let losses = losses(&catalogue, ("11-23T15:20", "11-23T16:40"), "11-23T17:01", &data, &[]);
    says(
        &losses,
        "Revenue lost: about $260, between $230 and $310: there was $50 from 2026-11-23 15:00 UTC to 2026-11-23 17:00 UTC, and the \
         same hours of 4 earlier weeks had $310 (median; $280 to $360).",
    );
    assert!(losses[0].is_complete() && losses[0].complete_at(&catalogue).is_none());
}

#[test]
fn a_shortfall_that_weeks_differ_by_may_be_none() {
    let catalogue = counting("Revenue", "Revenue lost", Count::Shortfall);
    let lasted = ("11-23T15:20", "11-23T16:40");
    for (first, expected) in [(110.0, "perhaps $20, between none and $70"), (200.0, "none that shows")] {
        let data = Ok(with(&[("11-23T15:00", first), ("11-23T16:00", 180.0)]));
        let losses = losses(&catalogue, lasted, "11-23T17:01", &data, &[]);
        let text = statements(&losses)[0].text();
        assert!(text.starts_with(&format!("Revenue lost: {expected}: there was")), "{text}");
    }
}

#[test]
fn a_gap_may_be_nothing_that_happened_or_nothing_that_was_measured() {
    let catalogue = counting("Revenue", "Revenue lost", Count::Shortfall);
    // Of the hour that has data, the weeks before had 100, 140, 160 and 180: at least 80 is lost.
    let data = Ok(with(&[("11-23T15:00", 20.0)]));
    let losses = losses(&catalogue, ("11-23T15:20", "11-23T16:40"), "11-23T17:01", &data, &[]);
    let text = statements(&losses)[0].text();
    assert!(text.starts_with("Revenue lost: about $290, between $80 and $340: there was $20 from"), "{text}");
    assert!(text.ends_with(" 1 of 2 periods have no data and are counted as nothing."), "{text}");
}

#[test]
fn what_failed_is_summed_by_five_minutes_since_minutes_are_not_kept_for_weeks() {
    let catalogue = counting("Failed", "Requests failed", Count::Sum);
    let lasted = (at("11-23T15:02"), at("11-23T15:09"));
    let wanted = wants(&catalogue, lasted, &[], at("11-23T15:30"));
    assert!(wanted.iter().all(|want| want.period_seconds == 300), "{wanted:?}");
    let starts: Vec<String> = wanted.iter().map(|want| want.start.to_string()).collect();
    assert_eq!(
        starts,
        [
            "2026-11-23T15:00:00Z",
            "2026-11-16T15:00:00Z",
            "2026-11-09T15:00:00Z",
            "2026-11-02T15:00:00Z",
            "2026-10-26T14:00:00Z"
        ]
    );
    let data = hours(&[("11-23T15:00", 40.0), ("11-23T15:05", 30.0), ("11-16T15:05", 4.0), ("11-02T15:00", 2.0)]);
    let losses = losses(&catalogue, ("11-23T15:02", "11-23T15:09"), "11-23T15:30", &Ok(data), &[]);
    says(
        &losses,
        "Requests failed: 70 from 2026-11-23 15:00 UTC to 2026-11-23 15:10 UTC; the same hours of 2 earlier weeks had 3 (median; 2 to 4).",
    );
}

#[test]
fn the_series_of_a_metric_are_added_up() {
    let catalogue = counting("Orders", "Orders", Count::Sum);
    let data = hours(&[("11-23T15:00", 7.0), ("11-16T15:00", 5.0)]);
    let losses = losses(&catalogue, ("11-23T15:00", "11-23T16:00"), "11-23T16:01", &Ok(data), &[]);
    says(
        &losses,
        "Orders: 14 from 2026-11-23 15:00 UTC to 2026-11-23 16:00 UTC; the same hours of one earlier week had 10.",
    );
}

#[test]
fn hours_that_are_not_over_are_counted_later() {
    let catalogue = counting("Revenue", "Revenue lost", Count::Shortfall);
    let lasted = ("11-23T15:20", "11-23T16:40");
    let data = Ok(with(&[("11-23T15:00", 20.0), ("11-23T16:00", 30.0)]));
    let early = losses(&catalogue, lasted, "11-23T15:59", &data, &[]);
    says(
        &early,
        "Not known: revenue lost from 2026-11-23 15:00 UTC to 2026-11-23 17:00 UTC. It takes the data of these hours, which were not \
         over when this was written.",
    );
    assert_eq!(early[0].complete_at(&catalogue), Some(at("11-23T17:01")));

    // One hour only: the median of 100, 140, 160 and 180 is 150.
    let later = losses(&catalogue, lasted, "11-23T16:45", &data, &early);
    let text = statements(&later)[0].text();
    assert!(text.starts_with("Revenue lost: about $130, between $80 and $160: there was $20 from"), "{text}");
    assert!(text.ends_with(" What came until 2026-11-23 17:00 UTC is not counted yet."), "{text}");

    let complete = losses(&catalogue, lasted, "11-23T17:01", &data, &later);
    assert!(statements(&complete)[0].text().starts_with("Revenue lost: about $260, "));
    // What is known is neither read again nor lost.
    assert_eq!(wants(&catalogue, (at(lasted.0), at(lasted.1)), &complete, at("11-23T18:00")), []);
    let refused = Err("cloudwatch:GetMetricData was refused".to_owned());
    assert!(matches!(
        losses(&catalogue, lasted, "11-23T18:00", &refused, &early)[0].outcome,
        Outcome::Unavailable { .. }
    ));
    assert_eq!(losses(&catalogue, lasted, "11-23T18:00", &refused, &complete), complete);
    assert_eq!(losses(&catalogue, lasted, "11-23T18:00", &refused, &later), later);
}

#[test]
fn what_was_not_available_is_said() {
    let catalogue = counting("Revenue", "Revenue lost", Count::Shortfall);
    let lasted = ("11-23T15:00", "11-23T16:00");
    let hour = "revenue lost from 2026-11-23 15:00 UTC to 2026-11-23 16:00 UTC";
    for (data, why) in [
        (
            Err("cloudwatch:GetMetricData was refused".to_owned()),
            "data that was not available (cloudwatch:GetMetricData was refused)",
        ),
        (
            Ok(Data::new()),
            "data that was not available (there is no data of Revenue in these hours, and none of the weeks before)",
        ),
        (Ok(hours(&[("11-23T15:00", 20.0)])), "data of Revenue in the same hours of an earlier week"),
    ] {
        let losses = losses(&catalogue, lasted, "11-23T16:01", &data, &[]);
        says(&losses, &format!("Not known: {hour}. It takes {why}."));
    }
    says(&[], "Not known: what it cost. It takes `impact` in the catalogue, which says which metrics are counted.");
}

#[test]
fn an_incident_of_last_year_is_counted_by_the_hour() {
    let catalogue = counting("Failed", "Requests failed", Count::Sum);
    let wanted = wants(&catalogue, (at("01-05T15:02"), at("01-05T15:09")), &[], at("11-23T15:30"));
    assert_eq!((wanted.len(), wanted[0].period_seconds, wanted[0].periods()), (5, 3600, 1));
}
