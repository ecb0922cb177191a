//! Calls to AWS: what they are, what is looked at for them, and when they still apply.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RESTARTED;

/// What to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Look {
    /// A parameter of Parameter Store.
    Parameter {
        /// Its name.
        name: String,
    },
    /// The configuration of a Lambda function, and its aliases.
    Function {
        /// Its name.
        name: String,
    },
    /// The concurrency that is reserved for a Lambda function, and what is left to the others.
    Concurrency {
        /// Its name.
        function: String,
    },
    /// The capacity of a `DynamoDB` table.
    Table {
        /// Its name.
        name: String,
    },
    /// The version that an alias of a Lambda function names, and the one before.
    Alias {
        /// The function.
        function: String,
        /// The alias.
        alias: String,
    },
}

/// The state of a target when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Observed {
    /// A parameter of Parameter Store.
    Parameter {
        /// Its value; `None` when there is no such parameter.
        value: Option<String>,
    },
    /// The configuration of a Lambda function.
    Function {
        /// Changes with every change of the function.
        revision: String,
        /// Whether an update of it is under way.
        updating: bool,
        /// Names of its aliases.
        aliases: Vec<String>,
        /// The value of the variable [`RESTARTED`].
        restarted: Option<String>,
        /// The other environment variables: for each a hash of its value, which may be a secret.
        variables: BTreeMap<String, String>,
    },
    /// The concurrency of a Lambda function.
    Concurrency {
        /// Reserved for it; `None` when it takes part in what all others share.
        reserved: Option<u32>,
        /// What the account has that is reserved for nobody.
        unreserved: u32,
    },
    /// A `DynamoDB` table.
    Table {
        /// Whether nothing is being changed on it.
        active: bool,
        /// What it can do.
        capacity: Capacity,
    },
    /// An alias of a Lambda function.
    Alias {
        /// The version that it names.
        version: String,
        /// When that version was made, if Lambda says it.
        made_at: Option<Timestamp>,
        /// The published version before that one, if there is one.
        previous: Option<String>,
        /// When that one was made, if Lambda says it.
        #[serde(default)]
        previous_made_at: Option<Timestamp>,
        /// Whether a share of its calls goes to yet another version.
        split: bool,
    },
}

/// What a `DynamoDB` table can do, in units a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Capacity {
    /// Paid for whether it is used or not.
    Provisioned {
        /// Read units.
        read: u32,
        /// Write units.
        write: u32,
    },
    /// Paid for as it is used.
    OnDemand {
        /// The most read units, if there is a limit.
        max_read: Option<u32>,
        /// The most write units, if there is a limit.
        max_write: Option<u32>,
    },
}

/// One call of an AWS API, with absolute values: made twice, it leaves the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation")]
pub enum Call {
    /// Writes a parameter of type String, whether it is there or not.
    #[serde(rename = "ssm:PutParameter")]
    PutParameter {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
    },
    /// Sets one environment variable of a function, and keeps every other: Lambda replaces the whole environment, so the call
    /// carries all of them.
    #[serde(rename = "lambda:UpdateFunctionConfiguration")]
    SetRestarted {
        /// The function.
        function: String,
        /// What [`RESTARTED`] is set to.
        value: String,
        /// The others, as hashes. What they stand for is read when the call is made, and compared.
        keep: BTreeMap<String, String>,
        /// Lambda refuses the call when the function has another revision by then.
        revision: String,
    },
    /// Reserves concurrency for a function.
    #[serde(rename = "lambda:PutFunctionConcurrency")]
    ReserveConcurrency {
        /// The function.
        function: String,
        /// How much.
        reserved: u32,
    },
    /// Sets the capacity of a table, in its mode.
    #[serde(rename = "dynamodb:UpdateTable")]
    SetCapacity {
        /// The table.
        table: String,
        /// What it can do then.
        capacity: Capacity,
    },
    /// Has an alias name another version, and that one alone.
    #[serde(rename = "lambda:UpdateAlias")]
    SetAlias {
        /// The function.
        function: String,
        /// The alias.
        alias: String,
        /// What it names then.
        version: String,
    },
}

/// When a call still applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "only_if", rename_all = "snake_case")]
pub enum Condition {
    /// The parameter has one of these values; `None` stands for no parameter.
    Parameter {
        /// What it was when it was looked at, or what this action has set.
        values: Vec<Option<String>>,
    },
    /// The function is as it was, which its call says itself.
    SameRevision,
    /// So much concurrency is reserved for the function.
    Reserved {
        /// What was when it was looked at, or what this action has set.
        reserved: u32,
    },
    /// The table can do this.
    Capacity {
        /// What it could when it was looked at, or what this action has set.
        capacity: Capacity,
    },
    /// The alias names this version, for all calls.
    Version {
        /// What it named when it was looked at, or what this action has set.
        version: String,
    },
}

/// A call with the condition under which it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// What.
    pub call: Call,
    /// When.
    pub condition: Condition,
}

/// What to do with a planned call, now that its target was looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Make it.
    Call,
    /// It was made already; nothing is called.
    Already,
    /// The target is being changed; a little later it may be made.
    Busy(String),
    /// Somebody else has changed the target in between; it is left alone.
    Changed(String),
}

