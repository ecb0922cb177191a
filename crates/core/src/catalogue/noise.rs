//! What keeps people from being called for what they know, expect, or cannot act on one by one.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::metric::Dimensions;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Noise {
    /// For a group, the groups that it depends on. While one of them has an open incident that was paged, nobody is called
    /// for this one.
    pub dependencies: BTreeMap<String, Vec<String>>,
    /// Times in which work is done on something.
    pub maintenance: Vec<Maintenance>,
    /// What counts as a storm.
    pub storm: Storm,
    /// What counts as flapping.
    pub flapping: Flapping,
    /// How long a silence that somebody makes may last.
    pub silences: Silences,
}

impl Noise {
    /// The groups that a group depends on. One that a rule split by dimensions (`host/i-1`) depends on what it depends on
    /// unsplit, unless it is named itself.
    pub fn parents_of(&self, group: &str) -> &[String] {
        let base = group.split('/').next().unwrap_or_default();
        self.dependencies.get(group).or_else(|| self.dependencies.get(base)).map_or(&[], Vec::as_slice)
    }
}

/// More incidents than people can be called for one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Storm {
    /// So many incidents are paged one by one; those beyond become one page.
    pub incidents: u32,
    /// Within this time, in seconds.
    pub within_seconds: u32,
}

impl Default for Storm {
    fn default() -> Self {
        Self { incidents: 20, within_seconds: 600 }
    }
}

/// A group that has one incident after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flapping {
    /// The incident that is at least the so manieth of its group is held back at first.
    pub incidents: u32,
    /// Within this time, in seconds.
    pub within_seconds: u32,
    /// It is paged when it has lasted this long, in seconds.
    pub settle_seconds: u32,
}

impl Default for Flapping {
    fn default() -> Self {
        Self { incidents: 3, within_seconds: 3600, settle_seconds: 300 }
    }
}

/// Limits of silences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silences {
    /// The longest that somebody can ask for, in seconds; of one that recurs, the longest that it lasts each time.
    pub longest_seconds: u32,
    /// For how long one that recurs can be asked for, in seconds.
    pub longest_recurring_seconds: u32,
}

impl Default for Silences {
    fn default() -> Self {
        Self { longest_seconds: 86_400, longest_recurring_seconds: 30 * 86_400 }
    }
}

/// What a silence or a maintenance is about. Every part that is given must fit; one that gives none fits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Matcher {
    /// Name of a group: `api`; with its values where the rule has `group_by`: `cost/AWS Lambda`. May end in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Name of a rule. May end in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Values of dimensions.
    #[serde(skip_serializing_if = "Dimensions::is_empty")]
    pub dimensions: Dimensions,
}

impl Matcher {
    /// Whether it says anything.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is about all alerts of the groups that it fits, whatever their rules and dimensions.
    pub fn is_of_groups(&self) -> bool {
        self.group.is_some() && self.rule.is_none() && self.dimensions.is_empty()
    }

    /// Whether it fits an alert of this rule on these dimensions, in this group.
    pub fn fits(&self, group: &str, rule: &str, dimensions: &Dimensions) -> bool {
        let fits =
            |pattern: &Option<String>, text: &str| pattern.as_deref().is_none_or(|pattern| is_like(pattern, text));
        !self.is_empty()
            && fits(&self.group, group)
            && fits(&self.rule, rule)
            && self.dimensions.iter().all(|(name, value)| dimensions.get(name) == Some(value))
    }
}

/// Whether the text is the pattern, or begins with what stands before its `*`.
pub(crate) fn is_like(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => pattern == text,
    }
}

/// A time in which work is done on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its name in the catalogue.
    pub name: String,
    /// What it is about.
    pub matcher: Matcher,
    /// When.
    pub window: Window,
    /// Who answers for it.
    pub by: String,
    /// Why.
    pub why: String,
    /// Whether it holds back a SEV1 too.
    pub sev1: bool,
}

/// When a maintenance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Window {
    /// Once.
    Once {
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
    },
    /// Every week, on some days.
    Weekly(Weekly),
}

impl Window {
    /// Until when the window is open; `None` when it is not.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Once { from, until } => (*from <= now && now < *until).then_some(*until),
            Self::Weekly(weekly) => weekly.open_until(now),
        }
    }

    /// Whether it will never be open again.
    pub fn is_over(&self, now: Timestamp) -> bool {
        matches!(self, Self::Once { until, .. } if *until <= now)
    }
}

/// A time that comes every week, on some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weekly {
    /// 1 (Monday) to 7 (Sunday): the days on which it begins.
    pub weekdays: Vec<u8>,
    /// When it begins, in minutes since midnight in the time zone: 0 to 1439. A time that a change of the clocks skips
    /// is taken as much later as was skipped; of one that comes twice, the first counts.
    pub from_minute: u16,
    /// How long it takes, in minutes: 1 to 1440. A change of the clocks does not make it longer or shorter.
    pub minutes: u16,
    /// IANA name: `Europe/Zurich`.
    pub time_zone: String,
}

/// The days of the week as they are written, Monday first.
pub const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Weekly {
    /// Until when it is open; `None` when it is not.
    pub fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::get(&self.time_zone).ok()?;
        let today = zone.to_datetime(now).date();
        let begins = Time::midnight().saturating_add(i64::from(self.from_minute).min(1439).minutes());
        // At most a day long, so it began today or yesterday.
        [today, today.saturating_sub(1.day())].into_iter().find_map(|day| {
            let weekday = u8::try_from(day.weekday().to_monday_one_offset()).ok()?;
            let start = zone.to_ambiguous_timestamp(day.to_datetime(begins)).compatible().ok()?;
            let end = start.saturating_add(SignedDuration::from_mins(i64::from(self.minutes))).ok()?;
            (self.weekdays.contains(&weekday) && start <= now && now < end).then_some(end)
        })
    }
}

