//! The least that a Rust function on Lambda is: what `scripts/bench.sh` measures the functions' start against.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Error>(json!({ "hello": event.payload.get("name").and_then(Value::as_str).unwrap_or("world") }))
    }))
    .await
}
