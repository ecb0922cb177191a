use serde_json::json;

use super::*;
use crate::decide::{Action, Command, CommandTarget};
use crate::incident::{IncidentId, Status};

const ID: &str = "INC-20261123-0f3a9c1d";

fn read(event: &Value) -> Incoming {
    parse_in(event, "")
}

#[test]
fn every_command() {
    let check = |fields: Value, action: Action, text: Option<&str>| {
        let mut event = json!({"incident_id": ID, "by": " alice "});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let incident = IncidentId::parse(ID).unwrap();
        let target = CommandTarget::Incident(incident);
        let expected = Command { target, action, by: "alice".to_owned(), text: text.map(str::to_owned), once: None };
        assert_eq!(read(&event), Incoming::Command(expected), "{event}");
    };
    check(json!({"command": "acknowledge"}), Action::Acknowledge, None);
    check(json!({"command": "acknowledge", "text": "on it"}), Action::Acknowledge, Some("on it"));
    check(json!({"command": "resolve", "text": "  "}), Action::Resolve, None);
    check(json!({"command": "reopen"}), Action::Reopen, None);
    check(json!({"command": "note", "text": "a\u{7}b"}), Action::Note("a b".to_owned()), None);
    for (name, status) in [
        ("investigating", Status::Investigating),
        ("identified", Status::Identified),
        ("monitoring", Status::Monitoring),
    ] {
        check(json!({"command": "status", "status": name}), Action::Status(status), None);
    }
}

#[test]
fn every_mistake_in_a_command_says_what_is_wrong() {
    for (event, why) in [
        (json!({"command": "acknowledge", "by": "a"}), "a command needs incident_id"),
        (json!({"command": "acknowledge", "by": "a", "incident_id": "x"}), "incident_id \"x\" is not of the form"),
        (json!({"command": "acknowledge", "by": "a", "incident_id": "INC-"}), "is not of the form"),
        (json!({"command": "acknowledge", "by": "a", "incident_id": "INC-1#2"}), "is not of the form"),
        (json!({"command": "acknowledge", "incident_id": ID}), "a command needs by"),
        (json!({"command": "acknowledge", "incident_id": ID, "by": "\u{1}"}), "a command needs by"),
        (json!({"command": "acknowledge", "incident_id": ID, "by": 7}), "a command needs by"),
        (json!({"command": "resolve", "incident_id": ID, "by": "recovery"}), "give a name"),
        (json!({"command": "note", "incident_id": ID, "by": "a"}), "a note needs text"),
        (json!({"command": "status", "incident_id": ID, "by": "a", "status": "resolved"}), "status is one of"),
        (json!({"command": "delete", "incident_id": ID, "by": "a"}), "command \"delete\" is none of"),
        (json!({"command": null, "incident_id": ID, "by": "a"}), "command \"\" is none of"),
        (json!({"command": 5, "incident_id": ID, "by": "a"}), "command \"\" is none of"),
    ] {
        let Incoming::BadCommand(reason) = read(&event) else { panic!("{event}") };
        assert!(reason.contains(why), "{reason:?} does not say {why:?}");
    }
}

#[test]
fn the_words_of_a_command_are_bounded() {
    let long = "é".repeat(5000);
    let event = json!({"command": "resolve", "incident_id": ID, "by": long, "text": long});
    let Incoming::Command(command) = read(&event) else { panic!() };
    assert!(command.by.len() <= 80 && command.text.unwrap().len() <= 2000);
}

#[test]
fn a_command_may_have_a_name_under_which_it_is_carried_out_once() {
    let named = |once: Value| json!({"command": "resolve", "incident_id": ID, "by": "alice", "once": once});
    for once in ["slack:0f3a9c1d", "a", &"-_:=.".repeat(16)] {
        let Incoming::Command(command) = read(&named(json!(once))) else { panic!("{once}") };
        assert_eq!(command.once.as_deref(), Some(once));
    }
    let Incoming::Command(command) = read(&named(Value::Null)) else { panic!() };
    assert_eq!(command.once, None);
    // Carrying such a command out without its name would let it be repeated.
    for once in [json!(""), json!("a#b"), json!("é"), json!("a b"), json!("a".repeat(81)), json!(7), json!(["a"])] {
        let Incoming::BadCommand(reason) = read(&named(once.clone())) else { panic!("{once}") };
        assert!(reason.contains("once is 1 to 80"), "{reason}");
    }
}

