use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::*;
use crate::alert::{AlertChange, AlertKey, ChangeState, GroupKey, Origin as AlertOrigin};
use crate::catalogue::LogQuery;
use crate::decide::{Action, Around, Command, CommandTarget, Event, Policy, decide};
use crate::example_catalogue::catalogue;
use crate::investigation::{Change, ChangeSource, Found, Investigation, Kind};
use crate::metric::{Dimensions, Unit};

/// An incident that lives through events, with time moved by hand, and the document of it.
struct Story {
    catalogue: Catalogue,
    around: Around,
    now: Timestamp,
    incident: Option<Incident>,
    entries: Vec<Entry>,
    effects: Vec<Performed>,
    earlier: Vec<Past>,
    losses: Vec<Loss>,
    traces: Vec<Trace>,
}

impl Story {
    fn new() -> Self {
        Self {
            catalogue: catalogue(),
            around: Around::default(),
            now: "2026-11-23T03:00:00Z".parse().unwrap(),
            incident: None,
            entries: Vec::new(),
            effects: Vec::new(),
            earlier: Vec::new(),
            losses: Vec::new(),
            traces: Vec::new(),
        }
    }

    fn pass(&mut self, minutes: i64) -> &mut Self {
        self.now += SignedDuration::from_mins(minutes);
        self
    }

    /// Decides; every message is accepted at once.
    fn happens(&mut self, event: Event) -> &mut Self {
        let policy = Policy {
            catalogue: &self.catalogue,
            environment: "production",
            region: Some("us-east-1"),
            around: &self.around,
        };
        let decision = decide(policy, self.incident.as_ref(), &[event], self.now);
        self.incident = decision.incident;
        self.entries.extend(decision.entries);
        let now = self.now;
        self.effects.extend(decision.effects.into_iter().map(|effect| Performed {
            effect,
            accepted: true,
            attempts: 1,
            ended_at: Some(now),
        }));
        self
    }

    fn alert(&mut self, key: &str, state: ChangeState, severity: Severity) -> &mut Self {
        let change = AlertChange {
            schema: crate::alert::SCHEMA,
            key: AlertKey::new(key, &Dimensions::new(), None),
            rule: Some(key.to_owned()),
            group: GroupKey::named("api"),
            origin: AlertOrigin::Service,
            state,
            level: crate::catalogue::AlertSeverity::Critical,
            severity,
            title: format!("{key} is high"),
            dimensions: Dimensions::new(),
            value: Some(15.0),
            comparison: None,
            threshold: None,
            unit: Unit::Percent,
            at: self.now,
            since: self.now,
            runbook: Some("high-error-rate".to_owned()).filter(|_| key != "odd"),
            reason: "2 of the last 3 datapoints breach".to_owned(),
            quote: None,
            expected: None,
        };
        self.happens(Event::Alert(change))
    }

    fn fires(&mut self, key: &str, severity: Severity) -> &mut Self {
        self.alert(key, ChangeState::Firing, severity)
    }

    fn recovers(&mut self, key: &str) -> &mut Self {
        self.alert(key, ChangeState::Ok, Severity::Sev4)
    }

    fn says(&mut self, action: Action, text: Option<&str>) -> &mut Self {
        let incident = self.incident.as_ref().unwrap().id.clone();
        let (by, text) = ("alice".to_owned(), text.map(str::to_owned));
        self.happens(Event::Command(Command {
            target: CommandTarget::Incident(incident),
            action,
            by,
            text,
            once: None,
        }))
    }

    fn wakes(&mut self) -> &mut Self {
        self.happens(Event::Wake)
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            incident: self.incident.as_ref().unwrap(),
            entries: &self.entries,
            effects: &self.effects,
            earlier: &self.earlier,
            losses: &self.losses,
            traces: &self.traces,
            draft: None,
            catalogue: &self.catalogue,
            environment: "production",
        }
    }

    #[track_caller]
    fn document(&self) -> PostMortem {
        let document = write(&self.evidence(), None, self.now).unwrap();
        check(self, &document);
        document
    }
}

