//! The incident-response function: records of SNS and SQS, the minute tick, and commands.

use std::sync::OnceLock;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::collect::Aws;
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::incident_response::Responder;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start().await?;
    let responder: OnceLock<Responder<Aws>> = OnceLock::new();
    let (function, responder) = (&function, &responder);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let now = Timestamp::now();
        let responder = responder.get_or_init(|| {
            let aws = function.aws(&event.context.invoked_function_arn);
            let (catalogue, environment) = (function.catalogue.clone(), function.environment.clone());
            Responder::new(function.store(), function.channels(), aws, catalogue, environment)
        });
        if let Some(change) = function.catalogue_alert(now) {
            responder.take_in(change, now).await?;
        }
        Ok::<_, Error>(responder.handle(&event.payload, now).await?)
    }))
    .await
}
