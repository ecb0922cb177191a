//! Who is on call: users and schedules.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::catalogue::people as resolved;
use monitoring_core::escalation::schedule::{instant, stretches};

use super::super::Finding;
use super::super::document::{Override, Rotation, Schedule};
use super::super::resolve::{moment, resolve_schedule};
use super::super::yaml::child;
use super::{Checker, entries, items};

/// How far a schedule is searched for times with nobody on call.
const SEARCHED: SignedDuration = SignedDuration::from_hours(4 * 7 * 24);

/// The longest shift: a year.
const LONGEST_SHIFT_SECONDS: u32 = 366 * 86_400;

pub(super) fn check(checker: &mut Checker<'_>) {
    let document = checker.document;
    for (pointer, name, team) in entries("teams", &document.teams) {
        if let Some(schedule) = &team.on_call {
            checker.known(child(&pointer, "on_call"), "schedules", schedule, &format!("team {name} has"));
        }
        if let Some(lead) = &team.lead {
            checker.known(child(&pointer, "lead"), "users", lead, &format!("team {name} has"));
        }
        for (at, channel) in items(&child(&pointer, "channels"), &team.channels) {
            checker.known(at, "channels", channel, &format!("team {name} has"));
        }
        for (at, user) in items(&child(&pointer, "members"), &team.members) {
            checker.known(at, "users", user, &format!("team {name} has"));
        }
    }
    for (pointer, name, user) in entries("users", &document.users) {
        if let Some(zone) = &user.time_zone {
            checker.time_zone(&child(&pointer, "time_zone"), zone);
        }
        for (at, channel) in items(&child(&pointer, "channels"), &user.channels) {
            checker.known(at, "channels", channel, &format!("user {name} has"));
        }
    }
    for (pointer, name, schedule) in entries("schedules", &document.schedules) {
        let before = checker.findings.len();
        check_schedule(checker, &pointer, name, schedule);
        let is_used = document.teams.values().any(|team| team.on_call.as_ref() == Some(name));
        if checker.findings.len() == before && is_used {
            check_gaps(checker, &pointer, &resolve_schedule(document, name, schedule));
        }
    }
}

fn check_schedule(checker: &mut Checker<'_>, pointer: &str, name: &str, schedule: &Schedule) {
    if let Some(zone) = &schedule.time_zone {
        checker.time_zone(&child(pointer, "time_zone"), zone);
    }
    for (at, rotation) in items(&child(pointer, "rotations"), &schedule.rotations) {
        check_rotation(checker, &at, name, rotation);
    }
    let zone = schedule.time_zone.as_ref().unwrap_or(&checker.document.defaults.time_zone);
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    for (at, exception) in items(&child(pointer, "overrides"), &schedule.overrides) {
        check_override(checker, &at, name, exception, &zone);
    }
}

fn check_rotation(checker: &mut Checker<'_>, pointer: &str, name: &str, rotation: &Rotation) {
    for (at, user) in items(&child(pointer, "users"), &rotation.users) {
        checker.known(at, "users", user, &format!("schedule {name} calls"));
    }
    if rotation.starts.parse::<Date>().is_err() {
        let message = format!("a rotation of schedule {name} starts on {}, which is no day", rotation.starts);
        checker.error(child(pointer, "starts"), message, "write a day such as 2026-01-05");
    }
    let every = rotation.every;
    if every.seconds == 0 || !every.seconds.is_multiple_of(86_400) || every.seconds > LONGEST_SHIFT_SECONDS {
        let message = format!("a shift of schedule {name} takes {every}, not whole days");
        let help = "write 1d to 366d; for parts of a day make a rotation for each, with `only: {from: ..., to: ...}`";
        checker.error(child(pointer, "every"), message, help);
    }
}

fn check_override(checker: &mut Checker<'_>, pointer: &str, name: &str, exception: &Override, zone: &TimeZone) {
    checker.known(child(pointer, "user"), "users", &exception.user, &format!("an override of schedule {name} calls"));
    let [from, to] = [("from", &exception.from), ("to", &exception.to)].map(|(key, text)| {
        let at = moment(text, zone);
        if at.is_none() {
            let message = format!("an override of schedule {name} has {text}, which is no time");
            checker.error(child(pointer, key), message, "write a time such as 2026-12-24 18:00");
        }
        at
    });
    if from.zip(to).is_some_and(|(from, to)| to <= from) {
        let message = format!("an override of schedule {name} ends at {}, not after it starts", exception.to);
        checker.error(child(pointer, "to"), message, format!("write a time after {}", exception.from));
    }
}

/// Times with nobody on call, in the weeks after the last rotation has started: its hours repeat, so that no clock is
/// needed to know.
fn check_gaps(checker: &mut Checker<'_>, pointer: &str, schedule: &resolved::Schedule) {
    let zone = TimeZone::get(&schedule.time_zone).unwrap_or(TimeZone::UTC);
    let starts = schedule.rotations.iter().filter_map(|one| instant(&zone, one.starts, one.hand_off));
    let Some(from) = starts.max() else { return };
    let to = from.saturating_add(SEARCHED).unwrap_or(Timestamp::MAX);
    let stretches = stretches(schedule, from, to);
    let gaps: Vec<_> = stretches.iter().filter(|stretch| stretch.on_call.is_none()).collect();
    let Some(first) = gaps.first() else { return };
    let time =
        |at: Option<Timestamp>| at.unwrap_or(from).to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string();
    let more = match gaps.len() - 1 {
        0 => String::new(),
        1 => ", and at 1 more time in 4 weeks".to_owned(),
        more => format!(", and at {more} more times in 4 weeks"),
    };
    let message = format!(
        "nobody is on call in schedule {} from {} to {}{more}",
        schedule.name,
        time(first.since.map(|since| since.max(from))),
        time(first.until.or(Some(to))),
    );
    let help = "let the first rotation be without `only`, or add one for the rest of the time";
    checker.push(Finding::warning(pointer, message, help).on_key());
}