/// What must hold of every document: each statement rests on facts that there are, and everything that is not known asks for
/// something.
#[track_caller]
fn check(story: &Story, document: &PostMortem) {
    let journal: BTreeSet<u32> = story.entries.iter().map(|entry| entry.number).collect();
    let messages: BTreeSet<u32> = story.effects.iter().map(|performed| performed.effect.number).collect();
    let statements = document.sections.values().flatten().chain(document.timings.iter().map(|timing| &timing.basis));
    let exists = |source: &Source| match source {
        Source::Journal(number) | Source::Told { journal: number, .. } => journal.contains(number),
        Source::Message(number) => messages.contains(number),
        Source::Catalogue(part) => story.catalogue.severities.keys().any(|severity| severity.as_str() == part),
        Source::Metric(name) => story.catalogue.metrics.contains_key(name),
        Source::Incident(id) => story.earlier.iter().any(|past| past.incident_id == *id),
        Source::Document => true,
    };
    for statement in statements {
        match statement {
            Statement::Known { text, sources } => {
                assert!(!sources.is_empty() && sources.iter().all(exists), "{text}: {sources:?}");
                assert!(text.ends_with(['.', '…', '?', '!']) || text.contains(": "), "{text}");
            }
            Statement::NotKnown { what, would_tell } => assert!(!what.is_empty() && !would_tell.is_empty()),
        }
    }
    assert!(document.timeline.iter().all(|line| exists(&line.source)));
    assert!(document.timeline.is_sorted_by_key(|line| line.at.as_second()));
    assert!(document.items.is_sorted_by_key(|item| std::cmp::Reverse(item.priority)));
    let rules: BTreeSet<&str> = document.items.iter().map(|item| item.rule.as_str()).collect();
    assert_eq!(rules.len(), document.items.len(), "one item of a rule");
    assert!(document.items.iter().all(|item| story.catalogue.teams.contains_key(&item.owner)));
    let stored = serde_json::to_value(document).unwrap();
    assert_eq!(&serde_json::from_value::<PostMortem>(stored).unwrap(), document, "it is stored as it is");
}

fn says(document: &PostMortem, section: Section) -> Vec<String> {
    document.statements(section).iter().map(Statement::text).collect()
}

fn rules(document: &PostMortem) -> Vec<&str> {
    document.items.iter().map(|item| item.rule.as_str()).collect()
}

fn told(document: &PostMortem, section: Section, needle: &str) -> bool {
    says(document, section).iter().any(|text| text.contains(needle))
}

/// A SEV1 with everything that usually happens.
fn usual() -> Story {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(1).fires("latency", Severity::Sev2);
    story.pass(3).says(Action::Acknowledge, None);
    story.pass(4).says(Action::Status(crate::incident::Status::Identified), Some("the deployment of 02:55"));
    story.pass(2).says(Action::Note("rolled back to version 41".to_owned()), None);
    story.pass(5).recovers("latency").pass(1).recovers("errors");
    story.pass(0);
    story
}

#[test]
fn a_whole_document() {
    let document = usual().document();
    insta::assert_snapshot!("markdown", markdown::markdown(&document));
    insta::assert_snapshot!("html", html::html(&document));
}

#[test]
fn what_would_be_said_twice_is_said_once() {
    let mut story = Story::new();
    story
        .fires("errors", Severity::Sev1)
        .fires("latency", Severity::Sev2)
        .pass(9)
        .recovers("latency")
        .recovers("errors");
    let recovered =
        story.entries.iter_mut().filter(|entry| matches!(entry.fact, crate::incident::Fact::AlertRecovered { .. }));
    recovered.for_each(|entry| entry.reason = "measured OK".to_owned());
    finds(&story, Section::RootCause, "errors is high fired first; then latency is high (at the same time).", None);
    let timeline = story.document().timeline;
    assert!(timeline.iter().any(|line| line.text == "latency was measured OK."), "{timeline:?}");
}

#[test]
fn an_open_incident_has_none() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1);
    assert_eq!(write(&story.evidence(), None, story.now), None);
}

#[test]
fn the_same_facts_give_the_same_document_whenever_it_is_written() {
    let mut story = usual();
    let first = story.document();
    assert_eq!((first.version, first.written_at), (1, story.now));
    story.pass(60);
    let again = write(&story.evidence(), Some(&first), story.now).unwrap();
    assert_eq!(again, first);
}

#[test]
fn what_is_to_be_done_has_a_day_that_stays_when_the_document_is_written_again() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None).pass(9).recovers("errors");
    let first = story.document();
    let due = |document: &PostMortem, rule: &str| {
        let item = document.items.iter().find(|item| item.rule == rule).unwrap();
        (item.priority, item.due.unwrap().to_string())
    };
    // What would bring a SEV1 back in three days, the rest in a week.
    assert_eq!(due(&first, "root-cause"), (Priority::Critical, "2026-11-26".to_owned()));
    assert_eq!(due(&first, "impact-unknown"), (Priority::Medium, "2026-11-30".to_owned()));
    story.pass(2 * 24 * 60).says(Action::Reopen, None).pass(1).says(Action::Resolve, None);
    let again = write(&story.evidence(), Some(&first), story.now).unwrap();
    assert_eq!(due(&again, "root-cause").1, "2026-11-26");
    assert_eq!(due(&again, "reopened").1, "2026-12-02");
}

