//! `monitorctl incidents`: look at incidents and act on them.

pub(crate) mod show;

use std::fmt::Write;

use clap::{Args, Subcommand, ValueEnum};
use monitoring_core::incident::{Incident, IncidentId, Status};
use serde_json::{Value, json};

use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::local::story::Form;

/// Look at incidents and act on them.
#[derive(Debug, Args)]
pub struct IncidentsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all incidents, resolved ones included, oldest first
    List {
        /// Only these
        #[arg(long)]
        status: Option<Filter>,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Show an incident with its whole journal
    Show {
        /// `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
        id: String,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Say that you are on it; nobody else is called
    Acknowledge(ActArgs),
    /// Say that it is over
    Resolve(ActArgs),
    /// Say that it is not over after all; people are paged
    Reopen(ActArgs),
    /// Say where it stands
    Status {
        /// Where, and which incident; in either order
        #[arg(value_name = "investigating|identified|monitoring")]
        status: String,
        #[command(flatten)]
        act: ActArgs,
    },
    /// Write something down in its journal
    Note(ActArgs),
}

#[derive(Clone, Debug, Args)]
struct ActArgs {
    /// `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
    id: String,
    /// Words that go with it
    text: Option<String>,
    /// Who you are
    #[arg(long, env = "USER", default_value = "monitorctl")]
    by: String,
    #[command(flatten)]
    door: DoorArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Filter {
    Open,
    Detected,
    Acknowledged,
    Investigating,
    Identified,
    Monitoring,
    Resolved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Progress {
    Investigating,
    Identified,
    Monitoring,
}

/// Runs the command.
pub async fn run(args: IncidentsArgs, json: bool) -> Result<u8, Exit> {
    match args.command {
        Command::List { status, door } => list(status, &door, json).await,
        Command::Show { id, door } => Box::pin(show(&id, &door, json)).await,
        Command::Acknowledge(args) => act("acknowledge", None, args, json).await,
        Command::Resolve(args) => act("resolve", None, args, json).await,
        Command::Reopen(args) => act("reopen", None, args, json).await,
        Command::Status { status, act: mut args } => {
            let (status, id) = match (Progress::from_str(&status, false), Progress::from_str(&args.id, false)) {
                (Ok(status), _) => (status, args.id),
                (Err(_), Ok(progress)) => (progress, status),
                (Err(_), Err(_)) => {
                    return Err(Exit::usage(anyhow::anyhow!(
                        "neither {status} nor {} is investigating, identified or monitoring",
                        args.id
                    )));
                }
            };
            args.id = id;
            act("status", Some(status), args, json).await
        }
        Command::Note(args) => {
            if args.text.is_none() {
                return Err(Exit::usage(anyhow::anyhow!(
                    "a note needs a text: monitorctl incidents note ID 'what you saw'"
                )));
            }
            act("note", None, args, json).await
        }
    }
}

async fn list(status: Option<Filter>, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let listed = door.store().all_incidents().await;
    door.close().await?;
    let (mut incidents, unreadable) = listed.map_err(anyhow::Error::from)?;
    incidents.retain(|incident| status.is_none_or(|status| status.fits(incident)));
    if json {
        let array: Vec<Value> = incidents.iter().map(as_json).collect();
        print(&pretty(&array)?);
    } else if incidents.is_empty() {
        print("no incidents\n");
    } else {
        print(&table(&incidents.iter().collect::<Vec<_>>()));
    }
    match unreadable.into_iter().next() {
        Some(error) => Err(anyhow::Error::from(error).context("some incidents are not in the list").into()),
        None => Ok(OK),
    }
}

async fn show(id: &str, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let shown = look(&door, id).await;
    let catalogue = door.catalogue().clone();
    door.close().await?;
    let (incident, journal) = shown?;
    if json {
        let mut value = as_json(&incident);
        if let Some(value) = value.as_object_mut() {
            value.insert("journal".to_owned(), show::journal_json(&journal));
        }
        print(&pretty(&value)?);
    } else {
        let runbook = incident.runbook.as_ref().and_then(|name| catalogue.runbooks.get(name));
        print(&show::text(&incident, &journal, runbook));
    }
    Ok(OK)
}

async fn look(door: &Door, id: &str) -> Result<(Incident, Vec<monitoring_aws::store::JournalItem>), Exit> {
    let id = resolve_id(door, id).await?;
    let incident =
        door.store().incident(&id).await.map_err(anyhow::Error::from)?.ok_or_else(|| unknown(id.as_str()))?;
    let journal = door.store().journal(&id).await.map_err(anyhow::Error::from)?;
    Ok((incident, journal))
}

async fn act(command: &str, status: Option<Progress>, args: ActArgs, json: bool) -> Result<u8, Exit> {
    args.door.must_exist()?;
    let form = if json { Form::Silent } else { Form::People { colour: false } };
    let mut door = Door::open(&args.door, form).await?;
    let answer = match resolve_id(&door, &args.id).await {
        Ok(id) => {
            let status = status.and_then(|status| status.to_possible_value()).map(|value| value.get_name().to_owned());
            let event =
                json!({ "command": command, "incident_id": id, "by": args.by, "text": args.text, "status": status });
            door.respond(&event).await
        }
        Err(error) => Err(error),
    };
    door.close().await?;
    let answer = answer?;
    let incident = answer.pointer("/incidents/0").cloned().unwrap_or_default();
    if json {
        print(&pretty(&answer)?);
    } else {
        let field = |name: &str| incident.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let reasons = incident.get("reasons").and_then(Value::as_array).cloned().unwrap_or_default();
        let reason: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
        print(&format!("{} {} is {}: {}\n", field("id"), field("severity"), field("status"), reason.join("; ")));
    }
    // A command that its incident's state does not allow changes nothing.
    let changed = incident.get("changed").and_then(Value::as_bool).unwrap_or_default();
    Ok(if changed { OK } else { crate::command::REFUSED })
}

/// The incident that is meant: by its whole id, or by a beginning that only one has.
pub(crate) async fn resolve_id(door: &Door, text: &str) -> Result<IncidentId, Exit> {
    let full = text.to_owned();
    if let Some(id) = IncidentId::parse(&full)
        && door.store().incident(&id).await.map_err(anyhow::Error::from)?.is_some()
    {
        return Ok(id);
    }
    let (all, _) = door.store().all_incidents().await.map_err(anyhow::Error::from)?;
    let mut matching =
        all.into_iter().map(|incident| incident.id).filter(|id| id.as_str().starts_with(&full) && !full.is_empty());
    match (matching.next(), matching.next()) {
        (Some(id), None) => Ok(id),
        (Some(first), Some(second)) => {
            let more = matching.count();
            let others = if more > 0 { format!(", or {more} others") } else { String::new() };
            Err(Exit::refused(format!("{text:?} could be {first} or {second}{others}; give more of it")))
        }
        (None, _) => Err(unknown(text)),
    }
}

fn unknown(id: &str) -> Exit {
    Exit::refused(format!("there is no incident {id}; see `monitorctl incidents list`"))
}

impl Filter {
    fn fits(self, incident: &Incident) -> bool {
        let status = match self {
            Self::Open => return incident.is_open(),
            Self::Detected => Status::Detected,
            Self::Acknowledged => Status::Acknowledged,
            Self::Investigating => Status::Investigating,
            Self::Identified => Status::Identified,
            Self::Monitoring => Status::Monitoring,
            Self::Resolved => Status::Resolved,
        };
        incident.status == status
    }
}

/// An incident as JSON: its head as it is stored, with its id as `id` too.
fn as_json(incident: &Incident) -> Value {
    let mut value = serde_json::to_value(incident).unwrap_or_default();
    if let Some(value) = value.as_object_mut() {
        value.insert("id".to_owned(), json!(incident.id));
    }
    value
}

/// Incidents as a table.
pub fn table(incidents: &[&Incident]) -> String {
    let mut text = String::new();
    if incidents.is_empty() {
        return text;
    }
    let _ = writeln!(
        text,
        "{:<21} {:<4} {:<13} {:<17} {:>10}  {:<22} TITLE",
        "ID", "SEV", "STATUS", "OPENED (UTC)", "LASTED", "RUNBOOK"
    );
    for incident in incidents {
        let opened = incident.opened_at.strftime("%Y-%m-%d %H:%M");
        let lasted = incident.resolution.as_ref().map_or("open".to_owned(), |end| {
            monitoring_core::message::format_seconds(end.at.duration_since(incident.opened_at).as_secs())
        });
        let runbook = incident.runbook.as_deref().unwrap_or("-");
        let _ = writeln!(
            text,
            "{:<21} {:<4} {:<13} {opened:<17} {lasted:>10}  {runbook:<22} {}",
            incident.id.as_str(),
            incident.severity.as_str(),
            incident.status.as_str(),
            show::printable(&incident.title),
        );
    }
    text
}
