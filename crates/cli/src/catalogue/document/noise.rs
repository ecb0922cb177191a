//! What keeps people from being called for what they know, expect, or cannot act on one by one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::people::{TimeOfDay, moment};
use super::{Duration, Weekday};

/// What keeps people from being called for what they know, expect, or cannot act on one by one. A SEV1 is held back only by
/// a group it depends on, or by a maintenance that says so.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Noise {
    /// For a group, the groups that it depends on: while one of them has an open incident that was paged, nobody is called
    /// for this one.
    pub(crate) dependencies: BTreeMap<String, Vec<String>>,
    /// Work that is done on something at known times, by name: nobody is called for it then.
    pub(crate) maintenance: BTreeMap<String, Maintenance>,
    /// More incidents than people can be called for one by one.
    pub(crate) storm: Storm,
    /// A group that has one incident after the other.
    pub(crate) flapping: Flapping,
    /// Limits of the silences that people make at run time.
    pub(crate) silences: Silences,
}

/// More incidents than people can be called for one by one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Storm {
    /// So many are paged one by one; those beyond become one page. Default 20.
    #[schemars(range(min = 1, max = 1000))]
    pub(crate) incidents: u32,
    /// Within this time. Default `10m`.
    pub(crate) within: Duration,
}

impl Default for Storm {
    fn default() -> Self {
        Self { incidents: 20, within: Duration { seconds: 600 } }
    }
}

/// A group that has one incident after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Flapping {
    /// From the so manieth incident of a group on, it is held back at first. Default 3.
    #[schemars(range(min = 2, max = 10))]
    pub(crate) incidents: u32,
    /// Within this time. Default `1h`.
    pub(crate) within: Duration,
    /// It is paged when it has lasted this long. Default `5m`.
    pub(crate) settle: Duration,
}

impl Default for Flapping {
    fn default() -> Self {
        Self { incidents: 3, within: Duration { seconds: 3600 }, settle: Duration { seconds: 300 } }
    }
}

/// Limits of the silences that people make at run time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Silences {
    /// The longest that somebody can ask for; of one that recurs, the longest that it lasts each time. Default `24h`.
    pub(crate) longest: Duration,
    /// For how long one that recurs can be asked for. Default `30d`.
    pub(crate) longest_recurring: Duration,
}

impl Default for Silences {
    fn default() -> Self {
        Self { longest: Duration { seconds: 86_400 }, longest_recurring: Duration { seconds: 30 * 86_400 } }
    }
}

/// Work that is done on something: nobody is called for it then. One of `once` and `weekly`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["once"]}, {"required": ["weekly"]}]))]
pub(crate) struct Maintenance {
    /// What it is about; every part that is given must fit.
    #[serde(rename = "match")]
    pub(crate) matcher: Matcher,
    /// A single time.
    pub(crate) once: Option<Once>,
    /// Every week.
    pub(crate) weekly: Option<Weekly>,
    /// Who answers for it.
    #[schemars(length(min = 1))]
    pub(crate) by: String,
    /// Why.
    #[schemars(length(min = 1))]
    pub(crate) why: String,
    /// Whether a SEV1 is held back too. Default false.
    #[serde(default)]
    pub(crate) sev1: bool,
}

/// What a maintenance is about; every part that is given must fit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub(crate) struct Matcher {
    /// A group of rules; may end in `*`.
    pub(crate) group: Option<String>,
    /// A rule; may end in `*`.
    pub(crate) rule: Option<String>,
    /// Values of dimensions.
    pub(crate) dimensions: BTreeMap<String, String>,
}

/// A single time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Once {
    /// From when on: `2026-12-24 18:00` in `defaults.time_zone`, or with an offset, `2026-12-24T18:00:00Z`.
    #[schemars(schema_with = "moment")]
    pub(crate) from: String,
    /// Until when; written as `from`.
    #[schemars(schema_with = "moment")]
    pub(crate) to: String,
}

/// Every week.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Weekly {
    /// Days of the week on which it begins. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) days: Option<Vec<Weekday>>,
    /// When it begins: `02:00`.
    pub(crate) from: TimeOfDay,
    /// When it ends; on the next day where this is not after `from`.
    pub(crate) to: TimeOfDay,
    /// IANA name. Default `defaults.time_zone`.
    pub(crate) time_zone: Option<String>,
}