#[test]
fn what_people_wrote_stays_and_what_they_approved_is_a_draft_again_when_it_changes() {
    let mut story = usual();
    let edited = story.document().edited(Section::RootCause, Some("An index was dropped."), "ana", story.now);
    let approved = edited.approved("ben", None, story.now);
    assert_eq!((approved.version, approved.is_draft()), (3, false));
    assert_eq!(write(&story.evidence(), Some(&approved), story.now).unwrap(), approved, "nothing is new");

    story.pass(10).says(Action::Note("it was the index".to_owned()), None);
    let again = write(&story.evidence(), Some(&approved), story.now).unwrap();
    assert_eq!((again.version, again.is_draft(), again.written_at), (4, true, approved.written_at));
    assert_eq!(again.edits[&Section::RootCause].text, "An index was dropped.");
    let text = markdown::markdown(&again);
    assert!(text.contains("An index was dropped.\n\n(ana, 2026-11-23 03:16 UTC)"), "{text}");
    assert!(!text.contains("the deployment of 02:55 _("), "{text}");

    let reverted = again.edited(Section::RootCause, None, "ana", story.now);
    assert!(markdown::markdown(&reverted).contains("the deployment of 02:55 _("));
}

#[test]
fn one_that_was_reopened_is_measured_to_its_last_end() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(2).says(Action::Acknowledge, None);
    story.pass(10).says(Action::Resolve, Some("restarted it"));
    let first = story.document();
    story.pass(30).says(Action::Reopen, Some("it is back")).pass(20).recovers("errors").pass(5);
    let document = write(&story.evidence(), Some(&first), story.now).unwrap();
    check(&story, &document);
    let resolve = document.timings.iter().find(|timing| timing.phase == Phase::Resolve).unwrap();
    assert_eq!((resolve.seconds, resolve.is_late()), (Some(62 * 60), Some(true)));
    assert!(rules(&document).contains(&"reopened") && rules(&document).contains(&"late-resolution"));
    assert!(told(&document, Section::WentWrong, "over too early: it was reopened once"));
    assert_eq!(document.written_at, story.now, "there was none since this end");
}

/// Each rule: what the document says, where, and what it asks for.
#[track_caller]
fn finds(story: &Story, section: Section, text: &str, item: Option<&str>) {
    let document = story.document();
    assert!(told(&document, section, text), "{:#?}", document.sections);
    if let Some(item) = item {
        assert!(rules(&document).contains(&item), "{:?}", rules(&document));
    }
    let wanted = item.is_some_and(|item| !document.items.iter().any(|known| known.rule == item));
    assert!(!wanted);
}

#[test]
fn an_acknowledgement_is_held_against_the_response_time() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(5).says(Action::Acknowledge, None).pass(5).recovers("errors");
    finds(&story, Section::WentWell, "acknowledged within 5 min; SEV1 allows 5 min", None);

    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(6).says(Action::Acknowledge, None).pass(5).recovers("errors");
    finds(&story, Section::WentWrong, "It took 6 min until somebody acknowledged", Some("late-acknowledgement"));
    assert!(told(&story.document(), Section::Lessons, "A response time that is missed"));
}

#[test]
fn nobody_acknowledged() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(5).wakes().pass(3).recovers("errors");
    finds(&story, Section::WentWrong, "Nobody acknowledged, although people were called 2 times", None);
    finds(&story, Section::WentWrong, "people were called", Some("nobody-acknowledged"));
    finds(&story, Section::Lucky, "It ended by itself; nobody was on it", None);
}

#[test]
fn what_was_over_before_anybody_had_to_answer_is_no_missed_answer() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(5).recovers("errors");
    let document = story.document();
    assert!(!told(&document, Section::WentWrong, "Nobody acknowledged"), "{:?}", says(&document, Section::WentWrong));
    assert!(told(&document, Section::Lucky, "It ended by itself; nobody was on it"));

    // What an action has ended did not end by itself.
    let number = story.incident.as_ref().unwrap().next_entry;
    let fact = crate::incident::Fact::Action { run: 1, progress: crate::action::Step::Helped {} };
    story.entries.push(Entry { number, at: story.now, fact, reason: "it helped".to_owned(), effects: Vec::new() });
    assert_eq!(says(&story.document(), Section::Lucky), Vec::<String>::new());
}

#[test]
fn a_sev1_is_to_be_over_within_an_hour_and_the_others_have_no_target() {
    for (severity, minutes, late) in
        [(Severity::Sev1, 60, Some(false)), (Severity::Sev1, 61, Some(true)), (Severity::Sev2, 61, None)]
    {
        let mut story = Story::new();
        story.fires("errors", severity).says(Action::Acknowledge, None).pass(minutes).recovers("errors");
        let document = story.document();
        let resolve = document.timings.iter().find(|timing| timing.phase == Phase::Resolve).unwrap();
        assert_eq!(resolve.is_late(), late);
        assert_eq!(rules(&document).contains(&"late-resolution"), late == Some(true));
    }
}