#[test]
fn a_silence_of_an_incident_or_of_what_fits() {
    let incident = IncidentId::parse(ID).unwrap();
    let event = json!({"command": "silence", "incident_id": ID, "minutes": 60, "by": "alice", "once": "v0=ab"});
    let (by, once) = ("alice".to_owned(), Some("v0=ab".to_owned()));
    let expected = SilenceRequest::Incident { incident, seconds: 3600, by, why: None, once };
    assert_eq!(read(&event), Incoming::Silence(expected));

    let dimensions = json!({"FunctionName": "api"});
    let wanted = json!({"rule": "lambda-*", "dimensions": dimensions});
    let event = json!({"command": "silence", "match": wanted, "minutes": 5, "by": "alice", "text": "a test"});
    let Incoming::Silence(SilenceRequest::Matching { matcher, seconds, why, sev1, .. }) = read(&event) else {
        panic!("not a silence")
    };
    assert_eq!((matcher.rule.as_deref(), matcher.group, seconds), (Some("lambda-*"), None, 300));
    assert_eq!((matcher.dimensions["FunctionName"].as_str(), why.as_str(), sev1), ("api", "a test", false));

    let weekly = json!({"days": ["sun", "mon", "sun"], "from": "02:05", "time_zone": "Europe/Zurich"});
    let mut event = json!({"command": "silence", "match": {"group": "api"}, "minutes": 90, "by": "a", "text": "t"});
    event["weekly"] = weekly;
    event["for_days"] = json!(14);
    let Incoming::Silence(SilenceRequest::Matching { seconds, every: Some(every), .. }) = read(&event) else {
        panic!("not a silence that recurs")
    };
    assert_eq!((seconds, every.to_string().as_str()), (14 * 86_400, "mon, sun 02:05 for 90 min (Europe/Zurich)"));

    let event = json!({"command": "unsilence", "silence_id": "SIL-1", "by": "alice"});
    let expected = SilenceRequest::End { id: "SIL-1".to_owned(), by: "alice".to_owned() };
    assert_eq!(read(&event), Incoming::Silence(expected));
}

#[test]
fn every_mistake_in_a_silence_says_what_is_wrong() {
    let check = |fields: Value, why: &str| {
        let mut event = json!({"command": "silence", "by": "a", "text": "t", "minutes": 5});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let Incoming::BadCommand(reason) = read(&event) else { panic!("{event} was taken") };
        assert!(reason.contains(why), "{event}: {reason}");
    };
    check(json!({}), "a command needs incident_id");
    check(json!({"incident_id": ID, "match": {"rule": "a"}}), "not of both");
    for minutes in [json!(0), json!(-1), json!(1.5), json!("5"), json!(null)] {
        check(json!({"incident_id": ID, "minutes": minutes}), "needs minutes");
    }
    for wanted in [json!({}), json!([]), json!("a"), json!({"rule": "a", "metric": "b"})] {
        check(json!({ "match": wanted }), "match is an object of group, rule and dimensions");
    }
    check(json!({"match": {"rule": 1}}), "rule of match is a text");
    check(json!({"match": {"dimensions": {"a": 1}}}), "dimensions of match is an object of texts");
    check(json!({"match": {"rule": "a"}, "text": ""}), "why it is made");
    check(json!({"match": {"rule": "a"}, "sev1": "yes"}), "sev1 is true or false");
    check(json!({"command": "unsilence"}), "silence_id is of the form");
}

#[test]
fn every_mistake_in_a_silence_that_recurs_says_what_is_wrong() {
    let check = |field: &str, value: Value, why: &str| {
        let weekly = json!({"days": ["sun"], "from": "02:00", "time_zone": "UTC"});
        let mut event = json!({"command": "silence", "match": {"rule": "a"}, "by": "a", "text": "t", "minutes": 5});
        event["weekly"] = weekly;
        event["for_days"] = json!(7);
        assert!(matches!(read(&event), Incoming::Silence(_)), "{event}");
        *event.pointer_mut(field).unwrap() = value;
        let Incoming::BadCommand(reason) = read(&event) else { panic!("{event} was taken") };
        assert!(reason.contains(why), "{event}: {reason}");
    };
    for days in [json!([]), json!("sun"), json!(["sunday"]), json!(["sun", 7]), json!(null)] {
        check("/weekly/days", days, "days of weekly is a list of mon, tue");
    }
    for from in [json!("24:00"), json!("2:00"), json!("02:60"), json!("02:00:00"), json!("+2:00"), json!(2)] {
        check("/weekly/from", from, "a time of day such as 02:00");
    }
    for zone in [json!("Europe/Nowhere"), json!(""), json!(1)] {
        check("/weekly/time_zone", zone, "an IANA name");
    }
    check("/minutes", json!(1441), "1 to 1440");
    for days in [json!(0), json!(-1), json!("30"), json!(null)] {
        check("/for_days", days, "needs for_days");
    }
    check("/weekly", json!([]), "days of weekly");

    let weekly = json!({"days": ["sun"], "from": "02:00", "time_zone": "UTC"});
    let event = json!({"command": "silence", "incident_id": ID, "by": "a", "minutes": 5, "weekly": weekly});
    let Incoming::BadCommand(reason) = read(&event) else { panic!("{event} was taken") };
    assert!(reason.contains("not of an incident"), "{reason}");
}

#[test]
fn a_command_may_name_the_key_of_a_page_in_place_of_an_incident() {
    let event = |key: &str| json!({"command": "resolve", "unrecorded_key": key, "by": "alice"});
    let Incoming::Command(command) = read(&event("ai-nutritionist/api")) else { panic!() };
    assert_eq!(command.target, CommandTarget::UnrecordedKey("ai-nutritionist/api".to_owned()));
    for key in ["", "  ", &"x".repeat(256)] {
        assert!(matches!(read(&event(key)), Incoming::BadCommand(_)), "{key}");
    }
}
