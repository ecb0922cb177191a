use super::*;
use crate::catalogue::Window;

fn now() -> Timestamp {
    "2026-11-23T03:00:00Z".parse().unwrap()
}

fn later(minutes: i64) -> Timestamp {
    now() + jiff::SignedDuration::from_mins(minutes)
}

fn rule(name: &str) -> Matcher {
    Matcher { rule: Some(name.to_owned()), ..Matcher::default() }
}

fn silence(matcher: Matcher, minutes: i64) -> Silence {
    Silence {
        schema: 1,
        id: format!("SIL-{minutes}"),
        matcher,
        alerts: BTreeSet::new(),
        from: now(),
        until: later(minutes),
        by: "alice".to_owned(),
        why: "a known fault".to_owned(),
        sev1: false,
        every: None,
    }
}

fn id_of(silences: &[Silence], severity: Severity, alerts: &[&str], now: Timestamp) -> Option<String> {
    let none = Dimensions::new();
    let keys: Vec<AlertKey> = alerts.iter().map(|name| AlertKey::new(name, &none, None)).collect();
    let firing: Vec<_> = keys.iter().map(|key| (key, &none)).collect();
    let subject = Subject { group: &GroupKey::named("api"), severity, firing: &firing, untracked: false };
    quiet(subject, silences, &[], now).map(|quiet| quiet.id)
}

#[test]
fn what_fires_is_silenced_only_when_all_of_it_is() {
    let silences = [silence(rule("a"), 60), silence(rule("b"), 30)];
    for (alerts, expected) in [
        (&["a"][..], Some("SIL-60")),
        (&["b"], Some("SIL-30")),
        (&["a", "b"], Some("SIL-30")),
        (&["a", "c"], None),
        (&["c"], None),
        // Nothing fires: nothing is to be called for, and no silence is the reason.
        (&[], None),
    ] {
        assert_eq!(id_of(&silences, Severity::Sev2, alerts, now()).as_deref(), expected, "{alerts:?}");
    }
}

#[test]
fn a_silence_lasts_from_its_begin_to_before_its_end_and_the_longest_counts() {
    let silences = [silence(rule("a"), 60), silence(rule("*"), 90)];
    assert_eq!(id_of(&silences, Severity::Sev2, &["a"], now()).as_deref(), Some("SIL-90"));
    assert_eq!(id_of(&silences[..1], Severity::Sev2, &["a"], later(60)), None);
    assert_eq!(id_of(&silences[..1], Severity::Sev2, &["a"], later(-1)), None);
}

#[test]
fn a_sev1_is_silenced_only_by_what_was_made_for_it() {
    let mut silences = [silence(rule("a"), 60)];
    assert_eq!(id_of(&silences, Severity::Sev1, &["a"], now()), None);
    silences[0].sev1 = true;
    assert_eq!(id_of(&silences, Severity::Sev1, &["a"], now()).as_deref(), Some("SIL-60"));
}

#[test]
fn a_silence_of_some_alerts_fits_only_those_and_one_of_nothing_fits_nothing() {
    let mut some = silence(Matcher::default(), 60);
    assert_eq!(id_of(&[some.clone()], Severity::Sev2, &["a"], now()), None);
    some.alerts.insert(AlertKey::new("a", &Dimensions::new(), None));
    assert_eq!(id_of(&[some.clone()], Severity::Sev2, &["a"], now()).as_deref(), Some("SIL-60"));
    assert_eq!(id_of(&[some], Severity::Sev2, &["b"], now()), None);
}

#[test]
fn a_maintenance_is_a_silence_by_the_clock() {
    let maintenance = Maintenance {
        name: "upgrade".to_owned(),
        matcher: Matcher { group: Some("api".to_owned()), ..Matcher::default() },
        window: Window::Once { from: now(), until: later(10) },
        by: "platform".to_owned(),
        why: "a new database".to_owned(),
        sev1: false,
    };
    let (key, none, group) = (AlertKey::new("a", &Dimensions::new(), None), Dimensions::new(), GroupKey::named("api"));
    let firing = [(&key, &none)];
    let subject = Subject { group: &group, severity: Severity::Sev3, firing: &firing, untracked: false };
    let quiet = |now| super::quiet(subject, &[], std::slice::from_ref(&maintenance), now);
    assert_eq!(
        quiet(now()).unwrap().reason,
        "maintenance upgrade by platform until 2026-11-23 03:10 UTC: a new database"
    );
    assert_eq!(quiet(later(10)), None);
}