#[test]
fn what_is_resolved_by_hand_while_it_fires_is_not_measured() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev2).says(Action::Acknowledge, None).pass(9).says(Action::Resolve, None);
    finds(
        &story,
        Section::WentWrong,
        "resolved by hand while this still fired: errors is high",
        Some("unmeasured-end"),
    );
    let document = story.document();
    let mitigate = document.timings.iter().find(|timing| timing.phase == Phase::Mitigate).unwrap();
    assert_eq!(mitigate.seconds, None);
    assert!(mitigate.basis.text().starts_with("Not known: when it was well again"), "{}", mitigate.basis.text());
    finds(&usual(), Section::WentWell, "Every alert was measured OK", None);
}

#[test]
fn the_status_monitoring_says_that_it_was_mitigated() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None);
    story.pass(7).says(Action::Status(crate::incident::Status::Monitoring), None).pass(20).recovers("errors");
    let document = story.document();
    let mitigate = document.timings.iter().find(|timing| timing.phase == Phase::Mitigate).unwrap();
    assert_eq!(mitigate.seconds, Some(7 * 60));
}

#[test]
fn a_cause_that_nobody_wrote_down_is_not_known_and_somebody_is_to_find_it() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None).pass(9).recovers("errors");
    finds(&story, Section::RootCause, "Not known: the root cause", Some("root-cause"));
    let document = story.document();
    let item = &document.items[0];
    assert_eq!(
        (item.rule.as_str(), item.priority, item.owner.as_str()),
        ("root-cause", Priority::Critical, "platform")
    );

    finds(&usual(), Section::RootCause, "alice wrote when the cause was identified: the deployment of 02:55", None);
    finds(&usual(), Section::RootCause, "errors is high fired first; then latency is high (1 min later)", None);
    finds(&usual(), Section::RootCause, "alice noted at 2026-11-23 03:10 UTC: rolled back to version 41", None);
    assert!(!rules(&usual().document()).contains(&"root-cause"));

    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None).pass(9);
    story.says(Action::Resolve, Some("a full disk"));
    finds(&story, Section::RootCause, "alice wrote when it was resolved: a full disk", None);
}

#[test]
fn messages_that_were_given_up_ask_for_a_repair() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1);
    let lost = story.effects.iter_mut().find(|performed| performed.effect.lane() == "slack").unwrap();
    lost.accepted = false;
    let effect = lost.effect.number;
    story.happens(Event::Delivery(crate::decide::DeliveryReport {
        effect,
        channel: "slack".to_owned(),
        is_page: true,
        given_up: true,
        result: Err("Slack answered 404: no_service".to_owned()),
    }));
    story.says(Action::Acknowledge, None).pass(9).recovers("errors");
    finds(
        &story,
        Section::WentWrong,
        "Messages by slack were given up: Slack answered 404: no_service",
        Some("message-given-up"),
    );
    assert!(!told(&story.document(), Section::WentWell, "at their first attempt"));
    finds(&usual(), Section::WentWell, "All 2 pages were accepted at their first attempt", None);
}

#[test]
fn a_channel_that_stood_in_for_another_was_luck() {
    let mut story = Story::new();
    for level in &mut story.catalogue.severities.get_mut(&Severity::Sev1).unwrap().levels {
        level.channels = vec!["slack".to_owned()];
    }
    story.fires("errors", Severity::Sev1);
    story.happens(Event::Delivery(crate::decide::DeliveryReport {
        effect: 1,
        channel: "slack".to_owned(),
        is_page: true,
        given_up: true,
        result: Err("no_service".to_owned()),
    }));
    story.pass(1).says(Action::Acknowledge, None).pass(9).recovers("errors");
    finds(&story, Section::Lucky, "slack failed, and pagerduty was there", None);
}

#[test]
fn a_silence_that_hid_it() {
    let mut story = Story::new();
    story.around.silences.push(crate::silence::Silence {
        schema: 1,
        id: "SIL-20261123-00000001".to_owned(),
        matcher: crate::catalogue::Matcher { group: Some("api".to_owned()), rule: None, dimensions: Dimensions::new() },
        alerts: BTreeSet::new(),
        from: story.now,
        until: story.now + SignedDuration::from_mins(20),
        by: "bob".to_owned(),
        why: "known".to_owned(),
        sev1: false,
        every: None,
    });
    story.fires("errors", Severity::Sev2).pass(21);
    story.around.silences.clear();
    story.wakes().says(Action::Acknowledge, None).pass(9).recovers("errors");
    finds(
        &story,
        Section::WentWrong,
        "It was held back by SIL-20261123-00000001; people were called 21 min later",
        Some("silenced"),
    );
}

