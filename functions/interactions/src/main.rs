//! The interactions function: Slack's buttons and `PagerDuty`'s webhooks, behind a function URL.

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::interactions::print_count;
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start()?;
    let (interactions, incident_response) = (function.interactions(), function.incident_response());
    let (function, interactions, incident_response) = (&function, &interactions, &incident_response);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let now = Timestamp::now();
        if self_test::is_asked_for(&event.payload) {
            return Ok::<_, Error>(serde_json::to_value(function.self_test_interactions().await)?);
        }
        let invoke = |command| incident_response.invoke(command);
        let answer = Box::pin(interactions.handle_event(&event.payload, now, invoke)).await;
        print_count(&function.catalogue, &function.environment, answer, now);
        Ok(answer.response())
    }))
    .await
}
