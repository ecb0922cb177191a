//! Automated actions: when they begin, what comes of them, whether they helped, and when they are undone.
//!
//! An action begins when people were called, never before: whatever holds a page back holds it back, too. One of a runbook is
//! tried at a time, so that it is known which one helped.

use super::{Deciding, Effect, EffectKind, Event};
use crate::action::rails::{self, Asked, Verdict};
use crate::action::{self, MAX_RUNS, Observed, Phase, Place, PlannedCall, Run, RunEnd, RunState, Step};
use crate::alert::ChangeState;
use crate::catalogue::{ActionKind, ActionSpec, Automation, Catalogue};
use crate::escalation::NextPage;
use crate::incident::{Fact, Incident, Member};
use crate::message::{NoticeKind, format_seconds};
use crate::metric::Dimensions;

/// What the target of an action looked like, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Number of the run.
    pub run: u32,
    /// Its target.
    pub result: Result<Observed, Obstacle>,
}

/// What came of the calls of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// Number of the run.
    pub run: u32,
    /// What the calls were for.
    pub phase: Phase,
    /// Whether all were made, also such that had been made before.
    pub result: Result<(), Obstacle>,
}

/// Why an action did not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The kill switch is set.
    Stopped(String),
    /// Somebody else has changed the target.
    Changed(String),
    /// A call was refused or failed.
    Failed {
        /// Why.
        reason: String,
        /// Whether it is certain that nothing was changed.
        untouched: bool,
    },
}

/// Whether a decision must be made with the ledger at hand. `without` is what was decided without it.
pub fn needs_ledger(
    catalogue: &Catalogue,
    events: &[Event],
    before: Option<&Incident>,
    without: Option<&Incident>,
) -> bool {
    let live = |incident: Option<&Incident>| incident.is_some_and(|incident| incident.runs.iter().any(Run::is_live));
    let begins = without.is_some_and(|incident| next_action(catalogue, incident).is_some());
    events.iter().any(Event::is_about_actions) || live(before) || live(without) || begins
}

/// The action that would begin next, with its place in its runbook.
fn next_action<'a>(
    catalogue: &'a Catalogue,
    incident: &Incident,
) -> Option<(&'a str, &'a Automation, u32, &'a ActionSpec)> {
    let paged = incident.escalation.level > 0 && incident.held.is_none();
    if !incident.is_open() || !paged || incident.runs.len() >= MAX_RUNS {
        return None;
    }
    let runbook = catalogue.runbooks.get(incident.runbook.as_deref()?)?;
    let automation = runbook.automation.as_ref()?;
    let tried = || incident.runs.iter().filter(|run| run.runbook == runbook.name);
    if tried().any(Run::is_live) || !asks_for(incident, &runbook.name) {
        return None;
    }
    // What helped and stays was the last that was needed.
    if tried().any(|run| run.state == (RunState::Ended { end: RunEnd::Helped })) {
        return None;
    }
    let place = tried().map(|run| run.place + 1).max().unwrap_or(0);
    let spec = automation.actions.get(usize::try_from(place).ok()?)?;
    Some((&runbook.name, automation, place, spec))
}

/// Whether an alert that asks for the runbook fires. What is beyond those that are kept may.
fn asks_for(incident: &Incident, runbook: &str) -> bool {
    !incident.beyond.is_empty() || asking(incident, runbook).next().is_some()
}

/// The alerts that ask for the runbook.
fn asking<'a>(incident: &'a Incident, runbook: &str) -> impl Iterator<Item = &'a Member> {
    let asks =
        move |member: &&Member| member.runbook.as_deref() == Some(runbook) && member.state == ChangeState::Firing;
    incident.alerts.values().filter(asks)
}

/// The dimensions of the alert that asks for an action, by which [`action::target_of`] finds the target: of the worst that fires, among
/// equals of the first; of those that name the target, where an alert has to. Empty where none fires.
pub fn asked_with(incident: &Incident, runbook: &str, action: &ActionKind) -> Dimensions {
    let names = |member: &&Member| action.dimension().is_none_or(|name| member.dimensions.contains_key(name));
    let worst = |member: &&Member| (std::cmp::Reverse(member.severity), member.since);
    let named = asking(incident, runbook).filter(names).min_by_key(worst);
    let alert = named.or_else(|| asking(incident, runbook).min_by_key(worst));
    alert.map(|member| member.dimensions.clone()).unwrap_or_default()
}

