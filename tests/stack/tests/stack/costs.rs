//! What `monitorctl cost` bills for quiet minutes, against what the functions ask for in them.
//!
//! `MiniStack` records the calls of functions. What runs inside it leaves no record, as what runs inside AWS: schedules, polls of
//! the queue, keys, traces. Those lines of the bill rest on AWS's documents alone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use stack::calls::{self, Call};
use stack::deployment::{Deployment, INCIDENT_RESPONSE, MONITORING};
use stack::path_from_env;

const MINUTE_MS: u64 = 60_000;
const MINUTES: u64 = 3;
const MINUTES_COUNTED: f64 = 3.0;
const MINUTES_OF_A_MONTH: f64 = 730.0 * 60.0;
/// One minute in five has a comparison, of which three minutes have one or none.
const TOLERANCE: f64 = 0.15;
const WITHIN_THE_FIRST_CYCLES: Duration = Duration::from_mins(5);

/// Of these the bill knows, or they are free: standard parameters cost nothing to read.
const BILLED: [(&str, &str); 6] = [
    ("dynamodb", "Query"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "BatchGetItem"),
    ("sns", "Publish"),
    ("monitoring", ""),
    ("ssm", "GetParameter"),
];

#[tokio::test]
#[ignore = "needs the zips and a local AWS; scripts/test.sh runs it"]
async fn quiet_minutes_cost_what_the_bill_says() {
    let suite = Deployment::start().await;
    let bill = bill();
    between_two_minutes(&suite).await;

    let from = now_ms();
    while now_ms() < from + MINUTES * MINUTE_MS {
        counts(&suite);
        tokio::time::sleep(Duration::from_secs(15)).await;
    }
    let to = from + MINUTES * MINUTE_MS;
    let mut made = calls::of_functions(&suite.aws, from / 1000, to / 1000);
    // Where the hour turned meanwhile; the bill has a line of its own for it.
    made.retain(|call| !is_of_the_reminder(call));

    let unknown: Vec<_> = calls::kinds(&made).into_iter().filter(|kind| !BILLED.contains(kind)).collect();
    assert_eq!(unknown, [], "the bill does not know these calls");
    let number = |service: &str| count(made.iter().filter(|call| call.service == service).count());
    let invocations = invocations(&suite, from, to).len();
    for (service, what, counted) in [
        ("Lambda", "invocations", count(invocations)),
        ("SNS", "messages", number("sns")),
        ("DynamoDB", "read units of quiet minutes", made.iter().map(Call::read_units).sum()),
    ] {
        let billed = of_the_bill(&bill, service, what);
        let difference = (counted - billed).abs() / billed;
        let says = format!("{service}, {what}: {counted} in {MINUTES} minutes, the bill has {billed:.1}");
        println!("{says}");
        assert!(difference <= TOLERANCE, "{says}: {made:#?}");
    }
    // Each cycle asks once for all series that it reads; which these are is tested beside the bill.
    let series = of_the_bill(&bill, "CloudWatch", "series that the cycles read");
    let asked = number("monitoring");
    assert!(asked >= 1.0 && asked <= series, "{asked} calls of CloudWatch for {series:.1} series: {made:#?}");
    suite.end();
}

/// Nothing else asks for action items while nothing happens.
fn is_of_the_reminder(call: &Call) -> bool {
    call.parameters["TableName"] == "ai-nutritionist-action-items"
}

/// The bill of the test's catalogue, where nothing happens.
fn bill() -> Value {
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("monitoring.yaml");
    let mut command = Command::new(path_from_env("STACK_MONITORCTL"));
    command.args(["--json", "cost", "--requests", "0", "--incidents", "0", "--sms", "0"]).arg(catalogue);
    let output = command.env_clear().output().expect("monitorctl runs");
    assert!(output.status.success(), "monitorctl cost: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("monitorctl prints JSON")
}

/// What a line of the bill has for these minutes.
fn of_the_bill(bill: &Value, service: &str, what: &str) -> f64 {
    let lines = bill["lines"].as_array().expect("the lines of a bill");
    let line = lines.iter().find(|line| line["service"] == service && line["what"] == what);
    let quantity = line.and_then(|line| line["quantity"].as_f64());
    let quantity = quantity.unwrap_or_else(|| panic!("no line {service}, {what}: {bill}"));
    quantity / MINUTES_OF_A_MONTH * MINUTES_COUNTED
}

/// Waits until the processes have started and every alert has found its state, and then for the middle of the longest time in
/// a minute in which the schedules start nothing, so that as many begin before the window ends as before it began.
async fn between_two_minutes(suite: &Deployment) {
    let (started, began) = (Instant::now(), now_ms());
    while suite.invocations(MONITORING, began, now_ms()).len() < 2 {
        assert!(started.elapsed() < WITHIN_THE_FIRST_CYCLES, "no two cycles{}", suite.evidence().await);
        counts(suite);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    let now = now_ms();
    let mut phases: Vec<u64> = invocations(suite, now - MINUTE_MS, now).iter().map(|at| at % MINUTE_MS).collect();
    phases.sort_unstable();
    let first = *phases.first().expect("a cycle in the last minute");
    let next = phases.iter().skip(1).copied().chain([first + MINUTE_MS]);
    let longest = phases.iter().zip(next).max_by_key(|(phase, next)| next - **phase);
    let (phase, next) = longest.expect("a cycle in the last minute");
    let middle = (phase + next) / 2 % MINUTE_MS;
    let wait = (middle + MINUTE_MS - now_ms() % MINUTE_MS) % MINUTE_MS;
    tokio::time::sleep(Duration::from_millis(wait)).await;
}

fn invocations(suite: &Deployment, from: u64, to: u64) -> Vec<u64> {
    [MONITORING, INCIDENT_RESPONSE].iter().flat_map(|function| suite.invocations(function, from, to)).collect()
}

/// Traffic without anything wrong.
fn counts(suite: &Deployment) {
    suite.put_application_counts(&[("RequestCount", 100), ("ErrorCount", 1)], &[1, 0]);
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
