//! On-call schedules: who is on call at a time, since when and until when.
//!
//! Each rotation is a layer: its users take turns, a shift is a number of days long and begins at the hand-off time of
//! the schedule's time zone. A later layer wins where it is on duty, and an override wins over every layer. Before its
//! first shift a rotation has nobody.
//!
//! Hand-offs, duty hours and overrides are civil times: 09:00 stays 09:00 when the clocks change, so that a shift is an
//! hour longer or shorter then. A time that the clocks skip is as much later as they skip (02:30 becomes 03:30 when
//! 02:00 becomes 03:00); of a time that comes twice the first is meant. Both are as RFC 5545, 3.3.5, has it.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::catalogue::Catalogue;
use crate::catalogue::people::{DutyHours, Rotation, Schedule, User};

/// Duty hours repeat each week, and one of them may be empty where the clocks skip it.
const WEEKS_OF_EDGES: i64 = 2;

/// Duty hours that began earlier than this many days ago have ended, wherever clocks and the date line were moved.
const EARLIER_DAYS: i64 = 2;

/// Who is on call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnCall<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// The first instant at which this is the answer.
    pub since: Timestamp,
    /// The first instant at which it no longer is. The same person may go on for another reason.
    pub until: Timestamp,
    /// Why.
    pub why: Why,
}

/// Why somebody is on call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is their turn.
    Rotation {
        /// Which of the schedule's rotations, from 1.
        layer: usize,
        /// Which shift of it, from 0.
        shift: i64,
    },
    /// They took over.
    Override {
        /// Which of the schedule's overrides, from 1.
        number: usize,
    },
}

/// A time in which the answer is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch<'a> {
    /// Its first instant; `None` when it has always been so.
    pub since: Option<Timestamp>,
    /// The first instant after it; `None` when it stays so.
    pub until: Option<Timestamp>,
    /// The user and why; `None` when nobody is on call.
    pub on_call: Option<(&'a str, Why)>,
}

/// Who of a team is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty<'a> {
    /// The team has no schedule: all of it is called.
    Team,
    /// This person.
    User(&'a User),
    /// The schedule with this name has nobody now.
    Nobody(&'a str),
}

/// Who is on call at that time; `None` when nobody is.
pub fn on_call(schedule: &Schedule, at: Timestamp) -> Option<OnCall<'_>> {
    let Stretch { since, until, on_call } = stretch(schedule, at);
    let (user, why) = on_call?;
    Some(OnCall { user, since: since.unwrap_or(Timestamp::MIN), until: until.unwrap_or(Timestamp::MAX), why })
}

/// Who of a team is on call at that time.
pub fn duty<'a>(catalogue: &'a Catalogue, team: &str, at: Timestamp) -> Duty<'a> {
    let name = catalogue.teams.get(team).and_then(|team| team.on_call.as_ref());
    let Some(schedule) = name.and_then(|name| catalogue.schedules.get(name)) else { return Duty::Team };
    let (answer, _) = Layers::of(schedule).answer(at).unzip();
    answer.and_then(|user| catalogue.users.get(user)).map_or(Duty::Nobody(&schedule.name), Duty::User)
}

/// The channels by which a team itself is told at that time: its own, then those of whoever of it is on call.
pub fn channels_of(catalogue: &Catalogue, team: &str, at: Timestamp) -> Vec<String> {
    let mut channels = catalogue.teams.get(team).map(|team| team.channels.clone()).unwrap_or_default();
    if let Duty::User(user) = duty(catalogue, team, at) {
        let further = user.channels.iter().filter(|channel| !channels.contains(channel)).cloned();
        channels.extend(further.collect::<Vec<_>>());
    }
    channels
}

/// The time around an instant in which the answer is the same as at that instant.
pub fn stretch(schedule: &Schedule, at: Timestamp) -> Stretch<'_> {
    Layers::of(schedule).stretch(at)
}

/// The stretches from the one at `from` on, in their order, without a gap between them; only those that begin before
/// `to`.
pub fn stretches(schedule: &Schedule, from: Timestamp, to: Timestamp) -> Vec<Stretch<'_>> {
    let layers = Layers::of(schedule);
    let mut found = Vec::new();
    let mut next = Some(from);
    while let Some(at) = next.filter(|at| *at < to) {
        let stretch = layers.stretch(at);
        next = stretch.until;
        found.push(stretch);
    }
    found
}

/// The instant of a civil time in a zone, as the module says where the clocks skip it or show it twice; `None` beyond
/// the calendar.
pub fn instant(zone: &TimeZone, date: Date, time: Time) -> Option<Timestamp> {
    zone.to_timestamp(date.to_datetime(time)).ok()
}

struct Layers<'a> {
    schedule: &'a Schedule,
    /// Those that can be on duty, the lowest first.
    layers: Vec<Layer<'a>>,
}

impl<'a> Layers<'a> {
    fn of(schedule: &'a Schedule) -> Self {
        // A zone that this version does not know is no reason to call nobody.
        let zone = TimeZone::get(&schedule.time_zone).unwrap_or(TimeZone::UTC);
        let layers = schedule.rotations.iter().zip(1..).filter_map(|(rotation, number)| {
            let on_some_day = |only: &DutyHours| only.weekdays.iter().any(|day| (1..=7).contains(day));
            let can_be = !rotation.users.is_empty() && rotation.only.as_ref().is_none_or(on_some_day);
            can_be.then(|| Layer { number, rotation, zone: zone.clone() })
        });
        Self { schedule, layers: layers.collect() }
    }

