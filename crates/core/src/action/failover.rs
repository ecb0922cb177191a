//! Over to the standby: a parameter names another region, table or endpoint.

use super::{Call, Condition, Plan, PlannedCall};

/// Nothing is made where there is nothing: a parameter that is not there is read by nobody.
pub(super) fn plan(parameter: &str, standby: &str, value: Option<&str>) -> Result<Plan, String> {
    let Some(active) = value else { return Err(format!("there is no parameter {parameter}")) };
    if active == standby {
        return Err(format!("{parameter} names {standby} already"));
    }
    let name = |value: &str, expected: &str| PlannedCall {
        call: Call::PutParameter { name: parameter.to_owned(), value: value.to_owned() },
        condition: Condition::Parameter { values: vec![Some(expected.to_owned())] },
    };
    let (calls, inverse) = (vec![name(standby, active)], vec![name(active, standby)]);
    Ok(Plan { calls, later: None, inverse, stays: true })
}
