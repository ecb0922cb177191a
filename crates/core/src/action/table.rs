//! `DynamoDB` tables: more capacity.

use super::{Call, Capacity, Condition, Growth, Plan, PlannedCall};

/// More provisioned capacity, or a higher limit of what is used on demand.
pub(super) fn scale_out(name: &str, active: bool, before: Capacity, growth: Growth) -> Result<Plan, String> {
    if !active {
        return Err(format!("{name} is being changed already"));
    }
    let after = match before {
        Capacity::Provisioned { read, write } => {
            Capacity::Provisioned { read: growth.of(read), write: growth.of(write) }
        }
        Capacity::OnDemand { max_read: None, max_write: None } => {
            return Err(format!("{name} is on demand and has no limit; it grows by itself"));
        }
        Capacity::OnDemand { max_read, max_write } => Capacity::OnDemand {
            max_read: max_read.map(|max| growth.of(max)),
            max_write: max_write.map(|max| growth.of(max)),
        },
    };
    if after == before {
        return Err(format!("{name} has {before}, and the most is {}", growth.cap));
    }
    let set = |capacity, expected| PlannedCall {
        call: Call::SetCapacity { table: name.to_owned(), capacity },
        condition: Condition::Capacity { capacity: expected },
    };
    Ok(Plan { calls: vec![set(after, before)], later: None, inverse: vec![set(before, after)], stays: false })
}
