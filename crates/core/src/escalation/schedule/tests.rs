use proptest::prelude::*;

use super::*;
use crate::catalogue::people::Override;

fn rotation(users: &[&str], starts: &str, every_days: u32, hand_off: &str) -> Rotation {
    Rotation {
        users: users.iter().copied().map(str::to_owned).collect(),
        starts: starts.parse().unwrap(),
        every_days,
        hand_off: time(hand_off),
        only: None,
    }
}

fn only(weekdays: &[u8], from: &str, to: &str, rotation: Rotation) -> Rotation {
    Rotation { only: Some(DutyHours { weekdays: weekdays.to_vec(), from: time(from), to: time(to) }), ..rotation }
}

fn schedule(time_zone: &str, rotations: Vec<Rotation>) -> Schedule {
    Schedule { name: "s".to_owned(), time_zone: time_zone.to_owned(), rotations, overrides: Vec::new() }
}

fn exception(user: &str, from: &str, to: &str) -> Override {
    Override { user: user.to_owned(), from: at(from), to: at(to) }
}

fn time(text: &str) -> Time {
    format!("{text}:00").parse().unwrap()
}

/// `2026-03-08T13:00Z`, with any offset.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// At each time, who is on call, since and until when; nobody for an empty name.
fn check(schedule: &Schedule, expected: &[(&str, &str, &str, &str)]) {
    for (now, user, since, until) in expected {
        let found = on_call(schedule, at(now)).map(|found| (found.user, found.since, found.until));
        assert_eq!(found, (!user.is_empty()).then(|| (*user, at(since), at(until))), "{now}");
    }
}

/// The stretches of a time, each until the next begins: `ana 2026-03-02T09:00-05:00`.
fn told(schedule: &Schedule, from: &str, to: &str) -> Vec<String> {
    let zone = TimeZone::get(&schedule.time_zone).unwrap();
    stretches(schedule, at(from), at(to))
        .iter()
        .map(|stretch| {
            let since = stretch.since.map_or("always".to_owned(), |since| {
                since.to_zoned(zone.clone()).strftime("%a %m-%d %H:%M %:z").to_string()
            });
            format!("{} {since}", stretch.on_call.map_or("nobody", |(user, _)| user))
        })
        .collect()
}

#[test]
fn a_weekly_hand_off_stays_at_nine_in_new_york() {
    // 2026: forward on March 8, back on November 1, both at 02:00.
    let weekly = schedule("America/New_York", vec![rotation(&["ana", "ben", "cleo"], "2026-02-23", 7, "09:00")]);
    assert_eq!(
        told(&weekly, "2026-02-01T00:00:00Z", "2026-03-24T00:00:00Z"),
        [
            "nobody always",
            "ana Mon 02-23 09:00 -05:00",
            "ben Mon 03-02 09:00 -05:00",
            "cleo Mon 03-09 09:00 -04:00",
            "ana Mon 03-16 09:00 -04:00",
            "ben Mon 03-23 09:00 -04:00",
        ]
    );
    check(
        &weekly,
        &[
            ("2026-02-23T13:59:59Z", "", "", ""),
            ("2026-02-23T14:00:00Z", "ana", "2026-02-23T14:00:00Z", "2026-03-02T14:00:00Z"),
            // The week in which the clocks go forward has 167 hours.
            ("2026-03-08T07:00:00Z", "ben", "2026-03-02T14:00:00Z", "2026-03-09T13:00:00Z"),
            ("2026-03-09T12:59:59.999999999Z", "ben", "2026-03-02T14:00:00Z", "2026-03-09T13:00:00Z"),
            ("2026-03-09T13:00:00Z", "cleo", "2026-03-09T13:00:00Z", "2026-03-16T13:00:00Z"),
            // The shift of October 19 is number 34 from 0, ben's. The week in which the clocks go back has 169 hours.
            ("2026-10-26T12:59:00Z", "ben", "2026-10-19T13:00:00Z", "2026-10-26T13:00:00Z"),
            ("2026-11-01T06:30:00Z", "cleo", "2026-10-26T13:00:00Z", "2026-11-02T14:00:00Z"),
            ("2026-11-02T13:30:00Z", "cleo", "2026-10-26T13:00:00Z", "2026-11-02T14:00:00Z"),
            ("2026-11-02T14:00:00Z", "ana", "2026-11-02T14:00:00Z", "2026-11-09T14:00:00Z"),
        ],
    );
}

