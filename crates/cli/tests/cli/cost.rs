//! `monitorctl cost`.

use crate::catalogue::{monitorctl, repository, stderr, stdout};

#[test]
fn the_bill_is_told_line_by_line_and_rule_by_rule() {
    let told = monitorctl(&repository(), &["cost"]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    let text = stdout(&told);
    for words in ["series that the cycles read", "alarms of the rules", "DynamoDB", "KMS", "Total", "lambda-duration"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let json = monitorctl(&repository(), &["--json", "cost", "--incidents", "100"]);
    let bill: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!((&bill["region"], &bill["assumed"]["incidents"]), (&"us-east-1".into(), &100.into()));
    let lines = bill["lines"].as_array().unwrap();
    let sum: f64 = lines.iter().map(|line| line["list_usd"].as_f64().unwrap()).sum();
    assert!((sum - bill["list_usd"].as_f64().unwrap()).abs() < 1e-9);
    assert_eq!(bill["rules"].as_array().unwrap().len(), monitorctl::catalogue::shipped().unwrap().rules.len());
}

#[test]
fn an_assumption_that_is_no_number_is_refused() {
    let refused = monitorctl(&repository(), &["cost", "--incidents", "few"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--incidents"), "{}", stderr(&refused));
}
