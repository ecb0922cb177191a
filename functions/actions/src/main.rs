//! The actions function: looks at targets and makes the calls that incident-response has planned and recorded.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::function::{Function, start_logs};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start().await?;
    let actor = &function.actor();
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(Box::pin(actor.handle_event(event.payload)).await)
    }))
    .await
}
