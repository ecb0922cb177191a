//! What an incident costs.

use monitoring_core::catalogue::{Count, Impact, Measure};

use super::*;

const IMPACT: &str = "
impact:
  - {metric: Errors, title: Requests failed, count: sum}
  - {metric: Requests, title: Requests missed, count: shortfall}
";

fn check(from: &str, to: &str, expected: &[&str]) {
    let text = SOUND.to_owned() + IMPACT;
    assert!(text.contains(from), "{from}");
    check_text(&text.replace(from, to), to, expected);
}

#[test]
fn impact_is_resolved_in_its_order_with_the_users_clock() {
    let text = SOUND.replace("defaults: {team", "defaults: {time_zone: Europe/Berlin, team") + IMPACT;
    let (catalogue, problems) = parse(Path::new("c.yaml"), &text);
    assert_eq!(problems, []);
    let measure =
        |metric: &str, title: &str, count| Measure { metric: metric.to_owned(), title: title.to_owned(), count };
    let measures = vec![
        measure("Errors", "Requests failed", Count::Sum),
        measure("Requests", "Requests missed", Count::Shortfall),
    ];
    assert_eq!(catalogue.unwrap().impact, Impact { time_zone: "Europe/Berlin".to_owned(), measures });
}

#[test]
fn only_what_adds_up_is_counted() {
    let adds_up = "name a metric of `cloudwatch` with the statistic Sum or SampleCount";
    for (from, to, expected) in [
        (
            "metric: Errors, title",
            "metric: Erors, title",
            "error: `impact` counts an unknown metric \"Erors\"; did you mean \"Errors\"?".to_owned(),
        ),
        (
            "metric: Errors, title",
            "metric: ErrorRate, title",
            format!("error: the values of ErrorRate do not add up, so `impact` cannot count them; {adds_up}"),
        ),
        (
            "metric: Errors, title",
            "metric: Spent, title",
            format!("error: the values of Spent do not add up, so `impact` cannot count them; {adds_up}"),
        ),
        (
            "metric: Requests, title: Requests missed, count: shortfall",
            "metric: Errors, title: Twice, count: sum",
            "error: `impact` counts Errors twice in the same way; keep one of the two".to_owned(),
        ),
    ] {
        check(from, to, &[&expected]);
    }
}

#[test]
fn a_metric_whose_series_nobody_knows_is_not_counted() {
    let text = (SOUND.to_owned() + IMPACT)
        .replace("unit: Count\n    cloudwatch", "unit: Count\n    files: [\"*.csv\"]\n    cloudwatch");
    let found = problems(&text);
    assert!(found.iter().any(|line| line.contains("nobody knows which series Errors has")), "{found:#?}");
}
