//! What the suite says of its own health: metrics in the Embedded Metric Format, printed to standard output, from which
//! `CloudWatch` Logs makes metrics. It costs no call and cannot fail.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The most metrics that one directive may define.
const METRICS_PER_DIRECTIVE: usize = 100;

/// One Embedded Metric Format document: print it on a line of its own.
///
/// A metric is its name, its `CloudWatch` unit (`Count`, `Milliseconds`, `None`) and its value. What the format has no
/// place for is left out, since one wrong member makes `CloudWatch` reject the whole document: values that are not
/// finite, and dimensions without a value. A name should appear once; at most 30 dimensions are allowed.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>.
pub fn emf(namespace: &str, dimensions: &[(&str, &str)], metrics: &[(&str, &str, f64)], at: Timestamp) -> Value {
    let dimensions: Vec<_> = dimensions.iter().filter(|(_, value)| !value.is_empty()).collect();
    let metrics: Vec<_> = metrics.iter().filter(|(_, _, value)| value.is_finite()).collect();

    let dimension_set: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let directives: Vec<Value> = metrics
        .chunks(METRICS_PER_DIRECTIVE)
        .map(|chunk| {
            let definitions: Vec<Value> =
                chunk.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
            json!({ "Namespace": namespace, "Dimensions": [dimension_set], "Metrics": definitions })
        })
        .collect();

    let mut document = Map::new();
    document.insert("_aws".to_owned(), json!({ "Timestamp": at.as_millisecond(), "CloudWatchMetrics": directives }));
    document.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    document.extend(metrics.iter().map(|(name, _, value)| ((*name).to_owned(), json!(value))));
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_728_907_200, 0);

    #[test]
    fn a_document_names_its_metrics_and_holds_their_values() {
        let document = emf(
            "AI-Nutritionist/Monitoring",
            &[("Function", "monitoring"), ("Version", "")],
            &[("Evaluated", "Count", 42.0), ("Duration", "Milliseconds", 12.5), ("Broken", "None", f64::NAN)],
            NOON,
        );
        let expected = json!({
            "_aws": {
                "Timestamp": 1_728_907_200_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "AI-Nutritionist/Monitoring",
                    "Dimensions": [["Function"]],
                    "Metrics": [
                        { "Name": "Evaluated", "Unit": "Count" },
                        { "Name": "Duration", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "Function": "monitoring",
            "Evaluated": 42.0,
            "Duration": 12.5,
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn a_directive_defines_a_hundred_metrics_at_most() {
        let names: Vec<String> = (0..101).map(|number| format!("m{number}")).collect();
        let metrics: Vec<_> = names.iter().map(|name| (name.as_str(), "Count", 1.0)).collect();
        let document = emf("N", &[], &metrics, NOON);
        let directives = document["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        let sizes: Vec<_> = directives.iter().map(|one| one["Metrics"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [100, 1]);
        assert_eq!(directives[0]["Dimensions"], json!([[]]));
        assert_eq!(document["m100"], json!(1.0));
    }
}