/// Whether what a run was begun for still fires. Where an alert named the target, only alerts that name the same one count: what fires
/// elsewhere does not say that this did not help.
fn still_asks(incident: &Incident, run: &Run) -> bool {
    let Some(dimension) = run.spec.action.dimension() else { return asks_for(incident, &run.runbook) };
    let named = |member: &Member| member.dimensions.get(dimension).is_some_and(|name| run.target.is_named(name));
    !incident.beyond.is_empty() || asking(incident, &run.runbook).any(named)
}

impl Deciding<'_> {
    /// Goes on with the actions of the incident, after everything else was decided.
    pub(super) fn attend_actions(&mut self) {
        if self.ledger.is_none() {
            return;
        }
        let numbers: Vec<u32> = self.runs().map(|run| run.number).collect();
        for number in numbers {
            self.attend_run(number);
        }
        // Each is refused, dry-run or begun, and what is begun is waited for.
        for _ in 0..MAX_RUNS {
            if !self.begin_next() {
                break;
            }
        }
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.incident.iter().flat_map(|incident| &incident.runs)
    }

    fn run(&self, number: u32) -> Option<&Run> {
        self.runs().find(|run| run.number == number)
    }

    pub(super) fn step(&mut self, run: u32, progress: Step, reason: &str, effects: Vec<u32>) {
        self.record(Fact::Action { run, progress }, reason, effects);
    }

    /// One run is over: its target is free.
    pub(super) fn end(&mut self, number: u32, end: RunEnd, reason: &str) {
        self.step(number, Step::Ended { end }, reason, Vec::new());
        self.release_target(number);
    }

    pub(super) fn release_target(&mut self, number: u32) {
        let (now, Some(incident)) = (self.now, &self.incident) else { return };
        if let Some(ledger) = &mut self.ledger {
            ledger.end(incident.id.as_str(), number, now);
            self.ledger_changed = true;
        }
    }

    fn count(&mut self, runbook: &str, helped: bool) {
        if let Some(ledger) = &mut self.ledger {
            ledger.count(runbook, helped);
            self.ledger_changed = true;
        }
    }

    fn begin_next(&mut self) -> bool {
        let (catalogue, now) = (self.policy.catalogue, self.now);
        let Some(incident) = &self.incident else { return false };
        let Some((runbook, automation, place, spec)) = next_action(catalogue, incident) else { return false };
        let alert = asked_with(incident, runbook, &spec.action);
        let target = action::target_of(catalogue, self.policy.environment, &spec.action, &alert);
        let what = format!("{} on {target}", spec.action.as_str());
        let mut run = Run {
            number: incident.next_run,
            runbook: runbook.to_owned(),
            place,
            spec: spec.clone(),
            target,
            severity: incident.severity,
            state: RunState::Proposed,
            expires_at: None,
            plan: None,
            later_at: None,
            verify_at: None,
        };
        let Some(ledger) = &self.ledger else { return false };
        let asked = Asked { actions: &catalogue.actions, runbook, automation, target: &run.target, approved: false };
        match rails::check(asked, ledger, now) {
            Verdict::Go { dry_run } => {
                run.state = RunState::Looking { dry_run };
                let why = format!("runbook {runbook} asks for {what}{}", if dry_run { ", in dry-run" } else { "" });
                let number = run.number;
                let look = self.look(&run);
                self.step(number, Step::Considered { run: Box::new(run) }, &why, look);
                self.reserve(number);
                if let ActionKind::AlertTeam { team } = &spec.action {
                    self.alert_team(number, team, dry_run);
                }
            }
            Verdict::Ask { approval, why } => {
                let wait = i64::from(approval.expires_seconds);
                let expires_at = now.saturating_add(jiff::SignedDuration::from_secs(wait)).unwrap_or(now);
                run.expires_at = Some(expires_at);
                let number = run.number;
                let why = format!("{what} waits for consent: {why}; after {} it is too late", format_seconds(wait));
                self.step(number, Step::Considered { run: Box::new(run) }, &why, Vec::new());
                let told = self.tell(&NoticeKind::Approval { run: number, what, expires_at }, &why);
                self.attach(told);
            }
            Verdict::No(why) => {
                run.state = RunState::Ended { end: RunEnd::Refused };
                let number = run.number;
                let why = format!("{what} is not done: {why}");
                self.step(number, Step::Considered { run: Box::new(run) }, &why, Vec::new());
            }
        }
        true
    }

    /// Asks for the state of the target.
    fn look(&mut self, run: &Run) -> Vec<u32> {
        let look = action::look_for(&run.spec.action, &run.target);
        look.and_then(|look| self.effect(EffectKind::Look { run: run.number, look })).into_iter().collect()
    }

    /// The run has its target to itself from now on.
    fn reserve(&mut self, number: u32) {
        let (now, Some(incident)) = (self.now, &self.incident) else { return };
        let Some(run) = incident.runs.iter().find(|run| run.number == number) else { return };
        let place = Place {
            incident: incident.id.to_string(),
            run: number,
            runbook: run.runbook.clone(),
            target: run.target.to_string(),
            began_at: now,
            ended_at: None,
        };
        if let Some(ledger) = &mut self.ledger {
            ledger.begin(place);
            self.ledger_changed = true;
        }
    }

    /// Whatever is due, was found out, or is over.
    fn attend_run(&mut self, number: u32) {
        let (now, Some(incident), Some(run)) = (self.now, &self.incident, self.run(number).cloned()) else { return };
        let open = incident.is_open();
        let what = format!("{} on {}", run.spec.action.as_str(), run.target);
        match run.state {
            RunState::Proposed if !open => {
                self.end(number, RunEnd::Expired, "the incident was over before anybody agreed");
            }
            RunState::Proposed if run.expires_at.is_none_or(|at| at <= now) => {
                let why = format!("nobody agreed to {what} in time, so it is not done");
                self.end(number, RunEnd::Expired, &why);
                self.told.push(why);
            }
            RunState::Watching if !still_asks(incident, &run) => self.helped(&run, &what),
            RunState::Watching if open && incident.severity > run.severity => {
                self.did_not_help(&run, &format!("{what} did not help: it got worse"));
            }
            RunState::Watching if open && run.verify_at.is_none_or(|at| at <= now) => {
                let window = format_seconds(i64::from(run.spec.verify_seconds));
                self.did_not_help(&run, &format!("{what} did not help within {window}"));
            }
            RunState::Watching if !open && stays(&run) => {
                self.end(number, RunEnd::Left, "the incident is over before it was known whether it helped; it stays");
            }
            RunState::Watching if !open => self.undo(number, "the incident is over"),
            RunState::Watching | RunState::Kept => self.go_on(&run),
            _ => {}
        }
        // What helped and is temporary goes when the incident does.
        let over = self.incident.as_ref().is_some_and(|incident| !incident.is_open());
        if over && self.run(number).is_some_and(|run| run.state == RunState::Kept) {
            self.undo(number, "the incident is over");
        }
    }

    fn helped(&mut self, run: &Run, what: &str) {
        self.count(&run.runbook, true);
        let why = format!("{what} helped: what asked for it was measured OK");
        self.step(run.number, Step::Helped {}, &why, Vec::new());
        if run.plan.as_ref().is_none_or(|plan| plan.inverse.is_empty()) {
            self.end(run.number, RunEnd::Helped, "there is nothing to undo");
        } else if stays(run) {
            self.end(run.number, RunEnd::Helped, "it stays until somebody undoes it");
        }
        self.told.push(why);
    }

    fn did_not_help(&mut self, run: &Run, why: &str) {
        self.count(&run.runbook, false);
        self.step(run.number, Step::NotHelped {}, why, Vec::new());
        if run.plan.as_ref().is_none_or(|plan| plan.inverse.is_empty()) {
            self.end(run.number, RunEnd::NoHelp, "there is nothing to undo");
        } else {
            self.undo(run.number, why);
        }
        self.escalate(why);
    }

    /// Calls the next level now, unless somebody is on it.
    fn escalate(&mut self, why: &str) {
        let Some(incident) = &self.incident else { return };
        let levels = self.policy.catalogue.policy(incident.severity).map_or(0, |policy| policy.levels.len());
        let escalation = &incident.escalation;
        let (level, round, started_at) = (escalation.level + 1, escalation.round, escalation.started_at);
        let is_last = usize::try_from(level).unwrap_or(usize::MAX) > levels;
        if !incident.needs_acknowledgement() || is_last || self.hold_back() {
            self.told.push(why.to_owned());
            return;
        }
        let page = NextPage { level, round, started_at, due_at: self.now };
        self.page(&page, &format!("{why}, so it goes to level {level} of {levels} now"), &[]);
    }

    /// The second part, when its time has come.
    fn go_on(&mut self, run: &Run) {
        let due = run.later_at.is_some_and(|at| at <= self.now);
        let Some(later) = run.plan.as_ref().and_then(|plan| plan.later.as_ref()).filter(|_| due) else { return };
        let effect = self.act(run.number, Phase::Later, later.calls.clone());
        let why = format!("{} after the first part", format_seconds(i64::from(later.after_seconds)));
        self.step(run.number, Step::LaterBegun {}, &why, effect);
    }

    fn undo(&mut self, number: u32, why: &str) {
        let Some(plan) = self.run(number).and_then(|run| run.plan.as_ref()) else { return };
        let inverse = plan.inverse.clone();
        let effect = self.act(number, Phase::Undo, inverse);
        self.step(number, Step::Undoing {}, &format!("it is undone: {why}"), effect);
    }

    fn act(&mut self, run: u32, phase: Phase, calls: Vec<PlannedCall>) -> Vec<u32> {
        self.effect(EffectKind::RunActions { run, phase, calls }).into_iter().collect()
    }

    pub(super) fn looked(&mut self, looked: &Looked) -> String {
        let number = looked.run;
        let Some(run) = self.run(number).cloned() else { return "no such action".to_owned() };
        let RunState::Looking { dry_run } = run.state else { return "its target was looked at already".to_owned() };
        if self.ledger.is_none() {
            return "what was done lately is not known".to_owned();
        }
        let what = format!("{} on {}", run.spec.action.as_str(), run.target);
        let observed = match &looked.result {
            Ok(observed) => observed,
            Err(obstacle) => return self.obstructed(&run, &what, obstacle),
        };
        let Some(incident) = &self.incident else { return String::new() };
        if !incident.is_open() || !still_asks(incident, &run) {
            let why = format!("{what} is not needed any more");
            self.end(number, RunEnd::Nothing, &why);
            return why;
        }
        let by = format!("{}/{number}", incident.id);
        let times = (self.now, incident.onset);
        match action::plan(&run.spec.action, &run.target, observed, &by, times) {
            Err(why) => {
                let why = format!("{what} is not done: {why}");
                self.end(number, RunEnd::Nothing, &why);
                self.told.push(why.clone());
                why
            }
            Ok(plan) => {
                let calls = plan.calls.clone();
                let words = in_words(&calls);
                if dry_run {
                    let why = format!("dry-run: {what} would call {words}");
                    self.step(number, Step::Planned { plan }, &why, Vec::new());
                    self.end(number, RunEnd::DryRun, "dry-run: nothing was called");
                    self.told.push(why.clone());
                    return why;
                }
                let effect = self.act(number, Phase::Do, calls);
                let why = format!("{what} calls {words}");
                self.step(number, Step::Planned { plan }, &why, effect);
                why
            }
        }
    }

    pub(super) fn ran(&mut self, ran: &Ran) -> String {
        let number = ran.run;
        let Some(run) = self.run(number).cloned() else { return "no such action".to_owned() };
        if self.ledger.is_none() {
            return "what was done lately is not known".to_owned();
        }
        let what = format!("{} on {}", run.spec.action.as_str(), run.target);
        match (ran.phase, run.state, &ran.result) {
            (Phase::Do, RunState::Acting, Ok(())) => {
                let (later_at, verify_at) = run.times(self.now);
                let window = format_seconds(i64::from(run.spec.verify_seconds));
                let why = format!("{what} was done; whether it helps is looked at within {window}");
                self.step(number, Step::Done { later_at, verify_at }, &why, Vec::new());
                self.told.push(why.clone());
                why
            }
            (Phase::Later, RunState::Watching | RunState::Kept, Ok(())) => {
                self.step(number, Step::LaterDone {}, "its second part was made", Vec::new());
                "done".to_owned()
            }
            (Phase::Undo, RunState::Undoing, Ok(())) => {
                let why = format!("{what} was undone");
                self.end(number, RunEnd::Undone, &why);
                self.told.push(why.clone());
                why
            }
            (Phase::Do, RunState::Acting, Err(obstacle)) | (Phase::Undo, RunState::Undoing, Err(obstacle)) => {
                self.obstructed(&run, &what, obstacle)
            }
            (Phase::Later, RunState::Watching | RunState::Kept, Err(obstacle)) => {
                let why = format!("the second part of {what} was not made: {}", obstacle.reason());
                self.step(number, Step::LaterFailed {}, &why, Vec::new());
                self.told.push(why.clone());
                why
            }
            _ => "what came of it is recorded already".to_owned(),
        }
    }

    /// An action that did not go on ends, or is undone where it is not certain that nothing was changed.
    fn obstructed(&mut self, run: &Run, what: &str, obstacle: &Obstacle) -> String {
        let undoing = run.state == RunState::Undoing;
        let verb = if undoing { "was not undone" } else { "was not done" };
        let why = format!("{what} {verb}: {}", obstacle.reason());
        let end = match obstacle {
            Obstacle::Stopped(_) => RunEnd::Stopped,
            Obstacle::Changed(_) => RunEnd::Left,
            Obstacle::Failed { untouched, .. } => {
                if !undoing {
                    self.count(&run.runbook, false);
                }
                let unsure = run.state == RunState::Acting && !untouched;
                if unsure && run.plan.as_ref().is_some_and(|plan| !plan.inverse.is_empty()) {
                    self.undo(run.number, &why);
                    self.told.push(why.clone());
                    return why;
                }
                RunEnd::Failed
            }
        };
        self.end(run.number, end, &why);
        if undoing && self.incident.as_ref().is_some_and(|incident| !incident.is_open()) {
            // Nobody would hear of it otherwise: what is over has no updates.
            let told = self.tell(&NoticeKind::Update, &why);
            self.attach(told);
        } else {
            self.told.push(why.clone());
        }
        why
    }

    pub(super) fn approve(&mut self, number: u32, by: &str) -> String {
        let Some(run) = self.run(number).cloned() else { return format!("it has no action {number}") };
        if run.state != RunState::Proposed {
            return format!("action {number} waits for nobody's consent");
        }
        if run.expires_at.is_none_or(|at| at <= self.now) {
            return format!("the consent to action {number} comes too late");
        }
        let (catalogue, now) = (self.policy.catalogue, self.now);
        let (Some(ledger), Some(runbook)) = (&self.ledger, catalogue.runbooks.get(&run.runbook)) else {
            return "what was done lately is not known".to_owned();
        };
        let Some(automation) = &runbook.automation else { return "the runbook does nothing by itself now".to_owned() };
        let asked = Asked {
            actions: &catalogue.actions,
            runbook: &run.runbook,
            automation,
            target: &run.target,
            approved: true,
        };
        let what = format!("{} on {}", run.spec.action.as_str(), run.target);
        match rails::check(asked, ledger, now) {
            Verdict::Go { dry_run } => {
                let look = self.look(&run);
                let why = format!("{by} agreed to {what}");
                self.step(number, Step::Approved { by: by.to_owned(), dry_run }, &why, look);
                self.reserve(number);
                self.told.push(why.clone());
                why
            }
            Verdict::Ask { why, .. } | Verdict::No(why) => {
                let why = format!("{by} agreed to {what}, and it is not done: {why}");
                self.end(number, RunEnd::Refused, &why);
                why
            }
        }
    }

    pub(super) fn undo_by_hand(&mut self, number: u32, by: &str) -> String {
        let Some(run) = self.run(number).cloned() else { return format!("it has no action {number}") };
        if !run.can_be_undone() {
            return format!("action {number} has nothing to undo now");
        }
        let Some(ledger) = &self.ledger else { return "what was done lately is not known".to_owned() };
        if !run.is_live() {
            let target = run.target.to_string();
            if let Some(place) = ledger.holder(&target) {
                return format!("action {} of {} has {target} to itself now", place.run, place.incident);
            }
            self.reserve(number);
        }
        self.undo(number, &format!("{by} said so"));
        "it is being undone".to_owned()
    }

    /// Plans an effect. Returns its number.
    pub(super) fn effect(&mut self, kind: EffectKind) -> Option<u32> {
        let incident = self.incident.as_mut()?;
        let number = incident.next_effect;
        incident.next_effect += 1;
        self.effects.push(Effect { number, created_at: self.now, kind });
        Some(number)
    }
}

impl Obstacle {
    fn reason(&self) -> &str {
        match self {
            Self::Stopped(reason) | Self::Changed(reason) | Self::Failed { reason, .. } => reason,
        }
    }
}

/// Whether what an action has set stays when the incident is over.
fn stays(run: &Run) -> bool {
    run.plan.as_ref().is_some_and(|plan| plan.stays)
}

/// The calls as a person would read them.
fn in_words(calls: &[PlannedCall]) -> String {
    calls.iter().map(|planned| planned.call.to_string()).collect::<Vec<_>>().join(", then ")
}
