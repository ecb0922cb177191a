//! Why nobody is called for an incident.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Incident, IncidentId};
use crate::alert::GroupKey;

/// What holds the pages of an incident back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Hold {
    /// Somebody silenced it, or it is in maintenance.
    Silence {
        /// The silence's id, or `maintenance/` and its name.
        id: String,
        /// Until when, as far as is known.
        until: Timestamp,
    },
    /// Something that it depends on is the incident that people are called for.
    Parent {
        /// That incident.
        incident: IncidentId,
        /// Its group.
        group: GroupKey,
    },
    /// The group has one incident after the other.
    Flapping {
        /// It is paged if it lasts until then.
        until: Timestamp,
    },
    /// One page stands for many.
    Storm {
        /// The incident that was paged.
        incident: IncidentId,
    },
}

impl Hold {
    /// `by SIL-20261123-0f3a9c1d`, for a sentence that says that something was held back.
    pub fn in_words(&self) -> String {
        match self {
            Self::Silence { id, .. } => format!("by {id}"),
            Self::Parent { incident, group } => format!("while {group}, which it depends on, had {incident}"),
            Self::Flapping { .. } => "to see whether it would last".to_owned(),
            Self::Storm { incident } => format!("as one of the many that {incident} stands for"),
        }
    }
}

/// What a group went through before an incident, as far as flapping asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Earlier {
    /// When the incidents before this one were opened, oldest first; at most [`Earlier::MAX`].
    pub opened: Vec<Timestamp>,
    /// When people were last called for one of them.
    pub paged: Option<Timestamp>,
}

impl Earlier {
    /// More than anybody needs to see that something flaps.
    pub const MAX: usize = 10;

    /// What the incident after this one inherits.
    pub fn after(incident: &Incident) -> Self {
        let mut opened = incident.earlier.opened.clone();
        opened.push(incident.opened_at);
        opened.drain(..opened.len().saturating_sub(Self::MAX));
        let paged = (incident.escalation.level > 0).then_some(incident.escalation.started_at);
        Self { opened, paged: paged.or(incident.earlier.paged) }
    }
}
