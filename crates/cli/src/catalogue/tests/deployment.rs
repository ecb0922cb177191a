use std::collections::BTreeMap;

use monitoring_core::formula::Formula;
use monitoring_core::metric::Dimensions;
use monitoring_core::rule::mask_low_volume;
use serde_json::{Value, json};

use super::super::deployment::board::{COLUMNS, Content};
use super::super::deployment::{MetricAlarm, MetricQuery};
use super::*;

const DASHBOARDS: &str = r#"
queries:
  slow: {title: Slow, log_groups: [/shop], query: "fields @timestamp\n| limit 10\n"}
dashboards:
  Shop:
    description: The shop.
    overview: true
    rows:
      - title: Requests
        charts: [{metrics: [ErrorRate]}, {title: Traffic, metrics: [Requests, Errors]}]
"#;

fn with_dashboards() -> String {
    format!("{SOUND}{DASHBOARDS}")
}

fn loaded(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, text).unwrap();
    load_deployment(&path).unwrap()
}

/// The alarms of the rule `error-rate`, after a change of it.
fn alarms(to: &str) -> BTreeMap<String, MetricAlarm> {
    let text = with_dashboards().replacen("    warning: {above: 5}\n    critical: {above: 10}\n", to, 1);
    loaded(&text).deployment.alarms
}

