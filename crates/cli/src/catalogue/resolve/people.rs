//! Teams, users and schedules.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use monitoring_core::catalogue::people::{DutyHours, Override, Rotation, Schedule, User};
use monitoring_core::catalogue::{self as resolved};

use super::super::document::{self, Document};
use super::weekdays;

pub(super) fn teams(document: &Document) -> BTreeMap<String, resolved::Team> {
    let resolve = |(name, team): (&String, &document::Team)| {
        let resolved = resolved::Team {
            name: name.clone(),
            title: team.title.clone(),
            contact: team.contact.clone(),
            channels: team.channels.clone(),
            lead: team.lead.clone(),
            on_call: team.on_call.clone(),
            members: team.members.clone(),
        };
        (name.clone(), resolved)
    };
    document.teams.iter().map(resolve).collect()
}

pub(super) fn users(document: &Document) -> BTreeMap<String, User> {
    let resolve = |(name, user): (&String, &document::User)| {
        let resolved = User {
            name: name.clone(),
            title: user.title.clone(),
            contact: user.contact.clone(),
            slack_user_id: user.slack_user_id.clone(),
            time_zone: user.time_zone.clone(),
            channels: user.channels.clone(),
        };
        (name.clone(), resolved)
    };
    document.users.iter().map(resolve).collect()
}

pub(super) fn schedules(document: &Document) -> BTreeMap<String, Schedule> {
    let schedules = document.schedules.iter();
    schedules.map(|(name, schedule)| (name.clone(), resolve_schedule(document, name, schedule))).collect()
}

/// A schedule, without the rotations and overrides whose times cannot be.
pub(crate) fn resolve_schedule(document: &Document, name: &str, schedule: &document::Schedule) -> Schedule {
    let time_zone = schedule.time_zone.as_ref().unwrap_or(&document.defaults.time_zone);
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let exceptions = schedule.overrides.iter().filter_map(|exception| {
        let (from, to) = (moment(&exception.from, &zone)?, moment(&exception.to, &zone)?);
        Some(Override { user: exception.user.clone(), from, to })
    });
    Schedule {
        name: name.to_owned(),
        time_zone: time_zone.clone(),
        rotations: schedule.rotations.iter().filter_map(resolve_rotation).collect(),
        overrides: exceptions.collect(),
    }
}

fn resolve_rotation(rotation: &document::Rotation) -> Option<Rotation> {
    Some(Rotation {
        users: rotation.users.clone(),
        starts: rotation.starts.parse().ok()?,
        every_days: rotation.every.seconds / 86_400,
        hand_off: rotation.hand_off.0,
        only: rotation.only.as_ref().map(|only| DutyHours {
            weekdays: weekdays(only.days.as_deref()),
            from: only.from.0,
            to: only.to.0,
        }),
    })
}

/// A time with an offset, or a civil time of the zone: where the clocks skip it as much later, where they show it twice
/// the first.
pub(crate) fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    // jiff takes no notice of a zone behind a civil time.
    let civil: DateTime = text.parse().ok().filter(|_| !text.contains('['))?;
    zone.to_timestamp(civil).ok()
}