#[test]
fn whoever_was_not_heard_of_again_and_what_was_not_recorded() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None).pass(61).wakes().recovers("errors");
    finds(&story, Section::WentWrong, "alice acknowledged and was not heard of again", Some("went-stale"));

    let mut story = Story::new();
    story.fires("errors", Severity::Sev1);
    let incident = story.incident.as_mut().unwrap();
    let fact = crate::incident::Fact::CameAgain { key: "k".to_owned() };
    let entry = Entry {
        number: incident.next_entry,
        at: story.now,
        fact,
        reason: "it came again".to_owned(),
        effects: Vec::new(),
    };
    incident.apply(&entry);
    story.entries.push(entry);
    story.says(Action::Acknowledge, None).pass(9).recovers("errors");
    finds(&story, Section::WentWrong, "could not record it at first", Some("unrecorded"));
}

#[test]
fn without_a_runbook_one_is_to_be_written() {
    let mut story = Story::new();
    story.fires("odd", Severity::Sev2).says(Action::Acknowledge, None).pass(9).recovers("odd");
    finds(&story, Section::WentWrong, "There was no runbook for it", Some("no-runbook"));
    finds(&usual(), Section::WentWell, "There was a runbook for it: high-error-rate", None);
}

#[test]
fn a_repeat_of_what_was_never_finished_is_critical() {
    let mut story = usual();
    let past = |id: &str, day: &str, rules: &[&str], group: &str, open_items| Past {
        incident_id: IncidentId::parse(id).unwrap(),
        title: "errors is high".to_owned(),
        severity: Severity::Sev1,
        opened_at: format!("2026-11-{day}T03:00:00Z").parse().unwrap(),
        lasted_seconds: Some(900),
        group: group.to_owned(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        open_items,
    };
    story.earlier = vec![
        past("INC-1", "01", &["errors"], "api", 2),
        past("INC-2", "02", &["errors", "latency"], "api", 0),
        past("INC-3", "03", &["other"], "api", 0),
        past("INC-4", "04", &["other"], "other", 0),
        past("INC-5", "24", &["errors"], "api", 0),
    ];
    let document = story.document();
    let ids: Vec<&str> = document.similar.iter().map(|past| past.incident_id.as_str()).collect();
    assert_eq!(
        ids,
        ["INC-2", "INC-1", "INC-3"],
        "likest first; what came later and what has nothing in common is left out"
    );
    finds(
        &story,
        Section::WentWrong,
        "It is like INC-1 (errors is high), of which 2 action items were not done",
        Some("repeat"),
    );
    assert_eq!(document.items[0].priority, Priority::Critical);
}

#[test]
fn ten_thousand_entries_make_a_document_that_can_be_stored() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).says(Action::Acknowledge, None);
    for number in 0..5000 {
        story.pass(1).says(Action::Note(format!("note {number} {}", "x".repeat(1900))), None);
    }
    for _ in 0..5000 {
        story.pass(1).fires("errors", Severity::Sev1);
    }
    story.recovers("errors");
    let document = story.document();
    assert_eq!(document.timeline.len(), MAX_TIMELINE);
    assert!(document.left_out > 4000, "{}", document.left_out);
    assert!(document.timeline.last().unwrap().text.starts_with("Resolved"));
    let text = markdown::markdown(&document);
    let size = serde_json::to_string(&document).unwrap().len() + text.len();
    assert!(size < 300 * 1024, "{size} bytes");
    assert!(text.contains("entries in the middle are left out"), "{text}");
}

#[test]
fn without_alerts_or_messages_there_is_a_whole_document_all_the_same() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev2).says(Action::Resolve, None);
    story.effects.clear();
    story.entries.retain(|entry| !matches!(entry.fact, crate::incident::Fact::AlertFired { .. }));
    story.incident.as_mut().unwrap().alerts.clear();
    let document = story.document();
    for section in Section::ALL {
        assert!(markdown::markdown(&document).contains(&format!("## {}", section.heading())), "{section:?}");
    }
}

#[test]
fn text_from_outside_does_nothing() {
    let evil =
        "=HYPERLINK(\"http://evil\") <img src=x onerror=alert(1)> | **bold** [x](http://evil) ![i](http://evil)\n# h";
    let mut story = usual();
    story.incident.as_mut().unwrap().title = evil.to_owned();
    story.says(Action::Note(evil.to_owned()), None);
    let mut document = story.document();
    document = document.edited(Section::Summary, Some(evil), evil, story.now);
    document.items.push(ProposedItem {
        rule: evil.to_owned(),
        title: evil.to_owned(),
        why: Statement::not_known(evil, evil),
        done_when: evil.to_owned(),
        priority: Priority::Low,
        owner: evil.to_owned(),
        due: None,
    });
    let html = html::html(&document);
    assert!(!html.contains("<img") && html.contains("&lt;img"), "{html}");
    assert!(!html.contains("<td>="), "a formula");
    let markdown = markdown::markdown(&document);
    for forbidden in [" <img", "[x](", "[i](", "**bold**", "\n# h", "http://"] {
        assert!(!markdown.contains(forbidden), "{forbidden}: {markdown}");
    }
    let tables = markdown.lines().filter(|line| line.starts_with('|'));
    for line in tables {
        let cells = line.replace("\\|", "").matches('|').count();
        assert!([3, 5, 6, 7].contains(&cells), "{line}");
    }
}