/// What the expressions of an alarm come to, by our own reading of metric math; `stored` gives what `m1`, `m2` and so on hold.
fn result(queries: &[MetricQuery], stored: &[(&str, Vec<Option<f64>>)], len: usize) -> Vec<Option<f64>> {
    let mut known: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for query in queries {
        let values = match (&query.expression, &query.metric) {
            (Some(expression), None) => {
                let formula = Formula::parse(expression).unwrap();
                formula.evaluate(&|id| known.get(id).map(Vec::as_slice), len)
            }
            (None, Some(metric)) => {
                stored.iter().find(|(name, _)| *name == metric.metric_name).map(|(_, values)| values.clone()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        known.insert(query.id.clone(), values);
    }
    let results: Vec<&MetricQuery> = queries.iter().filter(|query| query.return_data).collect();
    assert_eq!(results.len(), 1);
    known.remove(&results[0].id).unwrap()
}

#[test]
fn a_rule_with_a_formula_becomes_metric_math() {
    let alarms = alarms("    engine: alarm\n    warning: {above: 5}\n    critical: {above: 10}\n");
    assert_eq!(alarms.keys().collect::<Vec<_>>(), ["shop-error-rate-critical", "shop-error-rate-warning"]);
    let alarm = serde_json::to_value(&alarms["shop-error-rate-critical"]).unwrap();
    let stored = |id: &str, name: &str| {
        json!({
            "id": id, "expression": null, "label": name, "return_data": false,
            "metric": {"namespace": "Shop", "metric_name": name, "stat": "Sum", "period": 60, "dimensions": {}},
        })
    };
    let computed = |id: &str, expression: &str, return_data: bool| json!({"id": id, "expression": expression, "label": "ErrorRate", "return_data": return_data, "metric": null});
    let expected = json!({
        "alarm_name": "shop-error-rate-critical${suffix}",
        "alarm_description": "Requests fail. ErrorRate is above 10 % in 1 of 1 periods of 1 min. Opens a SEV1. Runbook \"Errors\": https://console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards:name=Shop${suffix}",
        "topic": "alerts",
        "rule": "error-rate",
        "level": "critical",
        "severity": "SEV1",
        "comparison_operator": "GreaterThanThreshold",
        "threshold": 10.0,
        "evaluation_periods": 1,
        "datapoints_to_alarm": 1,
        "treat_missing_data": "missing",
        "namespace": null,
        "metric_name": null,
        "statistic": null,
        "extended_statistic": null,
        "period": null,
        "dimensions": null,
        "metric_queries": [
            stored("m1", "Errors"),
            stored("m2", "Requests"),
            computed("e1", "100 * m1 / m2", false),
            computed("e2", "IF((e1 == e1) * (m2 >= 20), e1)", true),
        ],
    });
    assert_eq!(alarm, expected);
}

#[test]
fn a_rule_on_what_is_stored_becomes_an_alarm_on_one_metric() {
    let text = with_dashboards()
        .replace(
            "metric: ErrorRate\n",
            "metric: Requests\n    engine: alarm\n    datapoints: 2 of 3\n    missing: not_breaching\n",
        )
        .replace("    min_volume: {metric: Requests, at_least: 20}\n", "")
        .replace("warning: {above: 5}\n    critical: {above: 10}", "warning: {at_most: 5}")
        .replace("description: Requests.", "description: Requests.\n    dimensions: {Host: [a]}")
        .replace("description: Errors.", "description: Errors.\n    dimensions: {Host: [a]}")
        .replace("cloudwatch: {namespace: Shop, statistic: Sum}", "cloudwatch: {namespace: Shop, statistic: p99}");
    let alarm = serde_json::to_value(&loaded(&text).deployment.alarms["shop-error-rate-warning-Host=a"]).unwrap();
    let expected = [
        ("comparison_operator", json!("LessThanOrEqualToThreshold")),
        ("evaluation_periods", json!(3)),
        ("datapoints_to_alarm", json!(2)),
        ("treat_missing_data", json!("notBreaching")),
        ("namespace", json!("Shop")),
        ("metric_name", json!("Requests")),
        ("statistic", Value::Null),
        ("extended_statistic", json!("p99")),
        ("period", json!(60)),
        ("dimensions", json!({"Host": "a"})),
        ("metric_queries", json!([])),
    ];
    for (key, value) in expected {
        assert_eq!(alarm[key], value, "{key}");
    }
}

/// Every combination of missing, none, few and many requests and errors.
#[test]
fn metric_math_gives_what_the_service_engine_computes() {
    let alarms = alarms("    engine: alarm\n    warning: {above: 5}\n");
    let queries = &alarms["shop-error-rate-warning"].metric_queries;
    let values = [None, Some(0.0), Some(1.0), Some(19.0), Some(20.0), Some(100.0)];
    let (errors, requests): (Vec<_>, Vec<_>) =
        values.into_iter().flat_map(|errors| values.map(|requests| (errors, requests))).unzip();
    let ratio = Formula::parse("100 * Errors / Requests").unwrap();
    let window = |name: &str| Some(if name == "Errors" { errors.as_slice() } else { requests.as_slice() });
    let mut expected = ratio.evaluate(&window, errors.len());
    mask_low_volume(&mut expected, &requests, 20.0);
    assert!(expected.contains(&Some(5.0)) && expected.contains(&None));
    let found = result(queries, &[("Errors", errors.clone()), ("Requests", requests.clone())], errors.len());
    assert_eq!(found, expected);
}

/// A threshold on what is stored, with a minimum volume: where the volume is enough and the value missing, there is no value.
#[test]
fn a_missing_value_stays_missing_whatever_its_volume() {
    let alarms = alarms("    engine: alarm\n    warning: {above: 5}\n");
    let mut queries = alarms["shop-error-rate-warning"].metric_queries.clone();
    queries.retain(|query| query.id != "e1");
    for query in &mut queries {
        query.expression = query.expression.take().map(|text| text.replace("e1", "m1"));
    }
    let (value, volume) = (vec![None, Some(7.0), Some(7.0)], vec![Some(50.0), Some(50.0), Some(1.0)]);
    assert_eq!(result(&queries, &[("Errors", value), ("Requests", volume)], 3), [None, Some(7.0), None]);
}

#[test]
fn absence_has_a_datapoint_in_every_period() {
    let alarms = alarms("    engine: alarm\n    absent: {severity: high}\n    datapoints: 3 of 3\n");
    let alarm = &alarms["shop-error-rate-absent"];
    let compared = (alarm.comparison_operator, alarm.threshold, alarm.treat_missing_data);
    assert_eq!(compared, ("LessThanThreshold", 1.0, "breaching"));
    assert_eq!((alarm.evaluation_periods, alarm.datapoints_to_alarm), (3, 3));
    let (errors, requests) = (vec![Some(1.0), None, Some(1.0), None], vec![Some(50.0), Some(50.0), Some(1.0), None]);
    let found = result(&alarm.metric_queries, &[("Errors", errors), ("Requests", requests)], 4);
    // An hour with requests and without errors has a rate of 0 %; too few requests are as good as none.
    assert_eq!(found, [Some(1.0), Some(1.0), Some(0.0), Some(0.0)]);
}

#[test]
fn widgets_fill_the_grid_without_overlap() {
    let Loaded { boards, .. } = loaded(&with_dashboards());
    let board = &boards[0];
    let mut taken = std::collections::BTreeSet::new();
    for widget in &board.widgets {
        assert!(widget.x + widget.width <= COLUMNS && widget.height > 0, "{widget:?}");
        for x in widget.x..widget.x + widget.width {
            for y in widget.y..widget.y + widget.height {
                assert!(taken.insert((x, y)), "{widget:?}");
            }
        }
    }
    let first_row: Vec<&Content> =
        board.widgets.iter().filter(|widget| widget.y == 2).map(|widget| &widget.content).collect();
    assert!(matches!(first_row.as_slice(), [Content::Numbers, Content::Firing]), "{first_row:?}");
    assert!(board.shows_runbook("errors"));
}

#[test]
fn a_chart_has_its_queries_and_thresholds() {
    let Loaded { deployment, .. } = loaded(&with_dashboards());
    let body = &deployment.dashboards["Shop"].body;
    let widgets = body["widgets"].as_array().unwrap();
    let chart = widgets.iter().find(|widget| widget["properties"]["title"] == "ErrorRate: Share of errors").unwrap();
    let properties = &chart["properties"];
    assert_eq!((&chart["width"], &properties["period"]), (&json!(12), &json!(60)));
    assert_eq!(
        properties["metrics"],
        json!([
            ["Shop", "Errors", {"id": "m1", "label": "Errors", "visible": false, "stat": "Sum", "period": 60}],
            ["Shop", "Requests", {"id": "m2", "label": "Requests", "visible": false, "stat": "Sum", "period": 60}],
            [{"id": "e1", "label": "ErrorRate", "expression": "100 * m1 / m2"}],
        ])
    );
    assert_eq!(
        properties["annotations"]["horizontal"],
        json!([
            {"label": "warning above 5 %", "value": 5.0, "color": "#ff7f0e"},
            {"label": "critical above 10 %", "value": 10.0, "color": "#d62728"},
        ])
    );
    let text = body.to_string();
    assert!(text.contains("[Errors](https://console.aws.amazon.com/"), "{text}");
    assert!(text.contains("1. Look at the log."), "{text}");
    assert_eq!(deployment.queries["slow"].name, "Shop${suffix}/Slow");
    // Two numbers of the overview, two inputs of the rate, two of the traffic.
    assert_eq!(deployment.dashboards["Shop"].metrics(), 6);
    assert_eq!(deployment.queries["slow"].query_string, "fields @timestamp\n| limit 10");
}

#[test]
fn dashboards_and_queries_are_checked() {
    for (from, to, expected) in [
        (
            "{metrics: [ErrorRate]}",
            "{metrics: [ErorRate]}",
            &[r#"error: dashboard Shop draws an unknown metric "ErorRate"; did you mean "ErrorRate"?"#][..],
        ),
        (
            "{metrics: [ErrorRate]}",
            "{metrics: [Spent]}",
            &[
                "error: dashboard Shop draws Spent, but Spent is not in CloudWatch; draw metrics with `cloudwatch`, and formulas over these",
            ],
        ),
        (
            "{metrics: [ErrorRate]}",
            "{metrics: [ErrorRate, Errors]}",
            &["error: ErrorRate is in Percent, Errors in Count; draw them in charts of their own"],
        ),
        (
            "  Shop:\n",
            "  \"My Shop\":\n",
            &[
                "error: \"My Shop\" cannot be the name of a dashboard; write letters, digits, hyphens and underscores, at most 223",
            ],
        ),
        (
            "overview: true",
            "overview: true\n    window: 30s",
            &["error: the window of dashboard Shop is 30s; write 10m to 90d"],
        ),
        (
            "  slow: {title: Slow,",
            "  other: {title: Slow, log_groups: [/x], query: x}\n  slow: {title: Slow,",
            &[
                "error: the queries other and slow have one title, \"Slow\"; write another: the console lists them by it",
            ],
        ),
        (
            "steps: [Look at the log.]",
            "steps: [Look at the log.], queries: [slo]",
            &[r#"error: runbook errors names an unknown query "slo"; did you mean "slow"?"#],
        ),
        (
            "{metrics: [ErrorRate]}, ",
            "{metrics: []}, ",
            &["error: `metrics` is an empty list; write at least one item"],
        ),
    ] {
        let text = with_dashboards();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        check_text(&text.replacen(from, to, 1), to, expected);
    }
}

#[test]
fn a_metric_is_queried_once() {
    let (catalogue, _) = parse(Path::new("c.yaml"), &with_dashboards());
    let catalogue = catalogue.unwrap();
    let mut queries = super::super::deployment::metric_math::Queries::new(&catalogue);
    let nothing = Dimensions::new();
    assert_eq!(queries.add("ErrorRate", &nothing).as_deref(), Some("e1"));
    assert_eq!(queries.add("Requests", &nothing).as_deref(), Some("m2"));
    assert_eq!(queries.add("Spent", &nothing), None);
    assert_eq!(queries.into_vec().len(), 3);
}

const FILTERED: &str = r#"
  TimedOut:
    category: application
    description: Functions that ran out of time.
    unit: Count
    cloudwatch:
      namespace: Shop
      statistic: Sum
      filter: {log_groups: [/aws/lambda/api, /aws/lambda/cart], pattern: '"Task timed out"', default: 0}
rules:"#;

#[test]
fn a_metric_that_is_made_of_log_lines_has_a_filter_for_each_log_group() {
    let deployment = loaded(&with_dashboards().replacen("\nrules:", FILTERED, 1)).deployment;
    let filters = serde_json::to_value(&deployment.metric_filters).unwrap();
    let of = |log_group: &str| {
        json!({
            "name": "shop-TimedOut${suffix}", "log_group_name": log_group, "pattern": "\"Task timed out\"",
            "namespace": "Shop", "metric_name": "TimedOut", "value": "1", "default_value": 0.0, "unit": "Count",
            "dimensions": null,
        })
    };
    let expected = json!({
        "TimedOut /aws/lambda/api": of("/aws/lambda/api"), "TimedOut /aws/lambda/cart": of("/aws/lambda/cart"),
    });
    assert_eq!(filters, expected);

    let by_field = "filter: {log_groups: [/a], pattern: '{ $.ms > 0 }', value: $.ms, dimensions: {Page: $.page}}\n    \
                    dimensions: {Page: [cart]}\nrules:";
    let at = FILTERED.find("filter:").unwrap();
    let text = with_dashboards().replacen("\nrules:", &format!("{}{by_field}", &FILTERED[..at]), 1);
    let filters = loaded(&text).deployment.metric_filters;
    let filter = &filters["TimedOut /a"];
    assert_eq!((filter.value.as_str(), filter.default_value), ("$.ms", None));
    assert_eq!(filter.dimensions, Some(BTreeMap::from([("Page".to_owned(), "$.page".to_owned())])));
}

#[test]
fn metric_filters_are_checked() {
    let sound = SOUND.replacen("\nrules:", FILTERED, 1);
    check_text(&sound, "sound", &[]);
    for (from, to, expected) in [
        (
            "namespace: Shop\n      statistic: Sum\n      filter",
            "namespace: AWS/Lambda\n      statistic: Sum\n      filter",
            "error: the filter of TimedOut would write into AWS/Lambda; write a namespace of your own; those of AWS are closed",
        ),
        (
            "/aws/lambda/cart]",
            "/aws/lambda/api]",
            "error: the filter of TimedOut has /aws/lambda/api twice; its lines would count twice; keep one",
        ),
        (
            "/aws/lambda/cart]",
            "'/aws/lambda/*']",
            "error: \"/aws/lambda/*\" cannot be the name of a log group; write letters, digits and . _ - / #, at most 512",
        ),
        (
            "'\"Task timed out\"'",
            "'{ $.level = ERROR'",
            "error: the pattern of TimedOut begins with `{` and does not end with `}`; close it: that is how a pattern of JSON is written",
        ),
        (
            ", default: 0}",
            ", dimensions: {Page: $.page}}",
            "error: metric TimedOut has the dimensions none, its filter Page; give both the same: a filter says which field each comes from",
        ),
        (
            ", default: 0}",
            ", value: $.ms}",
            "error: the filter of TimedOut takes `value` from a field, and its pattern is words; write a pattern that knows fields: `{ $.level = \"ERROR\" }`, or `[level, ...]`",
        ),
        (
            ", default: 0}\n",
            ", default: 0, dimensions: {Page: page}}\n    dimensions: {Page: [cart]}\n",
            "error: the dimension Page of TimedOut is taken from \"page\"; write a field of the line, such as $.operation",
        ),
    ] {
        assert_eq!(sound.matches(from).count(), 1, "{from}");
        let found = problems(&sound.replacen(from, to, 1));
        assert!(found.iter().any(|line| line.ends_with(expected)), "{to}: {found:#?}");
    }
}
