mod actions;
mod holds;
mod investigation;
mod post_mortem;
mod properties;
mod stories;
mod team;

use super::*;
use crate::alert::{AlertKey, ChangeState, GroupKey, Origin};
use crate::catalogue::{AlertSeverity, Severity};
use crate::example_catalogue::catalogue;
use crate::metric::{Dimensions, Unit};

/// An incident that lives through events, with time moved by hand. After each decision it checks what must always hold.
struct Story {
    catalogue: Catalogue,
    around: Around,
    now: Timestamp,
    incident: Option<Incident>,
    /// The journal of the incident.
    journal: Vec<Entry>,
    /// The effects of the incident.
    effects: Vec<Effect>,
    /// What the last decision did.
    said: Vec<String>,
    outcomes: Vec<Outcome>,
}

fn alert(key: &str, state: ChangeState, severity: Severity, at: Timestamp) -> AlertChange {
    AlertChange {
        schema: crate::alert::SCHEMA,
        key: AlertKey::new(key, &Dimensions::new(), None),
        rule: None,
        group: GroupKey::named("api"),
        origin: Origin::Service,
        state,
        level: AlertSeverity::High,
        severity,
        title: format!("{key} is high"),
        dimensions: Dimensions::new(),
        value: Some(1.0),
        comparison: None,
        threshold: None,
        unit: Unit::Percent,
        at,
        since: at,
        runbook: None,
        reason: "2 of the last 3 datapoints breach".to_owned(),
        quote: None,
        expected: None,
    }
}

/// `slack page 1.0 INC/2`, with the incident's id shortened.
fn in_short(effect: &Effect) -> String {
    let (channel, notice) = match &effect.kind {
        EffectKind::Notify { channel, notice } => (channel, notice),
        EffectKind::Look { run, .. } => return format!("look {run}"),
        EffectKind::RunActions { run, phase, .. } => return format!("{phase:?} {run}").to_lowercase(),
        EffectKind::WritePostMortem {} | EffectKind::Investigate { .. } => return effect.lane(),
    };
    let kind = match &notice.kind {
        NoticeKind::Page { level, round, .. } => format!("page {level}.{round}"),
        NoticeKind::Team { name, .. } => format!("team {name}"),
        NoticeKind::Update => "update".to_owned(),
        NoticeKind::Approval { run, .. } => format!("approval {run}"),
        NoticeKind::Acknowledged { by } => format!("acknowledged {by}"),
        NoticeKind::Resolved { by } => format!("resolved {by}"),
        NoticeKind::PostMortem { reviewers } => format!("post-mortem {reviewers}"),
    };
    let keys = notice.dedup_keys.join(",").replace(notice.incident.as_str(), "INC");
    format!("{channel} {kind} {keys}")
}

/// What a post-mortem's and an investigation's own stories look at.
fn asks_a_function(effect: &Effect) -> bool {
    matches!(effect.kind, EffectKind::WritePostMortem {} | EffectKind::Investigate { .. })
}

impl Story {
    fn new() -> Self {
        let now = "2026-11-23T03:00:00Z".parse().unwrap();
        let (said, outcomes) = (Vec::new(), Vec::new());
        let (catalogue, around) = (catalogue(), Around::default());
        Self { catalogue, around, now, incident: None, journal: Vec::new(), effects: Vec::new(), said, outcomes }
    }

    fn pass(&mut self, minutes: i64) {
        self.now += SignedDuration::from_mins(minutes);
    }

    /// Decides, takes over what was decided, and returns how many events were consumed.
    fn decide(&mut self, events: &[Event]) -> usize {
        let policy = Policy {
            catalogue: &self.catalogue,
            environment: "production",
            region: Some("us-east-1"),
            around: &self.around,
        };
        let decision = decide(policy, self.incident.as_ref(), events, self.now);
        let another = decision.incident.as_ref().map(|incident| &incident.id) != self.incident.as_ref().map(|i| &i.id);
        check_decision(self.incident.as_ref().filter(|_| !another), &decision);
        if another {
            self.journal.clear();
            self.effects.clear();
        }
        self.incident = decision.incident;
        self.said = decision.effects.iter().filter(|effect| !asks_a_function(effect)).map(in_short).collect();
        self.journal.extend(decision.entries);
        self.effects.extend(decision.effects);
        self.outcomes = decision.outcomes;
        if let Some(ledger) = decision.ledger {
            self.around.ledger = Some(ledger);
        }
        self.check();
        self.outcomes.len()
    }

    /// Decides until every event is consumed, as the handler does.
    fn decide_all(&mut self, mut events: &[Event]) {
        while !events.is_empty() {
            let consumed = self.decide(events);
            assert!(consumed > 0, "nothing was consumed");
            events = &events[consumed..];
        }
    }

    fn fires(&mut self, key: &str, severity: Severity) {
        self.decide_all(&[Event::Alert(alert(key, ChangeState::Firing, severity, self.now))]);
    }

    fn recovers(&mut self, key: &str) {
        self.decide_all(&[Event::Alert(alert(key, ChangeState::Ok, Severity::Sev4, self.now))]);
    }

    fn wakes(&mut self) {
        self.decide_all(&[Event::Wake]);
    }

