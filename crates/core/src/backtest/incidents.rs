//! From changes of alerts to incidents and pages.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{Page, Played, Span};
use crate::alert::{AlertChange, GroupKey};
use crate::catalogue::{Catalogue, Via};
use crate::decide::{
    Action, Around, Command, CommandTarget, Decision, Event, Parent, Policy, concerned_by_others, decide,
};
use crate::incident::{Fact, Incident};

/// Who acknowledges.
const ON_CALL: &str = "whoever is on call";

/// The minute tick.
const TICK_SECONDS: i64 = 60;

/// Plays the changes that were found, and adds the incidents and the pages.
pub(super) fn play(catalogue: &Catalogue, span: Span, acknowledged_after: Option<SignedDuration>, played: &mut Played) {
    let changes = std::mem::take(&mut played.changes);
    let mut world = World {
        catalogue,
        acknowledged_after,
        latest: BTreeMap::new(),
        ended: Vec::new(),
        open: BTreeMap::new(),
        pages: Vec::new(),
    };
    let mut rest = changes.as_slice();
    loop {
        let change = rest.first().map(|change| change.at);
        let due = world.open.values().map(Due::next).min().filter(|due| *due <= span.to);
        let Some(now) = change.into_iter().chain(due).min() else { break };
        let batch = rest.partition_point(|change| change.at <= now);
        let (changed, later) = rest.split_at_checked(batch).unwrap_or((rest, &[]));
        rest = later;
        world.take_in(changed, now);
        world.tick(now);
    }
    let World { latest, mut ended, pages, .. } = world;
    ended.extend(latest.into_values());
    ended.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id)));
    (played.incidents, played.pages, played.changes) = (ended, pages, changes);
}

/// What is to be done for an open incident, and when.
struct Due {
    wake: Timestamp,
    acknowledge: Option<Timestamp>,
}

impl Due {
    fn next(&self) -> Timestamp {
        self.acknowledge.map_or(self.wake, |at| at.min(self.wake))
    }
}

struct World<'a> {
    catalogue: &'a Catalogue,
    acknowledged_after: Option<SignedDuration>,
    /// The latest incident of each group.
    latest: BTreeMap<GroupKey, Incident>,
    /// The earlier ones.
    ended: Vec<Incident>,
    open: BTreeMap<GroupKey, Due>,
    pages: Vec<Page>,
}

