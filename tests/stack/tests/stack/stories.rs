//! Measuring, paging, escalating, answering, resolving, with nothing in process.

use std::time::{Duration, Instant};

use serde_json::Value;
use stack::{aws::ACCOUNT, button::SIGNING_SECRET, deployment::Deployment};

/// A schedule's first event comes up to 70 seconds after its rule, the next ones each minute; a second attempt at
/// anything comes with the next event.
const WITHIN_TWO_TICKS: Duration = Duration::from_mins(3);
/// A deadline or a quiet period of one minute, and then ticks.
const WITHIN_A_MINUTE_AND_TICKS: Duration = Duration::from_mins(5);
/// How often what the schedules measure is put again: more than once in each period of a minute.
const METRIC_PACE: Duration = Duration::from_secs(20);

/// The two commands under "Manual Testing" in the description of the system, to the letter.
const TEST_COMPREHENSIVE_MONITORING: &str = r"aws lambda invoke \
    --function-name ai-nutritionist-comprehensive-monitoring \
    --payload '{}' \
    output.json";
const TEST_INCIDENT_RESPONSE: &str = r#"aws lambda invoke \
    --function-name ai-nutritionist-incident-response \
    --payload '{"Records":[{"Sns":{"Message":"{\"metric_name\":\"ErrorRate\",\"current_value\":15.0,\"threshold\":10.0}"}}]}' \
    output.json"#;

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn the_manual_test_commands_answer_and_page() {
    let suite = Deployment::start().await;
    if suite.has_terraform() {
        for command in commands_of_the_readme() {
            let _ = suite.aws.shell(&command);
        }
    }
    // `MiniStack` keeps a filter and does not apply it, so that it is looked at and not through.
    if let Some(filters) = suite.metric_filters() {
        let filter = &filters[0];
        assert_eq!(
            (filter["filterName"].as_str(), filter["filterPattern"].as_str()),
            (Some("ai-nutritionist-TimedOut"), Some("\"Task timed out\""))
        );
        let made = &filter["metricTransformations"][0];
        assert_eq!(
            (made["metricNamespace"].as_str(), made["metricName"].as_str()),
            (Some("AI-Nutritionist/Logs"), Some("TimedOut"))
        );
        assert_eq!((made["metricValue"].as_str(), made["defaultValue"].as_f64()), (Some("1"), Some(0.0)), "{filter}");
    }

    let summary = invoke(&suite, TEST_COMPREHENSIVE_MONITORING).await;
    assert!(summary.is_object(), "not a JSON summary: {summary}");

    let answer = invoke(&suite, TEST_INCIDENT_RESPONSE).await;
    assert!(answer.is_object(), "not a JSON answer: {answer}");
    let incident_id = first_page(&suite).await;
    wait(&suite, "a Slack message that names the incident", WITHIN_TWO_TICKS, async || {
        slack_mentions(&suite, &[&incident_id]).await
    })
    .await;
    assert_eq!(
        suite.incident(&incident_id)["severity"]["S"],
        "SEV1",
        "severity of {incident_id}: {}",
        suite.incident(&incident_id)
    );

    // Said again, it is the same incident, and nobody is paged twice.
    invoke(&suite, TEST_INCIDENT_RESPONSE).await;
    let incidents = suite.outside.pagerduty_keys("trigger").await;
    assert!(incidents.iter().all(|key| key.starts_with(&incident_id)), "a second incident was opened: {incidents:?}");
    assert_eq!(incidents.iter().filter(|key| **key == incident_id).count(), 1, "paged more than once: {incidents:?}");
    suite.end();
}

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn a_breach_is_paged_then_escalated_then_resolved_when_it_ends() {
    let suite = Deployment::start().await;

    // Measured each minute: schedule, function, topic, queue, function, page.
    let mut breach = Traffic::with_errors(15);
    suite.put_application_counts(&breach.counts, &[5, 4, 3, 2, 1]);
    wait(&suite, "a page for an error rate of 15 %", WITHIN_A_MINUTE_AND_TICKS, async || {
        breach.go_on(&suite);
        !suite.outside.pagerduty_keys("trigger").await.is_empty()
    })
    .await;
    let incident_id = first_page(&suite).await;

    // Nobody acknowledges.
    let next_level = format!("{incident_id}/2.0");
    wait(&suite, "a page for the next level", WITHIN_A_MINUTE_AND_TICKS, async || {
        breach.go_on(&suite);
        suite.outside.pagerduty_keys("trigger").await.contains(&next_level)
    })
    .await;

    // So many late requests that what failed among them is hardly a share: also of the minutes that are over.
    suite.put_application_counts(&[("RequestCount", 10_000)], &[2, 1, 0]);
    let mut recovery = Traffic::with_errors(0);
    wait(&suite, "a resolve for every page", WITHIN_A_MINUTE_AND_TICKS, async || {
        recovery.go_on(&suite);
        let resolved = suite.outside.pagerduty_keys("resolve").await;
        suite.outside.pagerduty_keys("trigger").await.iter().all(|key| resolved.contains(key))
    })
    .await;
    wait(&suite, "the incident to be resolved in the table", WITHIN_TWO_TICKS, async || {
        recovery.go_on(&suite);
        suite.incident(&incident_id)["status"]["S"] == "resolved"
    })
    .await;
    wait(&suite, "a Slack message that it is resolved", WITHIN_TWO_TICKS, async || {
        slack_mentions(&suite, &[&incident_id, "resolved"]).await
    })
    .await;

    let paged = suite.outside.pagerduty_keys("trigger").await;
    assert_eq!(paged.iter().filter(|key| **key == incident_id).count(), 1, "paged more than once: {paged:?}");
    assert_eq!(suite.dead_letters(), "0", "messages were given up{}", suite.evidence().await);
    suite.end();
}

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn a_sev1_that_ends_leaves_a_document_and_items_of_which_people_are_reminded() {
    let suite = Deployment::start().await;
    invoke(&suite, TEST_INCIDENT_RESPONSE).await;
    let incident_id = first_page(&suite).await;
    let resolve = format!(r#"{{"command":"resolve","incident_id":"{incident_id}","by":"alice"}}"#);
    invoke(&suite, &invocation("incident-response", &resolve)).await;

    wait(&suite, "its document in the table", WITHIN_TWO_TICKS, async || {
        !suite.items_of("postmortems", &incident_id).is_empty()
    })
    .await;
    wait(&suite, "its action items in the table", WITHIN_TWO_TICKS, async || {
        suite.items_of("action-items", &incident_id).iter().any(|item| item["item"]["S"] == "root-cause")
    })
    .await;
    let about = format!(r#"{{"incident_id":"{incident_id}"}}"#);
    let written = invoke(&suite, &invocation("post-mortem", &about)).await;
    assert_eq!(written["incident_id"], incident_id.as_str(), "{written}");
    let documents = suite.items_of("postmortems", &incident_id);
    assert_eq!(documents.len(), 1, "written again, it is one document: {documents:?}");

    let root_cause = format!("{incident_id}/root-cause");
    let due = format!(r#"{{"action_item":"{root_cause}","command":"due","due":"2020-01-01","by":"alice"}}"#);
    assert_eq!(invoke(&suite, &invocation("post-mortem", &due)).await["due"], "2020-01-01");
    // Whoever it belongs to is told now, or is left alone at this time of the week, and the answer says which.
    let reminded = invoke(&suite, &invocation("action-item-reminder", "{}")).await;
    assert_eq!(reminded["figures"]["overdue"], 1, "{reminded}");
    let told = &reminded["digests"][0];
    let is_told = told["to"] == "team/platform" && told["items"][0] == root_cause.as_str();
    assert!(is_told || reminded["quiet"]["team/platform"].is_string(), "{reminded}");
    if is_told {
        wait(&suite, "the digest in Slack", WITHIN_TWO_TICKS, async || slack_mentions(&suite, &[&root_cause]).await)
            .await;
    }
    assert_eq!(suite.dead_letters(), "0", "messages were given up{}", suite.evidence().await);
    suite.end();
}

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn a_model_of_bedrock_drafts_from_the_facts_that_it_is_given() {
    let suite = Deployment::start_without_authorisation().await;
    invoke(&suite, TEST_INCIDENT_RESPONSE).await;
    let incident_id = first_page(&suite).await;
    let note = "asked carol@customer.example";
    let noted = format!(r#"{{"command":"note","incident_id":"{incident_id}","by":"alice","text":"{note}"}}"#);
    invoke(&suite, &invocation("incident-response", &noted)).await;
    let resolve = format!(r#"{{"command":"resolve","incident_id":"{incident_id}","by":"alice"}}"#);
    invoke(&suite, &invocation("incident-response", &resolve)).await;

    wait(&suite, "its document in the table", WITHIN_TWO_TICKS, async || {
        !suite.items_of("postmortems", &incident_id).is_empty()
    })
    .await;
    let facts = suite.outside.facts_sent().await.pop().unwrap_or_default();
    assert!(facts.contains("somebody noted: asked [e-mail]"), "{facts}{}", suite.evidence().await);
    assert!(!facts.contains("carol") && !facts.contains("alice"), "{facts}");
    let document = suite.items_of("postmortems", &incident_id).pop().unwrap_or_default().to_string();
    assert!(document.contains("AI-written draft, not checked"), "{document}{}", suite.evidence().await);
    assert!(!document.contains("An index was dropped"), "{document}");
    suite.end();
}

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn a_signed_button_in_slack_acknowledges_a_page() {
    let suite = Deployment::start().await;
    invoke(&suite, TEST_INCIDENT_RESPONSE).await;
    let incident_id = first_page(&suite).await;
    wait(&suite, "a Slack message with buttons", WITHIN_TWO_TICKS, async || {
        slack_mentions(&suite, &[&incident_id, r#""action_id":"acknowledge""#]).await
    })
    .await;

    let forged = suite.press_in_slack("a guess", "acknowledge", &incident_id, "mallory");
    assert_eq!(forged, 401, "{}", suite.evidence().await);
    let pressed = suite.press_in_slack(SIGNING_SECRET, "acknowledge", &incident_id, "alice");
    assert_eq!(pressed, 200, "{}", suite.evidence().await);

    wait(&suite, "the incident to be acknowledged in the table", WITHIN_TWO_TICKS, async || {
        suite.incident(&incident_id)["status"]["S"] == "acknowledged"
    })
    .await;
    let incident = suite.incident(&incident_id);
    assert_eq!(incident["acknowledgement"]["M"]["by"]["S"], "alice", "{incident}");
    wait(&suite, "PagerDuty to hear of it", WITHIN_TWO_TICKS, async || {
        suite.outside.pagerduty_keys("acknowledge").await.contains(&incident_id)
    })
    .await;
    suite.end();
}

/// The commands for the AWS CLI under "Health checks" and "Troubleshooting" of the README, to the letter but for the account.
fn commands_of_the_readme() -> Vec<String> {
    let readme = include_str!("../../../../README.md").replace("ACCOUNT", ACCOUNT).replace("\\\n", "");
    let sections = readme.split("\n### ");
    let wanted =
        sections.filter(|section| ["Health checks", "Troubleshooting"].iter().any(|name| section.starts_with(name)));
    let commands: Vec<String> =
        wanted.flat_map(str::lines).filter(|line| line.starts_with("aws ")).map(str::to_owned).collect();
    assert_eq!(commands.len(), 8, "{commands:?}");
    commands
}

/// The command that gives a function an event.
fn invocation(function: &str, payload: &str) -> String {
    format!("aws lambda invoke --function-name ai-nutritionist-{function} --payload '{payload}' output.json")
}

/// Runs an `aws lambda invoke ... output.json` and returns what the function answered.
async fn invoke(suite: &Deployment, command: &str) -> Value {
    let said: Value = serde_json::from_str(&suite.aws.shell(command)).unwrap();
    let answer = std::fs::read_to_string(suite.aws.folder().join("output.json")).unwrap();
    let succeeded = said["StatusCode"] == 200 && said.get("FunctionError").is_none();
    assert!(succeeded, "{said}: {answer}{}", suite.evidence().await);
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Waits for the first `PagerDuty` trigger, whose key is the incident's id.
async fn first_page(suite: &Deployment) -> String {
    wait(suite, "a PagerDuty trigger", WITHIN_TWO_TICKS, async || {
        !suite.outside.pagerduty_keys("trigger").await.is_empty()
    })
    .await;
    suite.outside.pagerduty_keys("trigger").await[0].clone()
}

async fn slack_mentions(suite: &Deployment, words: &[&str]) -> bool {
    suite.outside.slack_messages().await.iter().any(|message| {
        let message = message.to_lowercase();
        words.iter().all(|word| message.contains(&word.to_lowercase()))
    })
}

/// Asks until it is so, and fails with all the evidence there is when it takes longer than `bound`.
async fn wait(suite: &Deployment, what: &str, bound: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < bound, "waited {bound:?} for {what}, in vain{}", suite.evidence().await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Requests, and errors among them, that go on being counted while the test waits.
struct Traffic {
    counts: [(&'static str, u32); 2],
    last: Option<Instant>,
}

impl Traffic {
    fn with_errors(percent: u32) -> Self {
        Self { counts: [("RequestCount", 100), ("ErrorCount", percent)], last: None }
    }

    fn go_on(&mut self, suite: &Deployment) {
        if self.last.is_none_or(|last| last.elapsed() >= METRIC_PACE) {
            suite.put_application_counts(&self.counts, &[0]);
            self.last = Some(Instant::now());
        }
    }
}
