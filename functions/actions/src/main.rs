//! The actions function: looks at targets and makes the calls that incident-response has planned and recorded.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start()?;
    let actor = function.actor();
    let (function, actor) = (&function, &actor);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        if self_test::is_asked_for(&event.payload) {
            return Ok::<_, Error>(serde_json::to_value(function.self_test_actions().await)?);
        }
        let answer = Box::pin(actor.handle_event(event.payload)).await;
        Ok(serde_json::to_value(answer)?)
    }))
    .await
}