    fn command(&mut self, action: Action) {
        let incident =
            self.incident.as_ref().map_or(IncidentId::parse("INC-0").unwrap(), |incident| incident.id.clone());
        self.decide_all(&[Event::Command(Command {
            target: CommandTarget::Incident(incident),
            action,
            by: "alice".to_owned(),
            text: None,
            once: None,
        })]);
    }

    /// Reports what became of the latest page on a channel, or of its latest message where it was never paged.
    fn delivery(&mut self, channel: &str, result: Result<Option<SlackThread>, String>) {
        let is_page = |effect: &&Effect| effect.is_page() && effect.lane() == channel;
        let effect = self.effects.iter().rev().find(is_page);
        let (effect, is_page) = (effect.map_or(0, |effect| effect.number), effect.is_some());
        self.decide_all(&[Event::Delivery(DeliveryReport {
            effect,
            channel: channel.to_owned(),
            is_page,
            given_up: true,
            result,
        })]);
    }

    fn incident(&self) -> &Incident {
        self.incident.as_ref().unwrap()
    }

    #[track_caller]
    fn said(&self, expected: &[&str]) {
        assert_eq!(self.said, expected, "{:?}", self.outcomes);
    }

    /// Nothing was written, and why.
    #[track_caller]
    fn nothing(&self, why: &str) {
        let reasons: Vec<&str> = self.outcomes.iter().map(|outcome| outcome.reason.as_str()).collect();
        assert!(self.outcomes.iter().all(|outcome| !outcome.changed) && self.said.is_empty(), "{reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains(why)), "{reasons:?}");
    }

    fn why(&self) -> String {
        self.effects.iter().rev().find_map(Effect::notice).unwrap().1.why.clone()
    }

    /// What must hold after every decision.
    fn check(&self) {
        let Some(incident) = &self.incident else { return };
        if incident.needs_acknowledgement() {
            let longest = self.catalogue.severities.values().map(|policy| {
                let steps = policy.levels.windows(2).map(|pair| pair[1].after_seconds - pair[0].after_seconds);
                steps.chain([policy.response_seconds]).max().unwrap()
            });
            let longest = SignedDuration::from_secs(longest.max().unwrap().into()).max(SignedDuration::from_hours(24));
            assert!(incident.wake_at.unwrap() <= self.now + longest, "{:?}", incident.wake_at);
        } else {
            assert_eq!(incident.wake_at.is_some(), incident.is_open() || incident.review.is_some());
        }
        assert_eq!(incident.is_open(), incident.resolution.is_none());
        let numbers: Vec<u32> = self.journal.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..incident.next_entry).collect::<Vec<_>>(), "entries without gaps");
        let numbers: Vec<u32> = self.effects.iter().map(|effect| effect.number).collect();
        assert_eq!(numbers, (1..incident.next_effect).collect::<Vec<_>>(), "effects without gaps");
        let mut caused: Vec<u32> = self.journal.iter().flat_map(|entry| entry.effects.clone()).collect();
        caused.sort_unstable();
        assert_eq!(caused, numbers, "every effect has one entry that caused it");
        assert!(self.journal.iter().all(|entry| !entry.reason.trim().is_empty() && entry.reason.len() <= 600));
        let size = serde_json::to_string(incident).unwrap().len();
        assert!(size < 20 * 1024, "the head has {size} bytes");
        self.check_fold();
    }

    /// The journal alone gives the head, as it is when it was stored and read again.
    fn check_fold(&self) {
        let stored = serde_json::to_value(&self.journal).unwrap();
        let journal: Vec<Entry> = serde_json::from_value(stored).unwrap();
        assert_eq!(journal.len(), self.journal.len());
        let mut entries = journal.iter();
        let first = entries.next().unwrap();
        let mut folded = Incident::open(self.incident().id.clone(), &first.fact, first.at).unwrap();
        folded.apply(first);
        entries.for_each(|entry| folded.apply(entry));
        folded.version = self.incident().version;
        assert_eq!(&folded, self.incident());
    }
}

fn check_decision(before: Option<&Incident>, decision: &Decision) {
    assert!(decision.outcomes.iter().all(|outcome| !outcome.reason.trim().is_empty()), "{:?}", decision.outcomes);
    let changed = decision.outcomes.iter().any(|outcome| outcome.changed);
    assert_eq!(changed, !decision.entries.is_empty());
    for effect in &decision.effects {
        if let Some((_, notice)) = effect.notice() {
            assert!(!notice.why.trim().is_empty() && notice.why.len() <= 600);
            assert!(!notice.dedup_keys.is_empty());
        }
        assert!(serde_json::to_string(effect).unwrap().len() < 20 * 1024);
    }
    let version = before.map_or(0, |incident| incident.version);
    match &decision.incident {
        Some(after) if decision.entries.is_empty() => {
            assert!(decision.effects.is_empty());
            assert!(before.is_none_or(|before| before == after));
        }
        Some(after) => {
            assert_eq!(after.version, version + 1);
            assert!(before.is_none_or(|before| after.severity >= before.severity), "severity only rises");
        }
        None => assert!(decision.entries.is_empty() && decision.effects.is_empty()),
    }
}
