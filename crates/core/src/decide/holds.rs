//! What holds a page back, and when it is delivered after all.
//!
//! A held incident is open and recorded like any other. It is looked at by each tick, and its page goes out by the first
//! one that finds no reason to hold it any longer. A SEV1 is held back only by a parent whose page was accepted, or by a
//! silence that was made for a SEV1.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Deciding, Decision};
use crate::action::Ledger;
use crate::alert::{AlertKey, ChangeState, GroupKey};
use crate::catalogue::{Flapping, Severity};
use crate::escalation::NextPage;
use crate::incident::{Fact, Hold, Incident, IncidentId};
use crate::message::format_seconds;
use crate::metric::Dimensions;
use crate::silence::{self, Silence, Subject};

/// How things stand around an incident: loaded before the decision, when it would call somebody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    /// What somebody silenced at run time.
    pub silences: Vec<Silence>,
    /// The open incidents of the groups that this one's depends on.
    pub parents: Vec<Parent>,
    /// The storm that stands for this incident, which is one too many to be paged by itself.
    pub storm: Option<IncidentId>,
    /// What automated actions have done lately; `None` where that is not needed or not known.
    pub ledger: Option<Ledger>,
}

/// An open incident of a group that another depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Which.
    pub incident: IncidentId,
    /// Its group.
    pub group: GroupKey,
    /// How bad it is.
    pub severity: Severity,
    /// Whether a receiver has accepted a page of it.
    pub paged: bool,
}

impl Around {
    /// Nothing that would hold anything back.
    pub const NOTHING: &'static Self = &Self { silences: Vec::new(), parents: Vec::new(), storm: None, ledger: None };
}

/// The incident of a decision that must be made again with what is around it: it calls somebody, or would if nothing held it
/// back.
pub fn concerned_by_others<'a>(before: Option<&Incident>, decision: &'a Decision) -> Option<&'a Incident> {
    let held = before.is_some_and(|incident| incident.held.is_some());
    // What opens and ends in one batch calls somebody, too.
    let concerned = |incident: &&Incident| decision.calls() || held && incident.is_open();
    decision.incident.as_ref().filter(concerned)
}

impl Deciding<'_> {
    /// Holds the page back, if there is a reason to. Records it when it is a new one.
    pub(super) fn hold_back(&mut self) -> bool {
        let Some((hold, reason)) = self.reason_to_hold() else { return false };
        if self.incident.as_ref().is_some_and(|incident| incident.held.as_ref() == Some(&hold)) {
            return true;
        }
        self.record(Fact::Held { hold }, &format!("nobody is called: {reason}"), Vec::new());
        true
    }

    /// Says that nothing holds the page back any longer. Returns why the page comes now.
    pub(super) fn release(&mut self) -> Option<String> {
        let held = self.incident.as_ref()?.held.clone()?;
        let reason = format!("it was held back {}, which is over", held.in_words());
        self.record(Fact::Released {}, &reason, Vec::new());
        Some(reason)
    }

    /// Pages what was held back: its first page, or one more round where it was paged before.
    pub(super) fn page_released(&mut self, why: &str) {
        let Some(incident) = &self.incident else { return };
        let paged_before = incident.escalation.level > 0;
        let round = incident.escalation.round + u32::from(paged_before);
        self.page(&NextPage { level: 1, round, started_at: self.now, due_at: self.now }, why, &[]);
    }

    fn reason_to_hold(&self) -> Option<(Hold, String)> {
        // What stands for many is held back by nothing: nobody would be called for any of them.
        let incident = self.incident.as_ref().filter(|incident| incident.group != GroupKey::storm())?;
        self.held_by_parent(incident)
            .or_else(|| self.held_by_silence(incident))
            .or_else(|| self.held_as_flapping(incident))
            .or_else(|| self.held_by_storm(incident))
    }

    fn held_by_parent(&self, incident: &Incident) -> Option<(Hold, String)> {
        // A parent that is paged once more was paged before: what it holds back is not released meanwhile.
        let holds = |parent: &Parent| matches!(&incident.held, Some(Hold::Parent { incident, .. }) if *incident == parent.incident);
        let paged = |parent: &Parent| parent.paged || holds(parent);
        // Whoever was called for something milder was not called for this.
        let covers =
            |parent: &&Parent| paged(parent) && parent.severity >= incident.severity && parent.incident != incident.id;
        let Parent { incident, group, .. } = self.policy.around.parents.iter().find(covers)?;
        let reason = format!("{group}, which it depends on, has {incident}, which was paged and is open");
        Some((Hold::Parent { incident: incident.clone(), group: group.clone() }, reason))
    }

    fn held_by_silence(&self, incident: &Incident) -> Option<(Hold, String)> {
        let firing: Vec<(&AlertKey, &Dimensions)> = incident
            .alerts
            .iter()
            .filter(|(_, member)| member.state == ChangeState::Firing)
            .map(|(key, member)| (key, &member.dimensions))
            .collect();
        let untracked = !incident.beyond.is_empty();
        let subject = Subject { group: &incident.group, severity: incident.severity, firing: &firing, untracked };
        let maintenance = &self.policy.catalogue.noise.maintenance;
        let quiet = silence::quiet(subject, &self.policy.around.silences, maintenance, self.now)?;
        Some((Hold::Silence { id: quiet.id, until: quiet.until }, quiet.reason))
    }

    fn held_as_flapping(&self, incident: &Incident) -> Option<(Hold, String)> {
        let Flapping { incidents, within_seconds, settle_seconds } = self.policy.catalogue.noise.flapping;
        let within = SignedDuration::from_secs(i64::from(within_seconds));
        let recent = |at: &Timestamp| self.now.duration_since(*at) < within;
        let count = 1 + incident.earlier.opened.iter().filter(|at| recent(at)).count();
        let flaps = incident.severity < Severity::Sev1
            && incident.escalation.level == 0
            && count >= usize::try_from(incidents.max(2)).unwrap_or(usize::MAX)
            // Somebody was told of it not long ago; one that flaps all day is paged once in a while.
            && incident.earlier.paged.as_ref().is_some_and(recent);
        let settled = incident.opened_at.saturating_add(SignedDuration::from_secs(i64::from(settle_seconds)));
        let until = settled.ok().filter(|until| flaps && self.now < *until)?;
        let (within, settle) = (format_seconds(i64::from(within_seconds)), format_seconds(i64::from(settle_seconds)));
        let reason = format!(
            "incident {count} of {} within {within}: it is flapping, and paged if it lasts {settle}",
            incident.group
        );
        Some((Hold::Flapping { until }, reason))
    }

    fn held_by_storm(&self, incident: &Incident) -> Option<(Hold, String)> {
        let storm = self.policy.around.storm.as_ref()?;
        // One that was paged by itself goes on by itself, unless something else has held it back since.
        let goes_on = incident.escalation.level > 0 && incident.held.is_none();
        if incident.severity == Severity::Sev1 || goes_on {
            return None;
        }
        Some((Hold::Storm { incident: storm.clone() }, format!("it is one of the many that {storm} stands for")))
    }
}
