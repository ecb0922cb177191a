//! People and on-call schedules, as a user writes them.

use std::borrow::Cow;

use jiff::civil::Time;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::{Duration, Weekday};

/// A person who can be on call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["title", "contact"]))]
pub(crate) struct User {
    /// What messages call them: `Ana Torres`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 80))]
    pub(crate) title: String,
    /// Their e-mail address.
    #[serde(default)]
    #[schemars(extend("pattern" = "^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", "patternErrorMessage" = "an e-mail address"))]
    pub(crate) contact: String,
    /// Member id in Slack, which a page mentions: `U024BE7LH`. In Slack: profile, more, copy member ID.
    #[schemars(extend("pattern" = "^[UW][A-Z0-9]{2,19}$", "patternErrorMessage" = "a member id such as U024BE7LH, not a name"))]
    pub(crate) slack_user_id: Option<String>,
    /// Where they live, an IANA name.
    pub(crate) time_zone: Option<String>,
    /// Channels that are paged beside the level's while this person is on call.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) channels: Vec<String>,
}

/// Who is on call when. A later rotation wins where it is on duty, an override wins over all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// Of every time in the schedule; an IANA name. Default `defaults.time_zone`.
    pub(crate) time_zone: Option<String>,
    /// People who take turns, the lowest layer first.
    #[schemars(length(min = 1))]
    pub(crate) rotations: Vec<Rotation>,
    /// Somebody takes over for a while. Of two at the same time the later in the list wins.
    #[serde(default)]
    pub(crate) overrides: Vec<Override>,
}

/// People who take turns.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// Users, in the order of their turns.
    #[schemars(length(min = 1))]
    pub(crate) users: Vec<String>,
    /// The first shift begins on this day at the hand-off time: `2026-01-05`. Before it the rotation has nobody.
    #[schemars(extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "patternErrorMessage" = "a day such as 2026-01-05"))]
    pub(crate) starts: String,
    /// Length of a shift, whole days: `7d`, `1d`.
    pub(crate) every: Duration,
    /// The time of the day at which one shift ends and the next begins: `09:00`.
    pub(crate) hand_off: TimeOfDay,
    /// When the rotation is on duty at all. Default: always.
    pub(crate) only: Option<DutyHours>,
}

/// When a rotation is on duty.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DutyHours {
    /// Days of the week on which it begins. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) days: Option<Vec<Weekday>>,
    /// When it begins. Default `00:00`.
    #[serde(default)]
    pub(crate) from: TimeOfDay,
    /// When it ends; on the next day where this is not after `from`. Default `00:00`: at midnight.
    #[serde(default)]
    pub(crate) to: TimeOfDay,
}

/// Somebody takes over for a while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    /// The user who is on call.
    pub(crate) user: String,
    /// From when on: `2026-12-24 18:00` in the schedule's time zone, or with an offset, `2026-12-24T18:00:00Z`.
    #[schemars(schema_with = "moment")]
    pub(crate) from: String,
    /// Until when; written as `from`.
    #[schemars(schema_with = "moment")]
    pub(crate) to: String,
}

/// A time of the day: `09:00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct TimeOfDay(pub(crate) Time);

impl TryFrom<String> for TimeOfDay {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = |text: &str| text.parse().map_err(|_| "a time of the day is written 09:00");
        let (hour, minute) = text.split_once(':').ok_or("a time of the day is written 09:00")?;
        let time = Time::new(number(hour)?, number(minute)?, 0, 0).map_err(|_| "there is no such time of the day")?;
        Ok(Self(time))
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "patternErrorMessage": "a time of the day such as 09:00"
        })
    }
}

pub(super) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})?$",
        "patternErrorMessage": "a time such as 2026-12-24 18:00, or 2026-12-24T18:00:00Z"
    })
}
