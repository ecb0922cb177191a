//! The post-mortem function: asked for by incident-response when an incident ends, and by hand for any that has ended. It also
//! keeps the action items of its documents.

use std::sync::OnceLock;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::action_items::{self, ActionItems};
use monitoring_aws::collect::Aws;
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::post_mortem::Writer;
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start()?;
    let writer: OnceLock<Writer<Aws>> = OnceLock::new();
    let (function, writer) = (&function, &writer);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        if self_test::is_asked_for(&event.payload) {
            return Ok::<_, Error>(serde_json::to_value(Box::pin(function.self_test_post_mortem()).await)?);
        }
        let now = Timestamp::now();
        if action_items::is_meant(&event.payload) {
            let items = ActionItems::new(function.store(), function.catalogue.clone());
            return Ok(serde_json::to_value(Box::pin(items.handle(&event.payload, now)).await?)?);
        }
        let writer = writer.get_or_init(|| {
            let aws = function.aws(&event.context.invoked_function_arn);
            Writer::new(function.store(), aws, function.catalogue.clone(), function.environment.clone())
                .with_model(function.model())
        });
        Ok(serde_json::to_value(Box::pin(writer.handle(&event.payload, now)).await?)?)
    }))
    .await
}
