//! The actions function: looks at targets, and makes the calls that were planned and recorded. It alone may change
//! anything outside of the suite's own tables.
//!
//! It decides nothing but whether a call still applies: the allow-list, the kill switch and the call's own condition are
//! looked at before each call. Every call has absolute values, so a request that comes twice leaves the same state.

mod alias;
mod function;
mod invoke;
mod parameter;
mod table;

use std::sync::OnceLock;

use aws_config::SdkConfig;
use monitoring_core::action::{self, Call, Look, Observed, PlannedCall, Verdict, rails};
use monitoring_core::catalogue::{ActionKind, Catalogue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::collect::failure::Failure;

pub use invoke::ActionsFunction;
pub use parameter::{KillSwitch, Stop, StopError};

/// What incident-response asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// The state of a target. Changes nothing.
    Look {
        /// What to look at.
        look: Look,
    },
    /// Make these calls in order; the first that does not apply or fails is the last.
    Run {
        /// Incident and effect: `INC-20261123-0f3a9c1d#4`. For the log.
        key: String,
        /// What was planned and recorded.
        calls: Vec<PlannedCall>,
    },
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The state of the target.
    Looked {
        /// As it is.
        observed: Observed,
    },
    /// Every call was made, now or before.
    Ran {
        /// A sentence for each call.
        said: Vec<String>,
    },
    /// The kill switch is set; nothing more was called.
    Stopped {
        /// Who set it, and why.
        reason: String,
    },
    /// Somebody else has changed a target; nothing more was called.
    Changed {
        /// What was found.
        reason: String,
    },
    /// A call failed or was refused.
    Failed {
        /// Why.
        reason: String,
        /// Whether the same request may succeed later.
        retryable: bool,
        /// Whether it is certain that nothing was changed.
        untouched: bool,
    },
}

/// The actions function, without Lambda around it.
#[derive(Debug)]
pub struct Actor {
    config: SdkConfig,
    catalogue: Catalogue,
    environment: String,
    ssm: OnceLock<aws_sdk_ssm::Client>,
    lambda: OnceLock<aws_sdk_lambda::Client>,
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
}

impl Actor {
    /// An actor for the targets of a catalogue in an environment.
    pub fn new(config: SdkConfig, catalogue: Catalogue, environment: String) -> Self {
        Self {
            config,
            catalogue,
            environment,
            ssm: OnceLock::new(),
            lambda: OnceLock::new(),
            dynamodb: OnceLock::new(),
        }
    }

    /// Handles the event of an invocation.
    pub async fn handle_event(&self, event: Value) -> Answer {
        match serde_json::from_value(event) {
            Ok(request) => self.handle(&request).await,
            Err(error) => Answer::Failed {
                reason: format!("the request cannot be read: {error}"),
                retryable: false,
                untouched: true,
            },
        }
    }

    /// Handles a request.
    pub async fn handle(&self, request: &Request) -> Answer {
        match request {
            Request::Look { look } => self.look_unless_stopped(look).await,
            Request::Run { key, calls } => {
                let answer = self.run(calls).await;
                tracing::info!(key, ?answer, "ran");
                answer
            }
        }
    }

    async fn look_unless_stopped(&self, look: &Look) -> Answer {
        if let Err(answer) = self.go_on(true).await {
            return answer;
        }
        match self.look(look).await {
            Ok(observed) => Answer::Looked { observed },
            Err(failure) => failed(&failure, true),
        }
    }

    async fn run(&self, calls: &[PlannedCall]) -> Answer {
        let mut said = Vec::with_capacity(calls.len());
        for planned in calls {
            let untouched = said.is_empty();
            let target = self.target(&planned.call);
            let permitted = target.as_deref().is_some_and(|target| rails::is_allowed(&self.catalogue.actions, target));
            if !permitted {
                let reason = format!("{} is not on the allow-list of the actions function", planned.call);
                return Answer::Failed { reason, retryable: false, untouched };
            }
            if let Err(answer) = self.go_on(untouched).await {
                return answer;
            }
            let observed = match self.look(&planned.call.look()).await {
                Ok(observed) => observed,
                Err(failure) => return failed(&failure, untouched),
            };
            match planned.judge(&observed) {
                Verdict::Already => said.push(format!("{} was so already", planned.call)),
                Verdict::Changed(reason) => return Answer::Changed { reason },
                Verdict::Busy(reason) => return Answer::Failed { reason, retryable: true, untouched },
                Verdict::Call => match self.call(&planned.call).await {
                    Ok(()) => said.push(format!("{} was called", planned.call)),
                    // Without an answer it may have been carried out.
                    Err(failure) => return failed(&failure, untouched && failure.certain),
                },
            }
        }
        Answer::Ran { said }
    }

