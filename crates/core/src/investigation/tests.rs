use super::*;
use crate::catalogue::Catalogue;
use crate::example_catalogue::catalogue;
use crate::metric::{Sample, Series};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn question() -> Question {
    Question { rule: "error-rate".to_owned(), group: GroupKey::named("api"), onset: at("2026-11-23T11:57:00Z") }
}

/// Each metric reads its first number until it leaves it, at the time given, for its second; whatever is not named is not measured.
fn investigated(catalogue: &Catalogue, readings: &[(&str, f64, f64, &str)], fails: Option<&str>) -> Investigation {
    let now = at("2026-11-23T12:00:00Z");
    let question = question();
    let needs = needs(catalogue, &question, now);
    let answers: Vec<_> = needs
        .iter()
        .map(|need| {
            if fails == Some(need.metric.name.as_str()) {
                return Err("it is throttled".to_owned());
            }
            let reading = readings.iter().find(|(name, ..)| *name == need.metric.name);
            let Some((_, before, since, moved)) = reading else { return Ok(Vec::new()) };
            let period = i64::from(need.metric.period_seconds);
            let times = (0..need.count).map(|index| need.start.as_second() + period * i64::try_from(index).unwrap());
            let samples = times.map(|second| {
                let time = Timestamp::from_second(second).unwrap();
                // It is never quite still: a hundredth up or down.
                let wobble = if second / period % 2 == 0 { 1.01 } else { 0.99 };
                Sample { at: time, value: if time < at(moved) { before * wobble } else { *since } }
            });
            Ok(vec![Series::new(need.dimensions.clone(), samples.collect())])
        })
        .collect();
    investigate(catalogue, &question, &needs, answers, now)
}

fn texts(found: &Investigation, kind: Kind) -> Vec<&str> {
    found.findings.iter().filter(|found| found.kind == kind).map(|found| found.text.as_str()).collect()
}

/// `ErrorRate` is 1 % until 11:55 and 15 % since; what the business earns falls three minutes later; response times stay as they are.
const FAILING: [(&str, f64, f64, &str); 3] = [
    ("ErrorRate", 1.0, 15.0, "2026-11-23T11:55:00Z"),
    ("Revenue", 200.0, 20.0, "2026-11-23T11:56:00Z"),
    ("ResponseTime", 400.0, 400.0, "2026-11-23T11:55:00Z"),
];

#[test]
fn what_left_its_normal_range_is_told_in_its_order_and_the_first_to_do_so_is_the_likeliest_cause() {
    let found = investigated(&catalogue(), &FAILING, None);
    assert!(found.is_news);
    assert!(found.headline.starts_with("likely cause api ("), "{}", found.headline);
    assert!(found.headline.contains("since 11:55 UTC"), "{}", found.headline);
    let moved = texts(&found, Kind::Moved);
    assert!(moved[0].starts_with("ErrorRate of api from ") && moved[0].ends_with(" to 15 %"), "{moved:?}");
    assert!(moved[1].starts_with("Revenue of business from ") && moved[1].ends_with(" to $20/h"), "{moved:?}");
    assert_eq!(moved.len(), 2, "{moved:?}");
    let times: Vec<_> =
        found.findings.iter().filter(|found| found.kind == Kind::Moved).filter_map(|found| found.at).collect();
    assert_eq!(times, [at("2026-11-23T11:55:00Z"), at("2026-11-23T11:56:00Z")]);
}

#[test]
fn without_dependencies_it_is_less_sure_and_says_so() {
    let mut catalogue = catalogue();
    let without = investigated(&catalogue, &FAILING, None);
    assert!(texts(&without, Kind::Unavailable)[0].contains("noise.dependencies"));
    catalogue.noise.dependencies.insert("business".to_owned(), vec!["api".to_owned()]);
    let with = investigated(&catalogue, &FAILING, None);
    assert!(texts(&with, Kind::Unavailable).is_empty());
    let sure = |found: &Investigation| found.findings[0].certainty.unwrap();
    assert!(sure(&with) > sure(&without), "{} and {}", sure(&with), sure(&without));
}

#[test]
fn a_quiet_hour_is_no_news_and_a_source_that_fails_is_told() {
    let still = [("ErrorRate", 1.0, 1.0, "2026-11-23T11:55:00Z"), ("Revenue", 200.0, 200.0, "2026-11-23T11:55:00Z")];
    let found = investigated(&catalogue(), &still, Some("ResponseTime"));
    assert!(!found.is_news);
    assert_eq!(found.headline, "none of 2 metrics left its normal range");
    assert_eq!(texts(&found, Kind::Unavailable), ["ResponseTime: it is throttled"]);
    let found = investigated(&catalogue(), &[], None);
    assert_eq!(found.headline, "no metric has samples of now and of before to compare");
}

#[test]
fn however_much_is_said_it_fits_into_an_entry() {
    let line = Found { kind: Kind::Cause, text: "\"".repeat(5000), at: Some(Timestamp::MAX), certainty: Some(7.0) };
    let found = Investigation { headline: "h".repeat(5000), is_news: true, findings: vec![line; 100] }.bounded();
    assert!(serde_json::to_string(&found).unwrap().len() <= 3900);
    assert!(!found.findings.is_empty());
    assert_eq!(found.findings[0].certainty, None, "7 is no probability");
}