/// `ErrorRate` by the minute from 02:00 on: 1 %, and 20 % since so many minutes before the first alert at 03:00.
fn traced(minutes_before: i64) -> Trace {
    let from: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
    let onset = 60 - minutes_before;
    Trace {
        metric: "ErrorRate".to_owned(),
        dimensions: Dimensions::new(),
        unit: Unit::Percent,
        period_seconds: 60,
        from,
        until: from + SignedDuration::from_mins(75),
        thresholds: vec![
            traces::Limit { label: "warning above 5 %".to_owned(), value: 5.0 },
            traces::Limit { label: "critical above 10 %".to_owned(), value: 10.0 },
        ],
        outcome: traces::Measured::Known {
            values: (0..75).map(|minute| Some(if (onset..72).contains(&minute) { 20.0 } else { 1.0 })).collect(),
            onset: Some(Onset {
                at: from + SignedDuration::from_mins(onset),
                value: Some(20.0),
                usual: Some((0.8, 1.2)),
            }),
        },
    }
}

fn with_traces(traces: Vec<Trace>) -> Story {
    let mut story = usual();
    story.traces = traces;
    story
}

#[test]
fn it_is_to_be_detected_within_five_minutes_of_when_it_began_to_show() {
    for (minutes, late) in [(5, false), (6, true)] {
        let story = with_traces(vec![traced(minutes)]);
        let document = story.document();
        let detect = document.timings.iter().find(|timing| timing.phase == Phase::Detect).unwrap();
        assert_eq!((detect.seconds, detect.is_late()), (Some(minutes * 60), Some(late)));
        if late {
            let text = "It showed for 6 min before it was detected; 5 min are allowed";
            finds(&story, Section::WentWrong, text, Some("late-detection"));
        } else {
            finds(&story, Section::WentWell, "It was detected within 5 min; 5 min are allowed", None);
        }
    }
}

#[test]
fn the_timeline_begins_with_the_metric_and_the_duration_counts_from_there() {
    let document = with_traces(vec![traced(4)]).document();
    let first = &document.timeline[0];
    assert_eq!((first.at, first.origin), ("2026-11-23T02:56:00Z".parse().unwrap(), Origin::Metric));
    assert_eq!(first.text, "ErrorRate left what was usual, 0.8 % to 1.2 %: 20 %.");
    assert!(
        told(&document, Section::Impact, "Duration: 20 min, from 2026-11-23 02:56 UTC, when ErrorRate began to be bad"),
        "{:?}",
        says(&document, Section::Impact)
    );
}

#[test]
fn metrics_that_could_not_be_read_are_not_known_and_asked_for() {
    let reason = "cloudwatch:GetMetricData is refused".to_owned();
    let refused = Trace { outcome: traces::Measured::Unavailable { reason }, ..traced(4) };
    let document = with_traces(vec![refused]).document();
    let detect = document.timings.iter().find(|timing| timing.phase == Phase::Detect).unwrap();
    let expected =
        "Not known: when it began to show. It takes data that was not available (cloudwatch:GetMetricData is refused).";
    assert_eq!((detect.seconds, detect.basis.text().as_str()), (None, expected));
    assert!(rules(&document).contains(&"onset-unknown") && rules(&document).contains(&"impact-unknown"));
    assert_eq!(picture::svg(&document), None);
    assert!(!html::html(&document).contains("<svg"));
}

#[test]
fn a_page_shows_the_metrics_with_what_happened_marked_and_needs_nothing_else() {
    let document = with_traces(vec![traced(4)]).document();
    let svg = picture::svg(&document).unwrap();
    for mark in ["onset", "detected", "acknowledged", "resolved"] {
        assert_eq!(svg.matches(&format!(">{mark}</text>")).count(), 1, "{mark}");
    }
    let html = html::html(&document);
    assert!(html.contains(&svg) && !html.contains("src=") && !html.contains("href="), "{html}");
    insta::assert_snapshot!("picture", svg);
}

#[test]
fn what_an_action_did_is_told() {
    for (step, section, text, item) in [
        (crate::action::Step::Helped {}, Section::WentWell, "Automated action 1: it said so", None),
        (
            crate::action::Step::NotHelped {},
            Section::WentWrong,
            "Automated action 1: it said so",
            Some("action-no-help"),
        ),
        (
            crate::action::Step::Ended { end: crate::action::RunEnd::Failed },
            Section::WentWrong,
            "Automated action 1: it said so",
            Some("action-failed"),
        ),
    ] {
        let mut story = usual();
        let number = story.incident.as_ref().unwrap().next_entry;
        let fact = crate::incident::Fact::Action { run: 1, progress: step };
        story.entries.push(Entry { number, at: story.now, fact, reason: "it said so".to_owned(), effects: Vec::new() });
        finds(&story, section, text, item);
    }
}