#[test]
fn a_weekly_hand_off_stays_at_nine_in_zurich() {
    // 2026: forward on March 29 at 02:00, back on October 25 at 03:00.
    let weekly = schedule("Europe/Zurich", vec![rotation(&["ana", "ben", "cleo"], "2026-03-16", 7, "09:00")]);
    check(
        &weekly,
        &[
            ("2026-03-16T07:59:59Z", "", "", ""),
            ("2026-03-16T08:00:00Z", "ana", "2026-03-16T08:00:00Z", "2026-03-23T08:00:00Z"),
            ("2026-03-30T06:59:59Z", "ben", "2026-03-23T08:00:00Z", "2026-03-30T07:00:00Z"),
            ("2026-03-30T07:00:00Z", "cleo", "2026-03-30T07:00:00Z", "2026-04-06T07:00:00Z"),
            // 217 days after the first shift: number 31 from 0.
            ("2026-10-25T01:30:00Z", "ben", "2026-10-19T07:00:00Z", "2026-10-26T08:00:00Z"),
            ("2026-10-26T07:30:00Z", "ben", "2026-10-19T07:00:00Z", "2026-10-26T08:00:00Z"),
            ("2026-10-26T08:00:00Z", "cleo", "2026-10-26T08:00:00Z", "2026-11-02T08:00:00Z"),
        ],
    );
}

