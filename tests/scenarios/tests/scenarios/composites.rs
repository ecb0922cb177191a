//! Rules on other rules.

use aws_sdk_dynamodb::types::AttributeValue;
use monitoring_core::catalogue::{AlertSeverity, Catalogue, Condition, Level, Severity};
use monitoring_core::composite::Expression;
use scenarios::{Options, ToSpan, World};

const ALERTS: &str = "ai-nutritionist-monitoring-alerts";

/// The catalogue of most stories with a rule in a group of its own: requests fail, and they are not slow.
fn catalogue() -> Catalogue {
    let mut catalogue = Options::default().catalogue;
    let mut rule = catalogue.rules["error-rate"].clone();
    (rule.name, rule.group, rule.runbook) = ("failing-fast".to_owned(), "failing-fast".to_owned(), None);
    rule.condition = Condition::Composite {
        level: Level { name: "composite".to_owned(), alert: AlertSeverity::High, incident: Severity::Sev2 },
        when: Expression::parse("error-rate and not response-time").unwrap(),
    };
    catalogue.rules.insert(rule.name.clone(), rule);
    catalogue
}

/// Every fifth request fails, from now on, and each answer is as quick as before.
async fn failing() -> World {
    let world = World::with(Options { catalogue: catalogue(), ..Options::default() }).await;
    world.outside.reads("RequestCount", 1000.0);
    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ResponseTime", 100.0);
    world.outside.reads("ErrorCount", 200.0);
    world.fast_forward(4.minutes()).await;
    world
}

/// The groups of the incidents that are open, in their order.
async fn open(world: &World) -> Vec<String> {
    let mut groups: Vec<String> = world
        .incidents()
        .await
        .iter()
        .filter(|incident| incident.is_open())
        .map(|incident| incident.group.to_string())
        .collect();
    groups.sort();
    groups
}

#[tokio::test]
async fn a_composite_begins_and_ends_with_the_rules_that_it_names() {
    let world = failing().await;
    assert_eq!(open(&world).await, ["api", "failing-fast"]);
    let incidents = world.incidents().await;
    let of_composite = incidents.iter().find(|incident| incident.group.as_str() == "failing-fast").unwrap();
    assert_eq!(of_composite.title, "failing-fast: error-rate and not response-time");
    assert_eq!(of_composite.severity, Severity::Sev2);

    // Slow as well: it would not begin now, but what fails goes on failing.
    world.outside.reads("ResponseTime", 9000.0);
    world.fast_forward(5.minutes()).await;
    assert_eq!(open(&world).await, ["api", "failing-fast"]);

    world.outside.reads("ErrorCount", 1.0);
    world.outside.reads("ResponseTime", 100.0);
    world.fast_forward(10.minutes()).await;
    assert_eq!(open(&world).await, [""; 0]);
}

/// Missing data ends nothing: what fires goes on firing for the composite as well.
#[tokio::test]
async fn a_composite_outlasts_missing_data() {
    let world = failing().await;
    for metric in ["RequestCount", "ErrorCount", "ResponseTime"] {
        world.outside.is_silent(metric);
    }
    world.fast_forward(15.minutes()).await;
    assert!(open(&world).await.contains(&"failing-fast".to_owned()));
}

/// Whether a rule fires whose alert was written by a newer version is not known, so nothing that rests on it ends.
#[tokio::test]
async fn a_composite_does_not_end_on_what_cannot_be_read() {
    let world = failing().await;
    let (alerts, _) = world.store().alerts().await.unwrap();
    let alert = alerts.iter().find(|alert| alert.rule == "error-rate").unwrap();
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let request = world
        .tables
        .update_item()
        .table_name(ALERTS)
        .key("scope", text("alerts"))
        .key("fingerprint", text(alert.key.as_str()))
        .update_expression("SET #schema = :newer")
        .expression_attribute_names("#schema", "schema")
        .expression_attribute_values(":newer", AttributeValue::N("9".to_owned()));
    request.send().await.unwrap();
    world.outside.reads("ErrorCount", 1.0);
    world.fast_forward(10.minutes()).await;
    assert!(open(&world).await.contains(&"failing-fast".to_owned()), "{:?}", open(&world).await);
}