#[test]
fn the_same_request_has_the_same_id() {
    let id = |every: Option<Weekly>, by| Silence::id_for(&rule("a"), &BTreeSet::new(), every.as_ref(), by, now());
    assert_eq!(id(None, "alice"), id(None, "alice"));
    assert_ne!(id(None, "alice"), id(None, "bob"));
    assert_ne!(id(None, "alice"), id(Some(mondays()), "alice"));
    assert!(id(None, "alice").starts_with("SIL-20261123-"));
}

/// Mondays from 02:00 to 04:00 UTC.
fn mondays() -> Weekly {
    Weekly { weekdays: vec![1], from_minute: 120, minutes: 120, time_zone: "UTC".to_owned() }
}

#[test]
fn a_silence_that_recurs_holds_back_at_its_times_and_until_it_ends() {
    // From Monday 03:00 on, for a week and half an hour.
    let recurring = Silence { every: Some(mondays()), ..silence(rule("a"), 7 * 1440 + 30) };
    for (at, until) in [
        ("2026-11-23T02:59:00Z", None),
        ("2026-11-23T03:00:00Z", Some("2026-11-23T04:00:00Z")),
        ("2026-11-23T04:00:00Z", None),
        ("2026-11-24T02:30:00Z", None),
        ("2026-11-30T01:59:59Z", None),
        // It ends in the middle of its time.
        ("2026-11-30T02:00:00Z", Some("2026-11-30T03:30:00Z")),
        ("2026-11-30T03:30:00Z", None),
        ("2026-12-07T02:30:00Z", None),
    ] {
        let until = until.map(|until| until.parse::<Timestamp>().unwrap());
        assert_eq!(recurring.in_force_until(at.parse().unwrap()), until, "{at}");
    }
    let none = Dimensions::new();
    let (key, group) = (AlertKey::new("a", &none, None), GroupKey::named("api"));
    let subject = Subject { group: &group, severity: Severity::Sev2, firing: &[(&key, &none)], untracked: false };
    let reason = |now| quiet(subject, std::slice::from_ref(&recurring), &[], now).map(|quiet| quiet.reason);
    let told = "silenced by alice until 2026-11-23 04:00 UTC (SIL-10110, mon 02:00 for 120 min (UTC)): a known fault";
    assert_eq!(reason(now()).as_deref(), Some(told));
    assert_eq!(reason(later(60)), None);
}

#[test]
fn what_does_not_know_of_recurring_takes_it_for_newer() {
    assert_eq!((Silence::schema_for(None), Silence::schema_for(Some(&mondays()))), (1, 2));
    // One that was stored before there were any that recur.
    let stored = serde_json::to_value(silence(rule("a"), 60)).unwrap();
    assert!(stored.get("every").is_none(), "{stored}");
    assert_eq!(serde_json::from_value::<Silence>(stored).unwrap(), silence(rule("a"), 60));
}

#[test]
fn what_was_only_counted_is_silenced_with_its_whole_group_alone() {
    let none = Dimensions::new();
    let (key, group) = (AlertKey::new("a", &none, None), GroupKey::named("api"));
    let is_quiet = |silence: Silence, untracked: bool| {
        let subject = Subject { group: &group, severity: Severity::Sev2, firing: &[(&key, &none)], untracked };
        quiet(subject, &[silence], &[], now()).is_some()
    };
    let of_group = Matcher { group: Some("api".to_owned()), ..Matcher::default() };
    let of_rule = Matcher { rule: Some("a".to_owned()), ..of_group.clone() };
    let of_alerts = Silence { alerts: BTreeSet::from([key.clone()]), ..silence(Matcher::default(), 60) };
    for (silence, expected) in [(silence(of_group, 60), true), (silence(of_rule, 60), false), (of_alerts, false)] {
        assert!(is_quiet(silence.clone(), false), "{silence:?}");
        assert_eq!(is_quiet(silence.clone(), true), expected, "{silence:?}");
    }
}
