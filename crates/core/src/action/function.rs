//! Lambda functions: new execution environments, and more concurrency.

use jiff::Timestamp;

use super::{Call, Condition, Growth, Observed, Plan, PlannedCall};

/// The environment variable that a restart sets. A change of the configuration gives every further invocation a new execution
/// environment; this one changes nothing else.
pub const RESTARTED: &str = "MONITORING_RESTARTED";

/// Lambda keeps at least so much for functions without a reservation, and refuses what would leave less.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>.
const KEPT_UNRESERVED: u32 = 100;

/// Touches the configuration of `$LATEST`. Where an alias takes the traffic, that would restart nothing.
pub(super) fn restart(name: &str, observed: &Observed, by: &str, at: Timestamp) -> Result<Plan, String> {
    let Observed::Function { revision, updating, aliases, variables, .. } = observed else {
        return Err(format!("what was seen of {name} is no function"));
    };
    if let Some(alias) = aliases.first() {
        return Err(format!(
            "{name} has the alias {alias}: who calls it runs a published version, which a change of the configuration does not restart"
        ));
    }
    if *updating {
        return Err(format!("an update of {name} is under way, which restarts it"));
    }
    let call = Call::SetRestarted {
        function: name.to_owned(),
        value: format!("{by} {at}"),
        keep: variables.clone(),
        revision: revision.clone(),
    };
    let calls = vec![PlannedCall { call, condition: Condition::SameRevision }];
    Ok(Plan { calls, later: None, inverse: Vec::new(), stays: false })
}

/// More reserved concurrency, only where some is reserved already: to reserve it for a function that has none would cap it.
pub(super) fn scale_out(name: &str, reserved: Option<u32>, unreserved: u32, growth: Growth) -> Result<Plan, String> {
    let Some(before) = reserved else {
        return Err(format!("no concurrency is reserved for {name}, and to reserve some would cap it"));
    };
    if before == 0 {
        return Err(format!("{name} is switched off by a reserved concurrency of 0"));
    }
    let room = unreserved.saturating_sub(KEPT_UNRESERVED);
    let after = growth.of(before).min(before.saturating_add(room));
    if after == before {
        return Err(format!(
            "{name} has {before} of at most {}, and the account {unreserved} that are reserved for nobody, of which {KEPT_UNRESERVED} stay",
            growth.cap
        ));
    }
    let set = |reserved, expected| PlannedCall {
        call: Call::ReserveConcurrency { function: name.to_owned(), reserved },
        condition: Condition::Reserved { reserved: expected },
    };
    Ok(Plan { calls: vec![set(after, before)], later: None, inverse: vec![set(before, after)], stays: false })
}
