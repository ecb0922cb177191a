//! The monitoring function: one cycle for each scheduled event, or for `{}` by hand; and an investigation when incident-response asks for it.

use std::sync::OnceLock;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::collect::Aws;
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::monitoring::{Engines, Monitor, is_asked, print_health};
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start()?;
    let monitor: OnceLock<Monitor<Aws>> = OnceLock::new();
    let (function, monitor) = (&function, &monitor);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let now = Timestamp::now();
        if self_test::is_asked_for(&event.payload) {
            let found = Box::pin(function.self_test_monitoring(&event.context.invoked_function_arn, now)).await;
            return Ok::<_, Error>(serde_json::to_value(found)?);
        }
        let monitor = monitor.get_or_init(|| {
            let aws = function.aws(&event.context.invoked_function_arn);
            Monitor::new(
                function.store(),
                aws,
                function.catalogue.clone(),
                Engines::Service,
                function.environment.clone(),
            )
        });
        if is_asked(&event.payload) {
            return Ok(serde_json::to_value(Box::pin(monitor.investigate(&event.payload, now)).await?)?);
        }
        let report = Box::pin(monitor.cycle(now)).await;
        print_health(&function.catalogue, &function.environment, &report);
        if let Some(change) = function.catalogue_alert(now) {
            monitor.publish(&change).await?;
        }
        Ok(serde_json::to_value(report)?)
    }))
    .await
}
