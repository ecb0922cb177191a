//! People and on-call schedules, as the catalogue resolves them.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `ana`.
    pub name: String,
    /// What messages call them: `Ana Torres`.
    pub title: String,
    /// Their e-mail address.
    pub contact: String,
    /// Member id in Slack, for mentions: `U024BE7LH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_user_id: Option<String>,
    /// Where they live, an IANA name; times are shown to them in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Names of channels that are paged beside the level's while this person is on call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
}

/// Who is on call when. What wins is said in [`crate::escalation::schedule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// `platform`.
    pub name: String,
    /// IANA name: `America/New_York`. Every civil time of the schedule is one there.
    pub time_zone: String,
    /// Layers, the lowest first.
    pub rotations: Vec<Rotation>,
    /// Exceptions, above all layers; of two at the same time the later in the list wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Override>,
}

/// People who take turns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Names of users, in their order. At least one.
    pub users: Vec<String>,
    /// The first shift begins on this day, at the hand-off time.
    pub starts: Date,
    /// Length of a shift in days, at least 1.
    pub every_days: u32,
    /// The time of the day at which a shift ends and the next begins.
    pub hand_off: Time,
    /// When the rotation is on duty at all; `None` for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<DutyHours>,
}

/// When a rotation is on duty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyHours {
    /// The days on which it begins: 1 (Monday) to 7 (Sunday).
    pub weekdays: Vec<u8>,
    /// When it begins.
    pub from: Time,
    /// When it ends; on the next day where this is not after `from`.
    pub to: Time,
}

/// Somebody takes over for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Name of the user.
    pub user: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
}