#[test]
fn what_is_not_known_is_asked_for() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev2).says(Action::Acknowledge, None).pass(9).says(Action::Resolve, None);
    for member in story.incident.as_mut().unwrap().alerts.values_mut() {
        member.state = ChangeState::Ok;
    }
    assert_eq!(rules(&story.document()), ["root-cause", "impact-unknown", "onset-unknown", "mitigation-unknown"]);
}

#[test]
fn text_from_outside_does_nothing_in_a_picture_or_a_figure() {
    let evil = "</text></svg><script>alert(1)</script>=1+1\u{202e}";
    let mut trace = traced(4);
    trace.dimensions = Dimensions::from([("Name".to_owned(), evil.to_owned())]);
    trace.thresholds[0].label = evil.to_owned();
    let mut story = with_traces(vec![
        trace.clone(),
        Trace { outcome: traces::Measured::Unavailable { reason: evil.to_owned() }, ..trace },
    ]);
    story.losses = vec![Loss {
        metric: "ErrorRate".to_owned(),
        title: evil.to_owned(),
        count: crate::catalogue::Count::Sum,
        unit: Unit::Count,
        from: story.now,
        until: story.now,
        outcome: impact::Outcome::Unavailable { reason: evil.to_owned() },
    }];
    let document = story.document();
    let html = html::html(&document);
    assert_eq!((html.matches("</svg>").count(), html.matches("<script").count()), (1, 0), "{html}");
    assert!(!markdown::markdown(&document).replace("\\<", "").contains('<'));
}

