//! What people do with an action item: a command for the post-mortem function, which keeps them.
//!
//! `{"action_item": "INC-20261123-0f3a9c1d/root-cause", "command": "done", "by": "ana", "text": "the index is back"}`. Commands are
//! `start`, `done`, `drop`, `reassign` (with `"to"`, a user or a team of the catalogue) and `due` (with `"due"`, a day).

use jiff::Timestamp;
use jiff::civil::Date;
use monitoring_core::action_item::{ActionItem, Command, ItemId};
use monitoring_core::alert::bounded;
use monitoring_core::catalogue::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{Store, StoreError};

/// How often a write is made anew because another writer was first.
const MAX_CONFLICTS: u32 = 10;

/// Keeps action items.
#[derive(Debug)]
pub struct ActionItems {
    store: Store,
    catalogue: Catalogue,
}

/// An item as it is now, with its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// `INC-20261123-0f3a9c1d/root-cause`.
    pub id: String,
    /// The item.
    #[serde(flatten)]
    pub item: ActionItem,
}

impl From<ActionItem> for Answer {
    fn from(item: ActionItem) -> Self {
        Self { id: item.id().to_string(), item }
    }
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// What was asked for cannot be done; the text says why and what to do.
    #[error("{0}")]
    Refused(String),
    /// The table could not be read or written.
    #[error("the action item is not changed")]
    Store(#[from] StoreError),
}

#[derive(Debug, Deserialize)]
struct Request {
    action_item: String,
    command: String,
    by: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    due: Option<String>,
}

/// Whether an event is about an action item.
pub fn is_meant(event: &Value) -> bool {
    event.get("action_item").is_some()
}

impl ActionItems {
    /// The items of this store; their owners are those of this catalogue.
    pub fn new(store: Store, catalogue: Catalogue) -> Self {
        Self { store, catalogue }
    }

    /// Carries out one command.
    pub async fn handle(&self, event: &Value, now: Timestamp) -> Result<Answer, ChangeError> {
        let request = Request::deserialize(event)
            .map_err(|error| ChangeError::Refused(format!("the command cannot be read: {error}")))?;
        if request.by.trim().is_empty() {
            return Err(ChangeError::Refused("by is empty; say who you are".to_owned()));
        }
        let id = ItemId::parse(request.action_item.trim()).ok_or_else(|| {
            ChangeError::Refused("action_item is of the form INC-20261123-0f3a9c1d/root-cause".to_owned())
        })?;
        let command = self.command(&request).map_err(ChangeError::Refused)?;
        let mut conflicts = 0;
        loop {
            match self.carry_out(&id, &command, &request, now).await {
                Err(ChangeError::Store(error)) if error.is_conflict() && conflicts < MAX_CONFLICTS => conflicts += 1,
                done => return done,
            }
        }
    }

    async fn carry_out(
        &self,
        id: &ItemId,
        command: &Command,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, ChangeError> {
        let Some(item) = self.store.action_item(id).await? else {
            let text = format!("there is no action item {id}; see `monitorctl action-items list`");
            return Err(ChangeError::Refused(text));
        };
        let item = item
            .apply(command, &request.by, request.text.as_deref(), now)
            .map_err(|refusal| ChangeError::Refused(format!("{id}: {refusal}")))?;
        self.store.put_action_item(&item).await?;
        tracing::info!(item = %id, version = item.version, command = request.command, "action item changed");
        Ok(item.into())
    }

    fn command(&self, request: &Request) -> Result<Command, String> {
        Ok(match request.command.as_str() {
            "start" => Command::Start,
            "done" => Command::Done,
            "drop" => Command::Drop,
            "reassign" => {
                let to = request.to.as_deref().unwrap_or_default().trim();
                let (team, owner) = self.assignee(to)?;
                Command::Reassign { team, owner }
            }
            "due" => {
                let due = request.due.as_deref().unwrap_or_default().trim();
                let day: Option<Date> = due.parse().ok();
                let wrong = || format!("due is a day such as 2026-12-24, and not {:?}", bounded(due, 40));
                Command::Due(day.ok_or_else(wrong)?)
            }
            other => {
                let other = bounded(other, 40);
                return Err(format!("there is no command {other:?}; there are start, done, drop, reassign and due"));
            }
        })
    }

    /// A person, with the first team that they are a member of, or a team as a whole.
    fn assignee(&self, name: &str) -> Result<(String, Option<String>), String> {
        let teams = &self.catalogue.teams;
        if self.catalogue.users.contains_key(name) {
            let team = teams.values().find(|team| team.members.iter().any(|member| member == name));
            let team = team.ok_or_else(|| format!("{name} is a member of no team; name the team"))?;
            return Ok((team.name.clone(), Some(name.to_owned())));
        }
        if teams.contains_key(name) {
            return Ok((name.to_owned(), None));
        }
        let names: Vec<&str> = self.catalogue.users.keys().chain(teams.keys()).map(String::as_str).collect();
        Err(format!("there is no user or team {:?}; there are {}", bounded(name, 40), bounded(&names.join(", "), 300)))
    }
}
