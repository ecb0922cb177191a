//! Alerts: they open an incident, join it, make it worse, and end it.

use jiff::{SignedDuration, Timestamp};

use super::{Deciding, unrecorded_key};
use crate::alert::{AlertChange, ChangeState, Origin};
use crate::catalogue::Severity;
use crate::escalation::{self, NextPage};
use crate::incident::{Earlier, Escalation, Fact, Incident, IncidentId, MAX_BEYOND, MAX_MEMBERS, Member, RECOVERY};
use crate::runbook;

impl Deciding<'_> {
    pub(super) fn alert(&mut self, change: &AlertChange) -> String {
        let known = self.incident.as_ref().and_then(|incident| incident.alerts.get(&change.key));
        if let Some(member) = known.filter(|member| change.at < member.at) {
            return format!("older than the alert's last change at {}, so it changes nothing", member.at);
        }
        let open = self.incident.as_ref().is_some_and(Incident::is_open);
        match change.state {
            ChangeState::Firing if open => self.fired(change),
            ChangeState::Firing => self.opened(change),
            ChangeState::Ok if open => self.recovered(change),
            ChangeState::Ok => "measured OK, and no incident is open: nothing to do".to_owned(),
        }
    }

    /// What was paged while it could not be recorded is closed with the incident, and not paged by a second key.
    pub(super) fn alert_again(&mut self, change: &AlertChange) -> String {
        let reason = self.alert(change);
        let unknown = |incident: &Incident| incident.is_open() && incident.unrecorded_key.is_none();
        if change.state == ChangeState::Firing && self.incident.as_ref().is_some_and(unknown) {
            let key = unrecorded_key(self.policy, &change.group);
            let reason = match change.origin {
                Origin::Suite => "what the suite says of itself is paged under it, recorded or not",
                _ => "its record came again, so it may have been paged before, while nothing could be recorded",
            };
            self.record(Fact::CameAgain { key }, reason, Vec::new());
        }
        reason
    }

    fn opened(&mut self, change: &AlertChange) -> String {
        if let Some(last) = &self.incident {
            let repeated = last.alerts.get(&change.key).is_some_and(|member| change.at <= member.at);
            if repeated {
                return format!("already recorded in {}, which is resolved", last.id);
            }
        }
        let previous = self.incident.as_ref().map(|incident| &incident.id);
        let id = IncidentId::for_change(change, previous, self.now);
        let fact = Fact::Opened {
            group: change.group.clone(),
            title: change.title.clone(),
            severity: change.severity,
            runbook: change.runbook.clone(),
            onset: change.since,
            earlier: self.incident.as_ref().map(Earlier::after).unwrap_or_default(),
        };
        let Some(incident) = Incident::open(id, &fact, self.now) else {
            return "an incident can only begin with its opening".to_owned();
        };
        self.incident = Some(incident);
        let reason = match change.origin {
            Origin::Unrecognised => format!("an alert that was not recognised: {}", change.reason),
            _ => format!("{}: no incident of group {} was open", change.reason, change.group),
        };
        self.record(fact, &reason, Vec::new());
        self.record(
            Fact::AlertFired { key: change.key.clone(), member: Member::of(change, None) },
            &change.reason,
            Vec::new(),
        );
        self.first_page = Some(format!("{} alert: {}", change.level.as_str(), change.reason));
        reason
    }

    fn fired(&mut self, change: &AlertChange) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        let known = incident.alerts.get(&change.key);
        if let Some(member) = known {
            let worse = change.severity > member.severity;
            if member.state == ChangeState::Firing && !worse {
                // What is sent by hand or was not recognised has no time but that of its coming.
                let told = Member::of(change, known);
                if change.origin == Origin::Suite && told.title != member.title {
                    let fact = Fact::AlertFired { key: change.key.clone(), member: told };
                    self.record(fact, &change.reason, Vec::new());
                    self.told.push(change.title.clone());
                    return "still firing, and there is more to say of it".to_owned();
                }
                let dated = matches!(change.origin, Origin::Service | Origin::Alarm);
                if !dated || change.at <= member.at {
                    return format!("already recorded as firing in {}: a duplicate", incident.id);
                }
                // An OK from before this one must not end it, so the time is kept.
                let member = Member { at: change.at, ..member.clone() };
                self.record(Fact::AlertFired { key: change.key.clone(), member }, &change.reason, Vec::new());
                return "still firing: recorded, and nobody is told anew".to_owned();
            }
            if change.at == member.at && !worse {
                return format!("already recorded in {}: a duplicate", incident.id);
            }
        }
        if incident.is_beyond(&change.key) && change.severity <= incident.severity {
            return format!(
                "more than {MAX_MEMBERS} alerts have joined {}; this one is counted already, or one of more than {MAX_BEYOND} beyond those",
                incident.id
            );
        }
        let (severity, acknowledged) = (incident.severity, incident.acknowledgement.is_some());
        let again = known.is_some();
        let member = Member::of(change, known);
        let key = change.key.clone();
        self.record(Fact::AlertFired { key, member }, &change.reason, Vec::new());
        self.fired = true;
        if change.severity > severity {
            return self.raised(change, severity, acknowledged);
        }
        let what = if again { "fires again" } else { "joined" };
        if self.first_page.is_some() {
            return format!("{what}, and is in the first page");
        }
        self.told.push(format!("{} {what}", change.title));
        format!("{what}; {severity} already covers it, so nobody is paged anew")
    }

    fn raised(&mut self, change: &AlertChange, from: Severity, acknowledged: bool) -> String {
        // What made it worse says what to do, also where the head has no room for it.
        let chosen =
            change.runbook.clone().or_else(|| self.incident.as_ref().and_then(runbook::choose).map(str::to_owned));
        let fact = Fact::SeverityRaised { to: change.severity, title: change.title.clone(), runbook: chosen };
        let reason = if acknowledged {
            format!(
                "{} makes it {} after it was acknowledged as {from}, so it is paged anew",
                change.title, change.severity
            )
        } else {
            format!("{} makes it {} instead of {from}", change.title, change.severity)
        };
        self.record(fact, &reason, Vec::new());
        if self.first_page.is_some() {
            self.first_page = Some(format!("{} alert: {}", change.level.as_str(), change.reason));
            return reason;
        }
        if self.hold_back() {
            return reason;
        }
        if let Some(why) = self.release() {
            self.page_released(&format!("{reason}; {why}"));
            return reason;
        }
        let Some(incident) = &self.incident else { return reason };
        let round = incident.escalation.round + 1;
        let started_at = if acknowledged { self.now } else { self.began_at(round) };
        let page = NextPage { level: 1, round, started_at, due_at: self.now };
        // Whoever was woken for this incident and has not answered is not woken again by its rise: they get an update.
        let already: Vec<String> =
            if acknowledged { Vec::new() } else { incident.channels().map(str::to_owned).collect() };
        self.page(&page, &reason, &already);
        if !acknowledged {
            self.told.push(reason.clone());
        }
        reason
    }

    /// When the round that a rise begins is said to have begun: early enough that whoever would have been called next is
    /// not called later for it.
    fn began_at(&self, round: u32) -> Timestamp {
        let now = self.now;
        let Some(incident) = &self.incident else { return now };
        let Some(policy) = self.policy.catalogue.policy(incident.severity) else { return now };
        let position = Escalation { level: 1, round, first_round: round, started_at: now };
        let next = escalation::next(policy, &position).due_at;
        let before = incident.wake_at.unwrap_or(next);
        now.saturating_sub(next.duration_since(before).max(SignedDuration::ZERO)).unwrap_or(now)
    }

    fn recovered(&mut self, change: &AlertChange) -> String {
        let Some(incident) = &self.incident else { return String::new() };
        match incident.alerts.get(&change.key) {
            None => return "measured OK, and the open incident does not know this alert: nothing to do".to_owned(),
            Some(member) if member.state == ChangeState::Ok => {
                return format!("already recorded as OK in {}: a duplicate", incident.id);
            }
            Some(_) => {}
        }
        let fact = Fact::AlertRecovered { key: change.key.clone(), measured_at: change.at };
        self.record(fact, &change.reason, Vec::new());
        let Some(incident) = &self.incident else { return String::new() };
        if incident.has_recovered() {
            let reason = "every alert was measured OK".to_owned();
            self.resolve(RECOVERY, &reason);
            return reason;
        }
        let firing = incident.alerts.values().filter(|member| member.state == ChangeState::Firing).count();
        let reason = if firing == 0 {
            format!(
                "measured OK, but {} further alerts were not tracked: somebody must resolve it",
                incident.beyond.len()
            )
        } else {
            format!("measured OK; still firing: {firing}")
        };
        if self.first_page.is_none() {
            self.told.push(format!("{}: {reason}", change.title));
        }
        reason
    }
}
