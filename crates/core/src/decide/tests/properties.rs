//! Whatever happens in whatever order: what must hold after every decision holds, see [`Story::check`].

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Happening {
    Alert { key: u8, firing: bool, severity: Severity, late: i64 },
    Together(Vec<(u8, bool, Severity)>),
    Command(Action),
    Delivery { effect: u32, channel: &'static str, result: Result<Option<SlackThread>, String> },
    Wake,
    Pass(i64),
}

fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(vec![Severity::Sev4, Severity::Sev3, Severity::Sev2, Severity::Sev1])
}

fn action() -> impl Strategy<Value = Action> {
    let status =
        prop::sample::select(vec![Status::Investigating, Status::Monitoring, Status::Resolved, Status::Detected]);
    prop_oneof![
        2 => Just(Action::Acknowledge),
        1 => Just(Action::Resolve),
        1 => Just(Action::Reopen),
        1 => "\\PC{0,20}".prop_map(Action::Note),
        1 => status.prop_map(Action::Status),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let channel = prop::sample::select(vec!["pagerduty", "slack", "email", "sms", "gone"]);
    let receipt = SlackThread { conversation: "C".to_owned(), ts: "1".to_owned() };
    let result = prop::sample::select(vec![Ok(None), Ok(Some(receipt)), Err("down".to_owned()), Err(String::new())]);
    prop_oneof![
        6 => (0_u8..24, any::<bool>(), severity(), -2_i64..3)
            .prop_map(|(key, firing, severity, late)| Happening::Alert { key, firing, severity, late }),
        2 => prop::collection::vec((0_u8..24, any::<bool>(), severity()), 1..20).prop_map(Happening::Together),
        2 => action().prop_map(Happening::Command),
        2 => (0_u32..40, channel, result)
            .prop_map(|(effect, channel, result)| Happening::Delivery { effect, channel, result }),
        3 => Just(Happening::Wake),
        4 => prop_oneof![0_i64..30, 0_i64..2000].prop_map(Happening::Pass),
    ]
}

fn change(story: &Story, key: u8, firing: bool, severity: Severity, late: i64) -> Event {
    let state = if firing { ChangeState::Firing } else { ChangeState::Ok };
    Event::Alert(alert(&format!("a{key}"), state, severity, story.now - SignedDuration::from_mins(late)))
}

fn happen(story: &mut Story, happening: Happening) {
    match happening {
        Happening::Alert { key, firing, severity, late } => {
            let event = change(story, key, firing, severity, late);
            story.decide_all(std::slice::from_ref(&event));
            // At least once: the second time changes nothing, unless the first ended or opened another incident.
            story.decide_all(&[event]);
        }
        Happening::Together(alerts) => {
            let events: Vec<Event> =
                alerts.into_iter().map(|(key, firing, severity)| change(story, key, firing, severity, 0)).collect();
            story.decide_all(&events);
        }
        Happening::Command(action) => story.command(action),
        Happening::Delivery { effect, channel, result } => {
            let report = DeliveryReport {
                effect,
                channel: channel.to_owned(),
                is_page: effect % 3 != 0,
                given_up: effect % 2 == 0,
                result,
            };
            story.decide_all(&[Event::Delivery(report)]);
        }
        Happening::Wake => {
            story.wakes();
            if let Some(incident) = story.incident.as_ref().filter(|incident| incident.needs_acknowledgement()) {
                let attended = incident.held.is_some() || incident.wake_at.unwrap() > story.now;
                assert!(attended, "whatever was due has been called, or is held back");
            }
            let before = story.incident.clone();
            story.wakes();
            assert_eq!(story.incident, before, "a second wake-up changes nothing");
        }
        Happening::Pass(minutes) => story.pass(minutes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut story = Story::new();
        for happening in happenings {
            happen(&mut story, happening);
        }
    }
}