impl Call {
    /// The operation as IAM and `CloudTrail` call it, and its request as the API takes it; secret values as hashes.
    pub fn request(&self) -> (&'static str, Value) {
        match self {
            Self::PutParameter { name, value } => {
                ("ssm:PutParameter", json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true }))
            }
            Self::SetRestarted { function, value, keep, revision } => {
                let mut variables = keep.clone();
                variables.insert(RESTARTED.to_owned(), value.clone());
                let request = json!({ "FunctionName": function, "RevisionId": revision, "Environment": { "Variables": variables } });
                ("lambda:UpdateFunctionConfiguration", request)
            }
            Self::ReserveConcurrency { function, reserved } => {
                let request = json!({ "FunctionName": function, "ReservedConcurrentExecutions": reserved });
                ("lambda:PutFunctionConcurrency", request)
            }
            Self::SetCapacity { table, capacity } => {
                let (key, value) = match capacity {
                    Capacity::Provisioned { read, write } => {
                        ("ProvisionedThroughput", json!({ "ReadCapacityUnits": read, "WriteCapacityUnits": write }))
                    }
                    Capacity::OnDemand { max_read, max_write } => {
                        // -1 is no limit.
                        let units = |max: &Option<u32>| max.map_or(-1, i64::from);
                        let units =
                            json!({ "MaxReadRequestUnits": units(max_read), "MaxWriteRequestUnits": units(max_write) });
                        ("OnDemandThroughput", units)
                    }
                };
                ("dynamodb:UpdateTable", json!({ "TableName": table, key: value }))
            }
            Self::SetAlias { function, alias, version } => {
                let request = json!({ "FunctionName": function, "Name": alias, "FunctionVersion": version });
                ("lambda:UpdateAlias", request)
            }
        }
    }

    /// What must be looked at to know whether the call still applies.
    pub fn look(&self) -> Look {
        match self {
            Self::PutParameter { name, .. } => Look::Parameter { name: name.clone() },
            Self::SetRestarted { function, .. } => Look::Function { name: function.clone() },
            Self::ReserveConcurrency { function, .. } => Look::Concurrency { function: function.clone() },
            Self::SetCapacity { table, .. } => Look::Table { name: table.clone() },
            Self::SetAlias { function, alias, .. } => Look::Alias { function: function.clone(), alias: alias.clone() },
        }
    }
}

impl fmt::Display for Call {
    /// `ssm:PutParameter /ai-nutritionist/circuit-breaker/payment = {...}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PutParameter { name, value } => write!(f, "ssm:PutParameter {name} = {value}"),
            Self::SetRestarted { function, value, keep, .. } => write!(
                f,
                "lambda:UpdateFunctionConfiguration {function}: {RESTARTED} = {value}, and its {} other variables as they are",
                keep.len()
            ),
            Self::ReserveConcurrency { function, reserved } => {
                write!(f, "lambda:PutFunctionConcurrency {function} = {reserved}")
            }
            Self::SetCapacity { table, capacity } => write!(f, "dynamodb:UpdateTable {table} = {capacity}"),
            Self::SetAlias { function, alias, version } => {
                write!(f, "lambda:UpdateAlias {function}:{alias} = version {version}")
            }
        }
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |max: &Option<u32>| max.map_or("no limit".to_owned(), |max| max.to_string());
        match self {
            Self::Provisioned { read, write } => write!(f, "{read} read and {write} write units, provisioned"),
            Self::OnDemand { max_read, max_write } => {
                write!(f, "on demand, at most {} read and {} write units", limit(max_read), limit(max_write))
            }
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter { values } => {
                let shown: Vec<&str> = values.iter().map(|value| value.as_deref().unwrap_or("not there")).collect();
                write!(f, "only if it is {}", shown.join(" or "))
            }
            Self::SameRevision => f.write_str("only if the function has this revision and these variables"),
            Self::Reserved { reserved } => write!(f, "only if it is {reserved}"),
            Self::Capacity { capacity } => write!(f, "only if it is {capacity}"),
            Self::Version { version } => write!(f, "only if it is version {version}"),
        }
    }
}

impl PlannedCall {
    /// Whether the call is still to be made.
    pub fn judge(&self, observed: &Observed) -> Verdict {
        match (&self.call, &self.condition, observed) {
            (
                Call::PutParameter { name, value },
                Condition::Parameter { values },
                Observed::Parameter { value: found },
            ) => {
                let shown = found.as_deref().unwrap_or("not there");
                judged(found.as_ref() == Some(value), values.contains(found), name, shown)
            }
            (
                Call::SetRestarted { function, value, keep, revision },
                Condition::SameRevision,
                Observed::Function { revision: found, updating, restarted, variables, .. },
            ) => {
                if restarted.as_ref() == Some(value) {
                    return Verdict::Already;
                }
                if *updating {
                    return Verdict::Busy(format!("an update of {function} is under way"));
                }
                judged(false, found == revision && variables == keep, function, "of another revision")
            }
            (
                Call::ReserveConcurrency { function, reserved },
                Condition::Reserved { reserved: expected },
                Observed::Concurrency { reserved: found, .. },
            ) => {
                let shown = found.map_or("not reserved".to_owned(), |found| found.to_string());
                judged(*found == Some(*reserved), *found == Some(*expected), function, &shown)
            }
            (
                Call::SetCapacity { table, capacity },
                Condition::Capacity { capacity: expected },
                Observed::Table { active, capacity: found },
            ) => match judged(found == capacity, found == expected, table, &found.to_string()) {
                Verdict::Call if !active => Verdict::Busy(format!("{table} is being changed")),
                verdict => verdict,
            },
            (
                Call::SetAlias { function, alias, version },
                Condition::Version { version: expected },
                Observed::Alias { version: found, split, .. },
            ) => {
                let shown = if *split { format!("version {found} and another") } else { format!("version {found}") };
                judged(!split && found == version, !split && found == expected, &format!("{function}:{alias}"), &shown)
            }
            _ => Verdict::Changed("it is not what the call is about".to_owned()),
        }
    }
}

fn judged(done: bool, as_expected: bool, name: &str, found: &str) -> Verdict {
    if done {
        Verdict::Already
    } else if as_expected {
        Verdict::Call
    } else {
        Verdict::Changed(format!("{name} was changed in between, by somebody else: it is {found}"))
    }
}
