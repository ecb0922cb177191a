//! Gives what an action needs to the actions function, and takes its answer in.

use jiff::Timestamp;
use monitoring_core::action::{Phase, Run, RunState};
use monitoring_core::decide::{EffectKind, Event, Looked, Obstacle, Ran, give_up_after, retry_after};
use monitoring_core::incident::Incident;

use super::Responder;
use super::perform::{Attempt, Attempted, Outcome};
use crate::actions::{Answer, Request};
use crate::outside::{ApplyError, Outside};
use crate::store::{Ended, Finish};

impl<O: Outside> Responder<O> {
    /// Attempts an effect of an action once.
    pub(super) async fn act(&self, attempt: Attempt<'_>) -> Attempted {
        let Attempt { incident, pending, claim, now } = attempt;
        let ended = |finish, result: String| Outcome::Ended(Ended { claim, finish, result, now });
        let Some(expected) = Expected::of(&pending.effect.kind) else {
            return Attempted { outcome: ended(Finish::Failed, "no effect of an action".to_owned()), report: None };
        };
        if !expected.is_awaited(incident) {
            // Whoever died between the record and the mark had the answer recorded; it is not done again.
            return Attempted { outcome: ended(Finish::Done, "its answer is recorded".to_owned()), report: None };
        }
        let key = pending.effect.key(&incident.id);
        let give_up_at = pending.effect.created_at + give_up_after(&pending.effect);
        if now > give_up_at {
            let reason = format!("it was decided at {}, and is too late now", pending.effect.created_at);
            let report = expected.failed(reason.clone(), pending.attempts == 0);
            return Attempted { outcome: ended(Finish::Failed, reason), report: Some(report) };
        }
        let error = match self.outside.apply(&expected.request(&key)).await {
            Ok(answer) => match expected.read(answer) {
                Ok((event, said)) => {
                    tracing::info!(incident = %incident.id, effect = pending.effect.number, said, "acted");
                    return Attempted { outcome: ended(Finish::Done, said), report: Some(event) };
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        let ApplyError { retryable, reason } = error;
        let at: Timestamp = now + retry_after(claim.attempt, None, &key);
        let again = retryable && at <= give_up_at;
        tracing::warn!(incident = %incident.id, effect = pending.effect.number, attempt = claim.attempt, reason, again, "not acted");
        if again {
            return Attempted { outcome: Outcome::Retry { claim, at, reason }, report: None };
        }
        let report = expected.failed(reason.clone(), false);
        Attempted { outcome: ended(Finish::Failed, reason), report: Some(report) }
    }
}

/// What an effect asks the actions function for.
enum Expected<'a> {
    Look { run: u32, look: &'a monitoring_core::action::Look },
    Calls { run: u32, phase: Phase, calls: &'a [monitoring_core::action::PlannedCall] },
}

impl<'a> Expected<'a> {
    fn of(kind: &'a EffectKind) -> Option<Self> {
        match kind {
            EffectKind::Look { run, look } => Some(Self::Look { run: *run, look }),
            EffectKind::RunActions { run, phase, calls } => Some(Self::Calls { run: *run, phase: *phase, calls }),
            EffectKind::Notify { .. } | EffectKind::WritePostMortem {} | EffectKind::Investigate { .. } => None,
        }
    }

    /// Whether the run still waits for the answer.
    fn is_awaited(&self, incident: &Incident) -> bool {
        let state = |number: u32| incident.runs.iter().find(|run| run.number == number).map(|run: &Run| run.state);
        match self {
            Self::Look { run, .. } => matches!(state(*run), Some(RunState::Looking { .. })),
            Self::Calls { run, phase: Phase::Do, .. } => state(*run) == Some(RunState::Acting),
            Self::Calls { run, phase: Phase::Later, .. } => {
                matches!(state(*run), Some(RunState::Watching | RunState::Kept))
            }
            Self::Calls { run, phase: Phase::Undo, .. } => state(*run) == Some(RunState::Undoing),
        }
    }

    fn request(&self, key: &str) -> Request {
        match self {
            Self::Look { look, .. } => Request::Look { look: (*look).clone() },
            Self::Calls { calls, .. } => Request::Run { key: key.to_owned(), calls: calls.to_vec() },
        }
    }

    /// What the answer means, and how it is kept with the effect. An error is worth another attempt, or not.
    fn read(&self, answer: Answer) -> Result<(Event, String), ApplyError> {
        let result = match (self, answer) {
            (Self::Look { run, .. }, Answer::Looked { observed }) => {
                return Ok((Event::Looked(Looked { run: *run, result: Ok(observed) }), "looked at".to_owned()));
            }
            (Self::Calls { .. }, Answer::Ran { said }) => {
                return Ok((self.ran(Ok(())), said.join("; ")));
            }
            (_, Answer::Stopped { reason }) => Obstacle::Stopped(reason),
            (_, Answer::Changed { reason }) => Obstacle::Changed(reason),
            (_, Answer::Failed { reason, retryable: true, .. }) => return Err(ApplyError { retryable: true, reason }),
            (_, Answer::Failed { reason, untouched, .. }) => Obstacle::Failed { reason, untouched },
            (_, other) => {
                let reason = format!("the actions function answered with something else: {other:?}");
                return Err(ApplyError { retryable: false, reason });
            }
        };
        let said = match &result {
            Obstacle::Stopped(reason) | Obstacle::Changed(reason) | Obstacle::Failed { reason, .. } => reason.clone(),
        };
        Ok((self.ran(Err(result)), said))
    }

    fn failed(&self, reason: String, untouched: bool) -> Event {
        // To look changes nothing.
        let untouched = untouched || matches!(self, Self::Look { .. });
        self.ran(Err(Obstacle::Failed { reason, untouched }))
    }

    fn ran(&self, result: Result<(), Obstacle>) -> Event {
        match (self, result) {
            (Self::Look { run, .. }, Err(obstacle)) => Event::Looked(Looked { run: *run, result: Err(obstacle) }),
            (Self::Look { run, .. }, Ok(())) => {
                let obstacle = Obstacle::Failed { reason: "nothing was seen".to_owned(), untouched: true };
                Event::Looked(Looked { run: *run, result: Err(obstacle) })
            }
            (Self::Calls { run, phase, .. }, result) => Event::Ran(Ran { run: *run, phase: *phase, result }),
        }
    }
}