#[test]
fn a_hand_off_that_the_clocks_skip_or_show_twice_has_one_instant() {
    let daily = schedule("America/New_York", vec![rotation(&["ana", "ben"], "2026-03-06", 1, "02:30")]);
    check(
        &daily,
        &[
            ("2026-03-07T07:30:00Z", "ben", "2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z"),
            // 02:30 does not exist on March 8: it is 03:30 EDT, 24 hours after the one before, 23 before the next.
            ("2026-03-08T07:29:59Z", "ben", "2026-03-07T07:30:00Z", "2026-03-08T07:30:00Z"),
            ("2026-03-08T07:30:00Z", "ana", "2026-03-08T07:30:00Z", "2026-03-09T06:30:00Z"),
            ("2026-03-09T06:30:00Z", "ben", "2026-03-09T06:30:00Z", "2026-03-10T06:30:00Z"),
        ],
    );
    let daily = schedule("America/New_York", vec![rotation(&["ana", "ben"], "2026-10-30", 1, "01:30")]);
    check(
        &daily,
        &[
            ("2026-11-01T05:29:59Z", "ben", "2026-10-31T05:30:00Z", "2026-11-01T05:30:00Z"),
            // 01:30 comes at 05:30Z (EDT) and at 06:30Z (EST): the first is meant, and the second changes nothing.
            ("2026-11-01T05:30:00Z", "ana", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
            ("2026-11-01T06:30:00Z", "ana", "2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"),
            ("2026-11-02T06:30:00Z", "ben", "2026-11-02T06:30:00Z", "2026-11-03T06:30:00Z"),
        ],
    );
    // In Zurich the skipped hour is 02:00 to 03:00 and so is the repeated one: 02:30 is in both.
    let daily = schedule("Europe/Zurich", vec![rotation(&["ana", "ben"], "2026-03-28", 1, "02:30")]);
    check(
        &daily,
        &[
            ("2026-03-29T01:29:59Z", "ana", "2026-03-28T01:30:00Z", "2026-03-29T01:30:00Z"),
            ("2026-03-29T01:30:00Z", "ben", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"),
            ("2026-10-25T00:30:00Z", "ben", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
            ("2026-10-25T01:30:00Z", "ben", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"),
        ],
    );
}

#[test]
fn a_clock_that_goes_back_over_midnight_has_each_shift_once() {
    // On February 18, 2018, at midnight, the clocks of São Paulo went back to 23:00 of the day before.
    let daily = schedule("America/Sao_Paulo", vec![rotation(&["ana", "ben"], "2018-02-16", 1, "23:30")]);
    check(
        &daily,
        &[
            ("2018-02-18T01:29:59Z", "ana", "2018-02-17T01:30:00Z", "2018-02-18T01:30:00Z"),
            ("2018-02-18T01:30:00Z", "ben", "2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"),
            ("2018-02-18T02:30:00Z", "ben", "2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"),
        ],
    );
    // Samoa had no December 30 in 2011: its shift has no time, and nobody is on call for it.
    let daily = schedule("Pacific/Apia", vec![rotation(&["ana", "ben", "cleo"], "2011-12-29", 1, "09:00")]);
    assert_eq!(
        told(&daily, "2011-12-29T20:00:00Z", "2012-01-01T00:00:00Z"),
        ["ana Thu 12-29 09:00 -10:00", "cleo Sat 12-31 09:00 +14:00", "ana Sun 01-01 09:00 +14:00"]
    );
}

#[test]
fn an_override_wins_over_the_shifts_that_it_overlaps() {
    let mut weekly = schedule("UTC", vec![rotation(&["ana", "ben"], "2026-01-05", 7, "09:00")]);
    weekly.overrides = vec![
        // From the last day of ana's week to the first of ben's.
        exception("cleo", "2026-01-11T12:00:00Z", "2026-01-13T12:00:00Z"),
        // Later in the list, so it wins where both are.
        exception("dan", "2026-01-13T00:00:00Z", "2026-01-14T00:00:00Z"),
        exception("cleo", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"),
    ];
    assert_eq!(
        told(&weekly, "2026-01-01T00:00:00Z", "2026-01-20T00:00:00Z"),
        [
            "nobody always",
            "cleo Sat 01-03 00:00 +00:00",
            "nobody Sun 01-04 00:00 +00:00",
            "ana Mon 01-05 09:00 +00:00",
            "cleo Sun 01-11 12:00 +00:00",
            "dan Tue 01-13 00:00 +00:00",
            "ben Wed 01-14 00:00 +00:00",
            "ana Mon 01-19 09:00 +00:00",
        ]
    );
    let found = on_call(&weekly, at("2026-01-12T09:00:00Z")).unwrap();
    assert_eq!((found.user, found.why), ("cleo", Why::Override { number: 1 }));
    assert_eq!(found.until, at("2026-01-13T00:00:00Z"));
    let found = on_call(&weekly, at("2026-01-12T09:00:00Z") - SignedDuration::from_hours(24)).unwrap();
    assert_eq!((found.user, found.why), ("ana", Why::Rotation { layer: 1, shift: 0 }));
}

#[test]
fn an_override_within_a_shift_cuts_it_in_two() {
    let mut weekly = schedule("UTC", vec![rotation(&["ana", "ben"], "2026-01-05", 7, "09:00")]);
    weekly.overrides = vec![exception("ben", "2026-01-07T18:00:00Z", "2026-01-07T22:00:00Z")];
    check(
        &weekly,
        &[
            ("2026-01-06T00:00:00Z", "ana", "2026-01-05T09:00:00Z", "2026-01-07T18:00:00Z"),
            ("2026-01-07T18:00:00Z", "ben", "2026-01-07T18:00:00Z", "2026-01-07T22:00:00Z"),
            ("2026-01-07T22:00:00Z", "ana", "2026-01-07T22:00:00Z", "2026-01-12T09:00:00Z"),
        ],
    );
}

#[test]
fn a_later_rotation_wins_in_its_hours() {
    let layered = schedule(
        "America/New_York",
        vec![
            rotation(&["ana", "ben"], "2026-03-02", 7, "09:00"),
            only(&[1, 2, 3, 4, 5], "09:00", "17:00", rotation(&["cleo", "dan"], "2026-03-02", 1, "09:00")),
        ],
    );
    assert_eq!(
        told(&layered, "2026-03-05T15:00:00Z", "2026-03-10T14:00:00Z"),
        [
            "dan Thu 03-05 09:00 -05:00",
            "ana Thu 03-05 17:00 -05:00",
            "cleo Fri 03-06 09:00 -05:00",
            // The weekend in which the clocks go forward.
            "ana Fri 03-06 17:00 -05:00",
            "dan Mon 03-09 09:00 -04:00",
            "ben Mon 03-09 17:00 -04:00",
            "cleo Tue 03-10 09:00 -04:00",
        ]
    );
}

#[test]
fn hours_over_midnight_belong_to_the_day_on_which_they_begin() {
    let nights = schedule("UTC", vec![only(&[5], "22:00", "06:00", rotation(&["ana"], "2026-01-01", 7, "12:00"))]);
    check(
        &nights,
        &[
            ("2026-01-02T21:59:59Z", "", "", ""),
            ("2026-01-02T22:00:00Z", "ana", "2026-01-02T22:00:00Z", "2026-01-03T06:00:00Z"),
            ("2026-01-03T05:59:59Z", "ana", "2026-01-02T22:00:00Z", "2026-01-03T06:00:00Z"),
            ("2026-01-03T06:00:00Z", "", "", ""),
        ],
    );
    let gap = stretch(&nights, at("2026-01-05T00:00:00Z"));
    assert_eq!((gap.since, gap.until), (Some(at("2026-01-03T06:00:00Z")), Some(at("2026-01-09T22:00:00Z"))));
    // From midnight to midnight is the whole day; two in a row have no edge between them.
    let weekend = schedule("UTC", vec![only(&[6, 7], "00:00", "00:00", rotation(&["ana"], "2026-01-01", 7, "12:00"))]);
    check(&weekend, &[("2026-01-03T10:00:00Z", "ana", "2026-01-03T00:00:00Z", "2026-01-05T00:00:00Z")]);
}

#[test]
fn hours_that_the_clocks_skip_are_nobodys() {
    // 02:15 would be 03:15 on March 8, after its end at 03:00.
    let hours = only(&[7], "02:15", "03:00", rotation(&["ana"], "2026-02-01", 7, "00:00"));
    assert_eq!(
        told(&schedule("America/New_York", vec![hours]), "2026-03-01T08:00:00Z", "2026-03-15T08:00:00Z"),
        ["nobody Sun 03-01 03:00 -05:00", "ana Sun 03-15 02:15 -04:00", "nobody Sun 03-15 03:00 -04:00"]
    );
}

#[test]
fn a_schedule_that_cannot_be_has_nobody_and_ends() {
    let nobody = Stretch { since: None, until: None, on_call: None };
    let never = only(&[], "09:00", "17:00", rotation(&["ana"], "2026-01-01", 1, "09:00"));
    for rotations in [Vec::new(), vec![rotation(&[], "2026-01-01", 1, "09:00")], vec![never]] {
        assert_eq!(stretch(&schedule("UTC", rotations), at("2026-06-01T00:00:00Z")), nobody);
    }
    // An unknown zone is taken for UTC, a shift of no days for one of a day.
    let odd = schedule("Mars/Olympus", vec![rotation(&["ana", "ben"], "2026-01-01", 0, "09:00")]);
    check(&odd, &[("2026-01-02T10:00:00Z", "ben", "2026-01-02T09:00:00Z", "2026-01-03T09:00:00Z")]);
    let long = schedule("UTC", vec![rotation(&["ana", "ben"], "9999-12-01", u32::MAX, "09:00")]);
    assert_eq!(on_call(&long, Timestamp::MAX).map(|found| (found.user, found.until)), Some(("ana", Timestamp::MAX)));
    assert_eq!(on_call(&long, Timestamp::MIN), None);
}

#[test]
fn a_team_has_the_person_nobody_or_all_of_it() {
    let mut catalogue = crate::example_catalogue::catalogue();
    let now = at("2026-01-06T00:00:00Z");
    assert_eq!(duty(&catalogue, "platform", now), Duty::Team);
    assert_eq!(duty(&catalogue, "unknown", now), Duty::Team);
    let ana = User {
        name: "ana".to_owned(),
        title: "Ana Torres".to_owned(),
        contact: "ana@example.com".to_owned(),
        slack_user_id: None,
        time_zone: None,
        channels: Vec::new(),
    };
    catalogue.users.insert("ana".to_owned(), ana.clone());
    catalogue.schedules.insert("s".to_owned(), schedule("UTC", vec![rotation(&["ana"], "2026-01-05", 7, "09:00")]));
    catalogue.teams.get_mut("platform").unwrap().on_call = Some("s".to_owned());
    assert_eq!(duty(&catalogue, "platform", now), Duty::User(&ana));
    assert_eq!(duty(&catalogue, "platform", at("2026-01-05T00:00:00Z")), Duty::Nobody("s"));
}

fn any_time() -> impl Strategy<Value = Time> {
    // Often where clocks change.
    prop_oneof![(0i8..4, 0i8..60), (0i8..24, 0i8..60)].prop_map(|(hour, minute)| Time::constant(hour, minute, 0, 0))
}

fn any_rotation() -> impl Strategy<Value = Rotation> {
    let users = prop::collection::vec(prop::sample::select(vec!["ana", "ben", "cleo"]), 1..4);
    let hours = (prop::collection::vec(1u8..=7, 1..6), any_time(), any_time())
        .prop_map(|(weekdays, from, to)| DutyHours { weekdays, from, to });
    (users, 0i64..500, 1u32..20, any_time(), prop::option::of(hours)).prop_map(
        |(users, day, every_days, hand_off, only)| Rotation {
            users: users.into_iter().map(str::to_owned).collect(),
            starts: later(Date::constant(2025, 10, 1), day).unwrap(),
            every_days,
            hand_off,
            only,
        },
    )
}

fn any_instant() -> impl Strategy<Value = Timestamp> {
    // From October 2025 to April 2027, in quarters of an hour.
    (0i64..52_000).prop_map(|quarter| Timestamp::from_second(1_759_276_800 + quarter * 900).unwrap())
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let zones = ["UTC", "America/New_York", "Europe/Zurich", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo"];
    let exceptions = prop::collection::vec((any_instant(), 0i64..2_000), 0..4).prop_map(|spans| {
        let to = |from: Timestamp, quarters: i64| from + SignedDuration::from_mins(15 * quarters);
        let exception = |(from, quarters)| Override { user: "dan".to_owned(), from, to: to(from, quarters) };
        spans.into_iter().map(exception).collect::<Vec<_>>()
    });
    (prop::sample::select(zones.to_vec()), prop::collection::vec(any_rotation(), 1..4), exceptions)
        .prop_map(|(zone, rotations, overrides)| Schedule { overrides, ..schedule(zone, rotations) })
}

/// Who is on call, as the definition says it: the last layer whose newest shift and duty hours hold the instant.
fn by_definition(schedule: &Schedule, now: Timestamp) -> Option<String> {
    let zone = TimeZone::get(&schedule.time_zone).unwrap();
    if let Some(exception) = schedule.overrides.iter().rfind(|exception| exception.from <= now && now < exception.to) {
        return Some(exception.user.clone());
    }
    schedule.rotations.iter().rev().find_map(|rotation| {
        let starts = (0..).step_by(rotation.every_days as usize).map(|days| later(rotation.starts, days).unwrap());
        let begun = starts.take_while(|date| instant(&zone, *date, rotation.hand_off).unwrap() <= now).count();
        let user = rotation.users.get(begun.checked_sub(1)? % rotation.users.len())?;
        let on_duty = rotation.only.as_ref().is_none_or(|only| {
            (-1..900).map(|days| later(rotation.starts, days).unwrap()).any(|date| {
                let end = if only.to > only.from { date } else { later(date, 1).unwrap() };
                only.weekdays.contains(&u8::try_from(date.weekday().to_monday_one_offset()).unwrap())
                    && instant(&zone, date, only.from).unwrap() <= now
                    && now < instant(&zone, end, only.to).unwrap()
            })
        });
        on_duty.then(|| user.clone())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_answer_is_the_definition_s(schedule in any_schedule(), now in any_instant()) {
        prop_assert_eq!(on_call(&schedule, now).map(|found| found.user.to_owned()), by_definition(&schedule, now));
    }

    #[test]
    fn every_instant_of_a_stretch_gives_the_same_stretch(
        schedule in any_schedule(),
        now in any_instant(),
        share in 0.0f64..1.0,
    ) {
        let here = stretch(&schedule, now);
        prop_assert!(here.since.is_none_or(|since| since <= now) && here.until.is_none_or(|until| now < until));
        let first = here.since.unwrap_or(now);
        let last = here.until.map_or(now, |until| just_before(until).unwrap());
        let length = last.duration_since(first).as_millis();
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any instant between will do")]
        let between = first + SignedDuration::from_millis((length as f64 * share) as i64);
        for other in [first, between, last] {
            prop_assert_eq!(stretch(&schedule, other), here, "{}", other);
        }
        // The neighbours begin and end where this one ends and begins, and say something else.
        if let Some(until) = here.until {
            let after = stretch(&schedule, until);
            prop_assert_eq!(after.since, Some(until));
            prop_assert_ne!(after.on_call, here.on_call);
        }
        if let Some(since) = here.since {
            let before = stretch(&schedule, just_before(since).unwrap());
            prop_assert_eq!(before.until, Some(since));
            prop_assert_ne!(before.on_call, here.on_call);
        }
    }
}
