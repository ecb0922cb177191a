//! One action of one incident, from the first thought to the end, as a state machine that its journal entries drive.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Plan, Target};
use crate::catalogue::{ActionSpec, Severity};

/// The most runs that the head of an incident carries; no further one begins.
pub const MAX_RUNS: usize = 10;

/// An action of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// From 1 within its incident.
    pub number: u32,
    /// Which runbook asked for it.
    pub runbook: String,
    /// Its place among the runbook's actions, from 0.
    pub place: u32,
    /// What it does.
    pub spec: ActionSpec,
    /// To what.
    pub target: Target,
    /// How bad the incident was then. What gets worse afterwards was not helped.
    pub severity: Severity,
    /// Where it stands.
    pub state: RunState,
    /// When consent comes too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What it does in calls, once that is known and as long as it matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// When its second part is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_at: Option<Timestamp>,
    /// When its effect is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify_at: Option<Timestamp>,
}

/// Where an action stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// Somebody is asked for consent.
    Proposed,
    /// The state of the target was asked for.
    Looking {
        /// Whether its calls are recorded and not made.
        dry_run: bool,
    },
    /// Its calls were recorded, and are being made.
    Acting,
    /// Its calls were made; whether it helps is not known yet.
    Watching,
    /// It helped, and is undone when the incident is over.
    Kept,
    /// It is being undone.
    Undoing,
    /// Nothing more will come of it.
    Ended {
        /// How.
        end: RunEnd,
    },
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// A guard rail did not let it begin.
    Refused,
    /// Nobody agreed in time.
    Expired,
    /// Its target needed nothing, or could not be understood.
    Nothing,
    /// Its calls were recorded, and not made.
    DryRun,
    /// A team was told, which is all there was to do.
    Told,
    /// The kill switch was set. What was changed stays.
    Stopped,
    /// A call failed.
    Failed,
    /// It helped, and stays.
    Helped,
    /// It did not help, and there is nothing to undo.
    NoHelp,
    /// It was undone.
    Undone,
    /// Somebody else has changed the target since, or nobody will know whether it helped: it is left as it is.
    Left,
}

/// What calls are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The action.
    Do,
    /// Its second part.
    Later,
    /// Its inverse.
    Undo,
}

/// Something that happened to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// It was thought of: refused, to be agreed to, or begun.
    Considered {
        /// The run as it begins.
        run: Box<Run>,
    },
    /// Somebody agreed, and it begins.
    Approved {
        /// Who.
        by: String,
        /// Whether its calls are recorded and not made.
        dry_run: bool,
    },
    /// A team was told.
    Told {
        /// The channels, in the order of the effects.
        channels: Vec<String>,
    },
    /// Its calls are known.
    Planned {
        /// Which.
        plan: Plan,
    },
    /// Its calls were made.
    Done {
        /// When the second part is due.
        later_at: Option<Timestamp>,
        /// When its effect is judged.
        verify_at: Timestamp,
    },
    /// Its second part is begun.
    LaterBegun {},
    /// Its second part was made.
    LaterDone {},
    /// Its second part was not made.
    LaterFailed {},
    /// The alerts that asked for it were measured OK.
    Helped {},
    /// They were not, in time.
    NotHelped {},
    /// It is being undone.
    Undoing {},
    /// It is over. `plan` stays known where something is left to undo by hand.
    Ended {
        /// How.
        end: RunEnd,
    },
}

impl Run {
    /// Whether anything may still come of it.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, RunState::Ended { .. })
    }

    /// Whether it holds its target.
    pub fn holds(&self) -> bool {
        self.is_live() && self.state != RunState::Proposed
    }

    /// Whether its calls were made, so that it can be undone.
    pub fn can_be_undone(&self) -> bool {
        let over = matches!(self.state, RunState::Ended { end: RunEnd::Stopped | RunEnd::Helped | RunEnd::Left });
        matches!(self.state, RunState::Watching | RunState::Kept) || over && self.plan.is_some()
    }

    /// When something is due: consent comes too late, its second part begins, or its effect is judged.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self.state {
            RunState::Proposed => self.expires_at,
            RunState::Watching => self.later_at.into_iter().chain(self.verify_at).min(),
            RunState::Kept => self.later_at,
            RunState::Looking { .. } | RunState::Acting | RunState::Undoing | RunState::Ended { .. } => None,
        }
    }

    /// Folds one step into the state.
    pub(crate) fn apply(&mut self, step: &Step) {
        match step {
            // It is where it begins.
            Step::Considered { .. } | Step::LaterDone {} | Step::LaterFailed {} | Step::NotHelped {} => {}
            Step::Approved { dry_run, .. } => self.state = RunState::Looking { dry_run: *dry_run },
            Step::Told { .. } => self.state = RunState::Ended { end: RunEnd::Told },
            Step::Planned { plan } => (self.plan, self.state) = (Some(plan.clone()), RunState::Acting),
            Step::Done { later_at, verify_at } => {
                self.state = RunState::Watching;
                (self.later_at, self.verify_at) = (*later_at, Some(*verify_at));
            }
            Step::LaterBegun {} => self.later_at = None,
            Step::Helped {} => self.state = RunState::Kept,
            Step::Undoing {} => self.state = RunState::Undoing,
            Step::Ended { end } => {
                self.state = RunState::Ended { end: *end };
                // What was stopped half-way, and what stays, can still be undone; the journal keeps the rest.
                let stays =
                    matches!(end, RunEnd::Helped | RunEnd::Left) && self.plan.as_ref().is_some_and(|plan| plan.stays);
                if *end != RunEnd::Stopped && !stays {
                    self.plan = None;
                }
            }
        }
    }

    /// When the second part is due, and when the effect is judged, if the calls were made at `now`.
    pub(crate) fn times(&self, now: Timestamp) -> (Option<Timestamp>, Timestamp) {
        let after = |seconds: u32| now.saturating_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(now);
        let later = self.plan.as_ref().and_then(|plan| plan.later.as_ref()).map(|later| after(later.after_seconds));
        (later, after(self.spec.verify_seconds))
    }
}