    fn answer(&self, at: Timestamp) -> Option<(&'a str, Why)> {
        let overrides = self.schedule.overrides.iter().enumerate().rev();
        overrides
            .filter(|(_, exception)| (exception.from..exception.to).contains(&at))
            .map(|(index, exception)| (exception.user.as_str(), Why::Override { number: index + 1 }))
            .next()
            .or_else(|| self.layers.iter().rev().find_map(|layer| layer.answer(at)))
    }

    fn stretch(&self, at: Timestamp) -> Stretch<'a> {
        let on_call = self.answer(at);
        let mut until = self.boundary_after(at);
        while let Some(boundary) = until.filter(|boundary| self.answer(*boundary) == on_call) {
            until = self.boundary_after(boundary);
        }
        let mut since = self.boundary_until(at);
        while let Some(before) = since.and_then(just_before).filter(|before| self.answer(*before) == on_call) {
            since = self.boundary_until(before);
        }
        Stretch { since, until, on_call }
    }

    /// The first instant after this one at which the answer may change.
    fn boundary_after(&self, at: Timestamp) -> Option<Timestamp> {
        let layers = self.layers.iter().filter_map(|layer| layer.boundary_after(at));
        self.edges_of_overrides().chain(layers).filter(|boundary| *boundary > at).min()
    }

    /// The last instant up to this one at which the answer may have changed.
    fn boundary_until(&self, at: Timestamp) -> Option<Timestamp> {
        let layers = self.layers.iter().filter_map(|layer| layer.boundary_until(at));
        self.edges_of_overrides().chain(layers).filter(|boundary| *boundary <= at).max()
    }

    fn edges_of_overrides(&self) -> impl Iterator<Item = Timestamp> {
        self.schedule.overrides.iter().flat_map(|exception| [exception.from, exception.to])
    }
}

fn just_before(at: Timestamp) -> Option<Timestamp> {
    at.checked_sub(SignedDuration::from_nanos(1)).ok()
}

struct Layer<'a> {
    number: usize,
    rotation: &'a Rotation,
    zone: TimeZone,
}

impl<'a> Layer<'a> {
    fn answer(&self, at: Timestamp) -> Option<(&'a str, Why)> {
        let shift = self.shift(at)?;
        let on_duty = self
            .rotation
            .only
            .as_ref()
            .is_none_or(|only| self.windows(only, at, -EARLIER_DAYS, 1).any(|(from, to)| (from..to).contains(&at)));
        let turn = usize::try_from(shift).unwrap_or(0) % self.rotation.users.len().max(1);
        let user = self.rotation.users.get(turn).filter(|_| on_duty)?;
        Some((user, Why::Rotation { layer: self.number, shift }))
    }

    fn boundary_after(&self, at: Timestamp) -> Option<Timestamp> {
        let Some(shift) = self.shift(at) else { return self.start(0) };
        let days = 7 * WEEKS_OF_EDGES;
        let edges = self.edges(at, -EARLIER_DAYS, days).into_iter().filter(|edge| *edge > at);
        edges.chain(self.start(shift.saturating_add(1))).min()
    }

    fn boundary_until(&self, at: Timestamp) -> Option<Timestamp> {
        let shift = self.shift(at)?;
        let days = 7 * WEEKS_OF_EDGES;
        let edges = self.edges(at, -days, 1).into_iter().filter(|edge| *edge <= at);
        edges.chain(self.start(shift)).max()
    }

    /// The number of the last shift that has begun; `None` before the first.
    fn shift(&self, at: Timestamp) -> Option<i64> {
        let date = at.to_zoned(self.zone.clone()).date();
        let days = date.duration_since(self.rotation.starts).as_hours() / 24;
        // One more, since a clock that is set back over midnight shows the day before once again.
        let mut shift = days.div_euclid(self.every_days()) + 1;
        while shift >= 0 && self.start(shift).is_none_or(|start| start > at) {
            shift -= 1;
        }
        (shift >= 0).then_some(shift)
    }

    fn start(&self, shift: i64) -> Option<Timestamp> {
        let date = later(self.rotation.starts, shift.saturating_mul(self.every_days()))?;
        instant(&self.zone, date, self.rotation.hand_off)
    }

    fn every_days(&self) -> i64 {
        i64::from(self.rotation.every_days.max(1))
    }

    fn edges(&self, at: Timestamp, first: i64, last: i64) -> Vec<Timestamp> {
        let only = self.rotation.only.iter();
        only.flat_map(|only| self.windows(only, at, first, last)).flat_map(<[Timestamp; 2]>::from).collect()
    }

    /// The duty hours that begin on the days from `first` to `last`, counted from the day of `at`.
    fn windows<'s>(
        &'s self,
        only: &'s DutyHours,
        at: Timestamp,
        first: i64,
        last: i64,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + 's {
        let today = at.to_zoned(self.zone.clone()).date();
        let overnight = i64::from(only.to <= only.from);
        (first..=last).filter_map(move |days| {
            let date = later(today, days)?;
            let weekday = u8::try_from(date.weekday().to_monday_one_offset()).unwrap_or(0);
            let end = later(date, overnight)?;
            let (from, to) = (instant(&self.zone, date, only.from)?, instant(&self.zone, end, only.to)?);
            (only.weekdays.contains(&weekday) && from < to).then_some((from, to))
        })
    }
}

/// The day that many days later; `None` beyond the calendar.
fn later(date: Date, days: i64) -> Option<Date> {
    date.checked_add(Span::new().try_days(days).ok()?).ok()
}

#[cfg(test)]
mod tests;