    /// Whether the kill switch lets anything be done. One that cannot be read does not.
    async fn go_on(&self, untouched: bool) -> Result<(), Answer> {
        let switch = KillSwitch::new(self.ssm().clone(), action::stop_parameter(&self.catalogue, &self.environment));
        match switch.read().await {
            Ok(None) => Ok(()),
            Ok(Some(stop)) => Err(Answer::Stopped { reason: stop.to_string() }),
            Err(StopError { reason, retryable }) => Err(Answer::Failed {
                reason: format!("the kill switch cannot be read, so nothing is done: {reason}"),
                retryable,
                untouched,
            }),
        }
    }

    /// The name under which the allow-list has what a call changes; `None` for what no action of this catalogue changes.
    fn target(&self, call: &Call) -> Option<String> {
        match call {
            Call::SetRestarted { function, .. }
            | Call::ReserveConcurrency { function, .. }
            | Call::SetAlias { function, .. } => Some(format!("lambda/{function}")),
            Call::SetCapacity { table, .. } => Some(format!("table/{table}")),
            Call::PutParameter { name, .. } if self.is_of_application(name) => Some(format!("parameter{name}")),
            Call::PutParameter { name, .. } => {
                let service = name.strip_prefix(&action::breaker_path(&self.catalogue, &self.environment))?;
                self.catalogue
                    .actions
                    .services
                    .iter()
                    .any(|known| known == service)
                    .then(|| format!("circuit-breaker/{service}"))
            }
        }
    }

    /// Whether a runbook of the catalogue has this parameter name a standby, or did: one that the allow-list names whole can be given back
    /// after the runbook has changed. A pattern is not enough, since it may fit what nobody thought of.
    fn is_of_application(&self, name: &str) -> bool {
        let target = format!("parameter{name}");
        let is_named = self.catalogue.actions.allow.contains(&target) && !action::is_own_parameter(name);
        is_named || self.fails_over(name)
    }

    fn fails_over(&self, name: &str) -> bool {
        let automations = self.catalogue.runbooks.values().filter_map(|runbook| runbook.automation.as_ref());
        automations
            .flat_map(|automation| &automation.actions)
            .any(|spec| matches!(&spec.action, ActionKind::Failover { parameter, .. } if parameter == name))
    }

    async fn look(&self, look: &Look) -> Result<Observed, CallFailure> {
        match look {
            Look::Parameter { name } => {
                parameter::read(self.ssm(), name).await.map(|value| Observed::Parameter { value })
            }
            Look::Function { name } => function::look(self.lambda(), name).await,
            Look::Concurrency { function } => function::concurrency(self.lambda(), function).await,
            Look::Table { name } => table::look(self.dynamodb(), name).await,
            Look::Alias { function, alias } => alias::look(self.lambda(), function, alias).await,
        }
    }

    async fn call(&self, call: &Call) -> Result<(), CallFailure> {
        match call {
            Call::PutParameter { name, value } => parameter::write(self.ssm(), name, value).await,
            Call::SetRestarted { function, value, keep, revision } => {
                let restart = function::Restart { function, value, keep, revision };
                function::set_restarted(self.lambda(), &restart).await
            }
            Call::ReserveConcurrency { function, reserved } => {
                function::reserve(self.lambda(), function, *reserved).await
            }
            Call::SetCapacity { table, capacity } => table::set_capacity(self.dynamodb(), table, *capacity).await,
            Call::SetAlias { function, alias, version } => alias::serve(self.lambda(), function, alias, version).await,
        }
    }

    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.lambda.get_or_init(|| aws_sdk_lambda::Client::new(&self.config))
    }

    fn dynamodb(&self) -> &aws_sdk_dynamodb::Client {
        self.dynamodb.get_or_init(|| aws_sdk_dynamodb::Client::new(&self.config))
    }

    fn ssm(&self) -> &aws_sdk_ssm::Client {
        self.ssm.get_or_init(|| aws_sdk_ssm::Client::new(&self.config))
    }
}

/// Why a call to AWS failed.
#[derive(Debug)]
struct CallFailure {
    reason: String,
    retryable: bool,
    /// Whether it is certain that it was not carried out.
    certain: bool,
}

impl CallFailure {
    fn of(operation: &str, failure: &Failure) -> Self {
        let certain = matches!(failure, Failure::Refused { status, .. } if *status < 500);
        // Lambda and DynamoDB say so while an earlier update is under way.
        let busy = matches!(failure.code(), "ResourceConflictException" | "ResourceInUseException");
        Self { reason: failure.sentence(operation), retryable: busy || failure.is_retryable(), certain }
    }
}

fn failed(failure: &CallFailure, untouched: bool) -> Answer {
    Answer::Failed { reason: failure.reason.clone(), retryable: failure.retryable, untouched }
}
