//! The incident-response function: records of SNS and SQS, the minute tick, and commands.

use std::sync::OnceLock;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::collect::Aws;
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::incident_response::{Responder, Response, print_overview};
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let started_at = Timestamp::now();
    let function = Function::start()?;
    let responder: OnceLock<Responder<Aws>> = OnceLock::new();
    let (function, responder) = (&function, &responder);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let now = Timestamp::now();
        if self_test::is_asked_for(&event.payload) {
            let found = Box::pin(function.self_test_incident_response(&event.context.invoked_function_arn, now)).await;
            return Ok::<_, Error>(serde_json::to_value(found)?);
        }
        let responder = responder.get_or_init(|| {
            let aws = function.aws(&event.context.invoked_function_arn);
            let (catalogue, environment) = (function.catalogue.clone(), function.environment.clone());
            let responder = Responder::new(function.store(), function.channels(), aws, catalogue, environment);
            responder.with_region(function.region())
        });
        let answer = Box::pin(responder.handle(&event.payload, now)).await;
        if let Ok(Response { overview: Some(overview), .. }) = &answer {
            print_overview(&function.catalogue, &function.environment, overview, now);
        }
        // After the event, which must not wait for this; with one time, so that it is said once by this process.
        if let Some(change) = function.catalogue_alert(started_at)
            && let Err(error) = Box::pin(responder.take_in(change, now)).await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "nobody could be told of the catalogue");
        }
        Ok(serde_json::to_value(answer?)?)
    }))
    .await
}
