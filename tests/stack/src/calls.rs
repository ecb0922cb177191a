//! What the functions asked of AWS, from `MiniStack`'s record of calls.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::aws::Aws;

/// A look at the record answers with the newest 50 calls, so each look is at a few seconds.
const LOOK_SECONDS: u64 = 15;
const LOOK_CALLS: usize = 50;

/// A call by a function of the suite.
#[derive(Clone, Debug)]
pub struct Call {
    /// `dynamodb`.
    pub service: String,
    /// `Query`; of what is not named in its request's headers, the action that its form asks for, or nothing.
    pub name: String,
    /// Its parameters, where they are JSON or a form.
    pub parameters: Value,
}

impl Call {
    /// What `DynamoDB` charges for it as a read, in units, if it reads little: half of one, or one if it is consistent. Of
    /// several items at once, for each.
    #[must_use]
    pub fn read_units(&self) -> f64 {
        let one = |consistent: &Value| if consistent == true { 1.0 } else { 0.5 };
        match self.name.as_str() {
            "Query" | "GetItem" => one(&self.parameters["ConsistentRead"]),
            "BatchGetItem" => {
                let tables = self.parameters["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
                tables
                    .map(|table| {
                        table["Keys"]
                            .as_array()
                            .map_or(0.0, |keys| keys.iter().map(|_| one(&table["ConsistentRead"])).sum())
                    })
                    .sum()
            }
            _ => 0.0,
        }
    }
}

/// The calls between two moments, in seconds since 1970, of every function of the suite: those by the AWS SDK for Rust.
#[must_use]
pub fn of_functions(aws: &Aws, from: u64, to: u64) -> Vec<Call> {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut start = from;
    while start < to {
        let end = to.min(start + LOOK_SECONDS);
        let (first, last) = (start.to_string(), end.to_string());
        let found = aws.run(&["cloudtrail", "lookup-events", "--start-time", &first, "--end-time", &last]);
        let events = found["Events"].as_array().cloned().unwrap_or_default();
        assert!(events.len() < LOOK_CALLS, "more calls in {LOOK_SECONDS} s than a look shows");
        seen.extend(events.into_iter().map(|event| (event["EventId"].as_str().unwrap_or_default().to_owned(), event)));
        start = end;
    }
    seen.values().filter_map(call).collect()
}

fn call(event: &Value) -> Option<Call> {
    let told: Value = serde_json::from_str(event["CloudTrailEvent"].as_str()?).ok()?;
    if !told["userAgent"].as_str()?.contains("aws-sdk-rust") {
        return None;
    }
    let parameters = told["requestParameters"].clone();
    let recorded = told["eventName"].as_str()?;
    // `POST.sns`: the action is in the form; in what is CBOR, nowhere.
    let name = if recorded.contains('.') { parameters["Action"].as_str().unwrap_or_default() } else { recorded };
    let service = told["eventSource"].as_str()?.split('.').next()?;
    Some(Call { service: service.to_owned(), name: name.to_owned(), parameters })
}

/// The services and names of calls, each once.
#[must_use]
pub fn kinds(calls: &[Call]) -> BTreeSet<(&str, &str)> {
    calls.iter().map(|call| (call.service.as_str(), call.name.as_str())).collect()
}