/// `mon, thu 02:00 for 90 min (Europe/Zurich)`.
impl fmt::Display for Weekly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if WEEKDAYS.len() == self.weekdays.len() {
            f.write_str("every day")?;
        } else {
            for (nth, day) in self.weekdays.iter().enumerate() {
                let name = WEEKDAYS.get(usize::from(*day).wrapping_sub(1)).copied().unwrap_or("?");
                write!(f, "{}{name}", if nth > 0 { ", " } else { "" })?;
            }
        }
        let Self { from_minute, minutes, time_zone, .. } = self;
        write!(f, " {:02}:{:02} for {minutes} min ({time_zone})", from_minute / 60, from_minute % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weekly(weekdays: &[u8], from_minute: u16, minutes: u16, time_zone: &str) -> Window {
        Window::Weekly(Weekly { weekdays: weekdays.to_vec(), from_minute, minutes, time_zone: time_zone.to_owned() })
    }

    #[track_caller]
    fn check(window: &Window, now: &str, until: Option<&str>) {
        let until = until.map(|until| until.parse().unwrap());
        assert_eq!(window.open_until(now.parse().unwrap()), until, "{now}");
    }

    #[test]
    fn a_window_once_is_open_from_its_begin_to_before_its_end() {
        let window = Window::Once {
            from: "2026-11-23T02:00:00Z".parse().unwrap(),
            until: "2026-11-23T04:00:00Z".parse().unwrap(),
        };
        check(&window, "2026-11-23T01:59:59Z", None);
        check(&window, "2026-11-23T02:00:00Z", Some("2026-11-23T04:00:00Z"));
        check(&window, "2026-11-23T03:59:59Z", Some("2026-11-23T04:00:00Z"));
        check(&window, "2026-11-23T04:00:00Z", None);
    }

    #[test]
    fn a_weekly_window_goes_by_the_clock_on_the_wall() {
        // Sunday 02:00 in Zurich: 01:00 UTC in winter, 00:00 in summer.
        let window = weekly(&[7], 120, 120, "Europe/Zurich");
        check(&window, "2026-11-22T00:59:00Z", None);
        check(&window, "2026-11-22T01:00:00Z", Some("2026-11-22T03:00:00Z"));
        check(&window, "2026-11-23T01:00:00Z", None);
        check(&window, "2026-07-05T00:00:00Z", Some("2026-07-05T02:00:00Z"));
        // 29 March 2026: 02:00 does not exist, and is 03:00 summer time.
        check(&window, "2026-03-29T00:59:00Z", None);
        check(&window, "2026-03-29T01:00:00Z", Some("2026-03-29T03:00:00Z"));
        // 25 October 2026: 02:00 comes twice; the first is 00:00 UTC.
        check(&window, "2026-10-25T00:00:00Z", Some("2026-10-25T02:00:00Z"));
    }

    #[test]
    fn a_weekly_window_may_reach_into_the_next_day() {
        let window = weekly(&[1], 23 * 60, 1440, "UTC");
        check(&window, "2026-11-23T22:59:00Z", None);
        check(&window, "2026-11-24T22:59:00Z", Some("2026-11-24T23:00:00Z"));
        check(&window, "2026-11-24T23:00:00Z", None);
        check(&weekly(&[1], 0, 60, "Nowhere/At_all"), "2026-11-23T00:00:00Z", None);
    }

    #[test]
    fn a_weekly_window_is_told_as_a_person_would_write_it() {
        for (window, expected) in [
            (weekly(&[7], 120, 90, "Europe/Zurich"), "sun 02:00 for 90 min (Europe/Zurich)"),
            (weekly(&[1, 4], 23 * 60 + 5, 1440, "UTC"), "mon, thu 23:05 for 1440 min (UTC)"),
            (weekly(&[1, 2, 3, 4, 5, 6, 7], 0, 1, "UTC"), "every day 00:00 for 1 min (UTC)"),
        ] {
            let Window::Weekly(weekly) = window else { panic!("it is weekly") };
            assert_eq!(weekly.to_string(), expected);
        }
    }

    #[test]
    fn a_matcher_fits_when_every_part_does_and_an_empty_one_never() {
        let dimensions = Dimensions::from([("FunctionName".to_owned(), "api".to_owned())]);
        let matcher = |group: Option<&str>, rule: Option<&str>, dimensions: &Dimensions| Matcher {
            group: group.map(str::to_owned),
            rule: rule.map(str::to_owned),
            dimensions: dimensions.clone(),
        };
        let none = Dimensions::new();
        for (matcher, expected) in [
            (matcher(None, None, &none), false),
            (matcher(Some("lambda"), None, &none), true),
            (matcher(Some("lam*"), Some("lambda-*"), &none), true),
            (matcher(Some("lambda"), Some("error-rate"), &none), false),
            (matcher(None, None, &dimensions), true),
            (matcher(None, Some("*"), &Dimensions::from([("FunctionName".to_owned(), "web".to_owned())])), false),
        ] {
            assert_eq!(matcher.fits("lambda", "lambda-duration", &dimensions), expected, "{matcher:?}");
        }
    }
}