#[test]
fn a_metric_with_gaps_is_drawn_with_gaps() {
    let mut trace = traced(4);
    if let traces::Measured::Known { values, .. } = &mut trace.outcome {
        values[20..30].fill(None);
        values[40] = None;
    }
    let svg = picture::svg(&with_traces(vec![trace]).document()).unwrap();
    let line = svg.split("class=\"line c0\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(line.matches('M').count(), 3, "{line}");
}

#[test]
fn what_a_model_wrote_is_marked_and_stands_apart() {
    let story = usual();
    let facts = narrative::facts(&story.document(), &story.entries, &story.catalogue);
    assert!(facts.iter().all(|fact| !fact.text.contains("alice")), "{facts:#?}");
    let answer = r#"{"narrative": [{"text": "It <b>began</b>.", "facts": ["F1"]}, {"text": "A guess.", "facts": []}]}"#;
    let draft = narrative::draft(answer, &facts, "model-1", story.now).unwrap();
    let evidence = Evidence { draft: Some(&draft), ..story.evidence() };
    let document = write(&evidence, None, story.now).unwrap();
    check(&story, &document);
    let markdown = markdown::markdown(&document);
    let expected = "## AI-written draft, not checked\n\n_Written by the model model-1 on 2026-11-23 03:16 UTC from the facts of this \
                    document and nothing else; each sentence names the facts it rests on. Nobody has checked it. One sentence was \
                    dropped, since it rested on none of them._\n\n_What happened:_\n\n- It \\<b\\>began\\</b\\>. _(journal 1)_\n";
    assert!(markdown.contains(expected), "{markdown}");
    assert!(!told(&document, Section::Lessons, "began"), "the lessons of the rules stay as they are");
    assert_eq!(write(&evidence, Some(&document), story.now).unwrap().version, document.version);
}

/// A SEV1 that was investigated: what was changed, and who was asked.
fn investigated(changes: Vec<Change>, told_by: Vec<ChangeSource>) -> Story {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(1);
    let began = story.incident.as_ref().map(|incident| incident.onset);
    let headline = "likely cause api (92 %)".to_owned();
    let found = Investigation { headline, is_news: true, began, changes, told_by, ..Investigation::default() };
    story.happens(Event::Investigated(found)).pass(20).recovers("errors").pass(30).wakes();
    story
}

fn change(time: &str, what: &str, source: ChangeSource) -> Change {
    Change { at: time.parse().unwrap(), what: what.to_owned(), who: Some("alice".to_owned()), source }
}

#[test]
fn changes_are_in_the_timeline_and_one_just_before_may_have_contributed() {
    use ChangeSource::{CloudTrail, Lambda};
    // It begins at 03:00.
    let changes = vec![
        change("2026-11-23T01:10:00Z", "live of api serves version 41", CloudTrail),
        change("2026-11-23T02:56:00Z", "api got version 42", CloudTrail),
    ];
    let document = investigated(changes, vec![Lambda, CloudTrail]).document();
    let changed: Vec<_> = document.timeline.iter().filter(|line| line.origin == Origin::Change).collect();
    assert_eq!(
        changed.iter().map(|line| (line.at.to_string(), line.text.as_str())).collect::<Vec<_>>(),
        [
            ("2026-11-23T01:10:00Z".to_owned(), "live of api serves version 41 by alice."),
            ("2026-11-23T02:56:00Z".to_owned(), "api got version 42 by alice."),
        ]
    );
    assert!(changed[1].source.to_string().starts_with("CloudTrail, journal "), "{}", changed[1].source);
    let factor =
        "A change just before the onset may have contributed: api got version 42 by alice 4 min before it began.";
    let factors = document.statements(Section::RootCause);
    let factor = factors.iter().find(|statement| statement.text() == factor).unwrap_or_else(|| panic!("{factors:?}"));
    assert!(matches!(factor.sources(), [Source::Told { by: CloudTrail, .. }]));
    // That somebody changed something says not that it was the cause.
    assert!(rules(&document).contains(&"root-cause") && !rules(&document).contains(&"changes-unknown"));
}

#[test]
fn that_nothing_was_changed_is_said_by_whoever_was_asked() {
    let long_before = change("2026-11-23T01:10:00Z", "api got version 41", ChangeSource::Lambda);
    let document = investigated(vec![long_before], vec![ChangeSource::Lambda]).document();
    let text =
        "Asked at 2026-11-23 03:01 UTC, Lambda knew of no deployment or change of configuration just before it began.";
    assert!(
        says(&document, Section::RootCause).contains(&text.to_owned()),
        "{:?}",
        says(&document, Section::RootCause)
    );
}

#[test]
fn where_nobody_could_be_asked_changes_are_not_known_and_somebody_is_to_see_to_it() {
    let document = investigated(Vec::new(), Vec::new()).document();
    assert!(told(&document, Section::RootCause, "Not known: whether something was deployed or changed just before."));
    assert!(rules(&document).contains(&"changes-unknown"), "{:?}", rules(&document));
    // Once somebody said what it was, the root cause is known although this is not.
    let mut story = investigated(Vec::new(), Vec::new());
    story.says(Action::Reopen, None).pass(1).says(Action::Resolve, Some("an index was dropped"));
    let document = story.document();
    assert!(!rules(&document).contains(&"root-cause") && rules(&document).contains(&"changes-unknown"));
}

#[test]
fn what_an_investigation_could_not_look_at_stands_with_its_findings() {
    let mut story = Story::new();
    story.fires("errors", Severity::Sev1).pass(1);
    let found = |kind, text: &str| Found { kind, text: text.to_owned(), at: None, certainty: None };
    let findings = vec![
        found(Kind::Moved, "ErrorRate left 0 % to 1 %"),
        found(Kind::Unavailable, "CloudTrail is not available: it is refused"),
        found(Kind::Unavailable, "patterns of the logs are not available: the query took too long"),
    ];
    story.happens(Event::Investigated(Investigation { findings, ..Investigation::default() }));
    let document = story.pass(20).recovers("errors").pass(30).wakes().document();
    let unseen: Vec<String> = says(&document, Section::RootCause)
        .into_iter()
        .filter(|text| text.contains("could not be looked at"))
        .collect();
    assert_eq!(
        unseen,
        [
            "When people were called, this could not be looked at: CloudTrail is not available: it is refused.",
            "When people were called, this could not be looked at: patterns of the logs are not available: the query took too long.",
        ]
    );
}

#[test]
fn the_document_links_the_queries_that_its_messages_had() {
    let mut story = Story::new();
    let log_groups = vec!["/aws/lambda/api".to_owned()];
    let query = LogQuery { title: "Errors [1]".to_owned(), log_groups, query: "limit 1".to_owned() };
    story.catalogue.queries.insert("errors".to_owned(), query);
    story.catalogue.runbooks.get_mut("high-error-rate").unwrap().queries = vec!["errors".to_owned()];
    story.fires("errors", Severity::Sev1).pass(20).recovers("errors").pass(30).wakes();
    let document = story.document();
    // From 02:45 until a quarter of an hour after its end.
    let end = document.resolved_at + SignedDuration::from_mins(15);
    let url = format!(
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:logs-insights$3FqueryDetail$3D\
         ~(end~'2026-11-23T{}.000Z~start~'2026-11-23T02*3a45*3a00.000Z~timeType~'ABSOLUTE~tz~'UTC~editorString~'limit*201\
         ~source~(~'*2faws*2flambda*2fapi))",
        end.strftime("%H*3a%M*3a%S")
    );
    assert!(
        markdown::markdown(&document).contains(&format!("- [Errors \\[1\\]](<{url}>)\n")),
        "{}",
        markdown::markdown(&document)
    );
    let page = html::html(&document);
    assert!(page.contains(&format!("<a href=\"{}\" rel=\"noreferrer\">Errors [1]</a>", url.replace('\'', "&#39;"))));
    // What a stored document was given by somebody else becomes no link.
    let mut odd = document.clone();
    odd.queries[0].url = "javascript:alert(1)".to_owned();
    assert!(!html::html(&odd).contains("javascript"));
}
