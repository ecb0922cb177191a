//! The reminder function: each hour by `EventBridge`, and by hand. It reminds the owners of action items in their working hours, and
//! sends the weekly report.

use std::sync::OnceLock;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use monitoring_aws::action_item_reminder::{Reminder, print_figures};
use monitoring_aws::collect::Aws;
use monitoring_aws::function::{Function, start_logs};
use monitoring_aws::self_test;
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start_logs();
    let function = Function::start()?;
    let reminder: OnceLock<Reminder<Aws>> = OnceLock::new();
    let (function, reminder) = (&function, &reminder);
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let now = Timestamp::now();
        let arn = &event.context.invoked_function_arn;
        if self_test::is_asked_for(&event.payload) {
            let tested = Box::pin(function.self_test_action_item_reminder(now)).await;
            return Ok::<_, Error>(serde_json::to_value(tested)?);
        }
        let reminder = reminder.get_or_init(|| {
            Reminder::new(function.store(), function.channels(), function.aws(arn), function.catalogue.clone())
        });
        let response = Box::pin(reminder.handle(&event.payload, now)).await?;
        print_figures(&function.catalogue, &function.environment, &response, now);
        Ok(serde_json::to_value(response)?)
    }))
    .await
}