impl World<'_> {
    /// Takes in changes that come together, the worst first.
    fn take_in(&mut self, changes: &[AlertChange], now: Timestamp) {
        let mut groups: BTreeMap<&GroupKey, Vec<&AlertChange>> = BTreeMap::new();
        for change in changes {
            groups.entry(&change.group).or_default().push(change);
        }
        for (group, mut members) in groups {
            members.sort_by_key(|change| Reverse(change.severity));
            let events: Vec<Event> = members.into_iter().map(|change| Event::Alert(change.clone())).collect();
            let mut rest = events.as_slice();
            while !rest.is_empty() {
                let consumed = self.decide(group, rest, now).max(1);
                rest = rest.get(consumed..).unwrap_or_default();
            }
        }
    }

    /// Does what is due.
    fn tick(&mut self, now: Timestamp) {
        let due: Vec<GroupKey> =
            self.open.iter().filter(|(_, due)| due.next() <= now).map(|(group, _)| group.clone()).collect();
        for group in due {
            let acknowledges = self.open.get(&group).and_then(|due| due.acknowledge).is_some_and(|at| at <= now);
            if acknowledges && let Some(incident) = self.latest.get(&group) {
                let (action, by) = (Action::Acknowledge, ON_CALL.to_owned());
                let target = CommandTarget::Incident(incident.id.clone());
                let command = Command { target, action, by, text: None, once: None };
                self.decide(&group, &[Event::Command(command)], now);
            } else {
                self.decide(&group, &[Event::Wake], now);
            }
        }
    }

    /// Decides, keeps what was decided, and returns how many events were consumed.
    fn decide(&mut self, group: &GroupKey, events: &[Event], now: Timestamp) -> usize {
        let before = self.latest.get(group);
        let policy = |around| Policy { catalogue: self.catalogue, environment: "production", region: None, around };
        let mut decision = decide(policy(Around::NOTHING), before, events, now);
        if concerned_by_others(before, &decision).is_some() {
            let around = Around { parents: self.parents(group), ..Around::default() };
            decision = decide(policy(&around), before, events, now);
        }
        let consumed = decision.outcomes.len();
        self.keep(group, decision, now);
        consumed
    }

    /// The open incidents of the groups that this one's depends on. Every page was accepted.
    fn parents(&self, group: &GroupKey) -> Vec<Parent> {
        let groups = self.catalogue.noise.parents_of(group.as_str());
        let found = groups.iter().filter_map(|parent| {
            let incident = self.latest.get(&GroupKey::named(parent))?;
            (incident.is_open() && incident.held.is_none()).then(|| Parent {
                incident: incident.id.clone(),
                group: incident.group.clone(),
                severity: incident.severity,
                paged: !incident.pages.is_empty(),
            })
        });
        found.collect()
    }

    fn keep(&mut self, group: &GroupKey, decision: Decision, now: Timestamp) {
        let Some(incident) = decision.incident else { return };
        let mut paged = false;
        for entry in &decision.entries {
            let Fact::Paged { level, channels, .. } = &entry.fact else { continue };
            paged = true;
            self.pages.push(Page {
                at: now,
                incident: incident.id.to_string(),
                group: group.clone(),
                severity: incident.severity,
                level: *level,
                channels: channels.clone(),
                phone: channels.iter().any(|channel| self.is_phone(channel)),
            });
        }
        if incident.is_open() {
            let known = self.open.get(group).and_then(|due| due.acknowledge).filter(|at| *at > now);
            let asked = self.acknowledged_after.filter(|_| paged).and_then(|after| now.checked_add(after).ok());
            let acknowledge = known.or(asked).filter(|_| incident.acknowledgement.is_none());
            // A tick finds what is due, and at least a minute passes until the next.
            let soonest = now.saturating_add(SignedDuration::from_secs(TICK_SECONDS)).unwrap_or(Timestamp::MAX);
            let wake = incident.wake_at.map_or(soonest, |at| at.max(soonest));
            self.open.insert(group.clone(), Due { wake: minute_after(wake), acknowledge });
        } else {
            self.open.remove(group);
        }
        if let Some(before) = self.latest.insert(group.clone(), incident.clone())
            && before.id != incident.id
        {
            self.ended.push(before);
        }
    }

    fn is_phone(&self, channel: &str) -> bool {
        let via = self.catalogue.channels.get(channel).map(|channel| &channel.via);
        matches!(via, Some(Via::Pagerduty { .. } | Via::Sms { .. }))
    }
}

/// The tick that finds what is due then.
fn minute_after(at: Timestamp) -> Timestamp {
    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(second.saturating_add((-second).rem_euclid(TICK_SECONDS))).unwrap_or(Timestamp::MAX)
}

/// Groups that had more incidents than the catalogue calls flapping.
pub(super) fn flapping(catalogue: &Catalogue, incidents: &[Incident]) -> BTreeSet<GroupKey> {
    let flapping = catalogue.noise.flapping;
    let within = SignedDuration::from_secs(i64::from(flapping.within_seconds));
    let count = usize::try_from(flapping.incidents.max(2)).unwrap_or(usize::MAX);
    let mut opened: BTreeMap<&GroupKey, Vec<Timestamp>> = BTreeMap::new();
    for incident in incidents {
        opened.entry(&incident.group).or_default().push(incident.opened_at);
    }
    let flaps = |times: &Vec<Timestamp>| {
        times.windows(count).any(|window| {
            window.first().zip(window.last()).is_some_and(|(first, last)| last.duration_since(*first) < within)
        })
    };
    opened.into_iter().filter(|(_, times)| flaps(times)).map(|(group, _)| group.clone()).collect()
}
