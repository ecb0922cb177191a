//! `monitorctl action-items`: look at what post-mortems ask for, and say what becomes of it.

mod table;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use monitoring_aws::action_items::Answer;
use monitoring_core::action_item::{ActionItem, ItemId, today};
use monitoring_core::post_mortem::Priority;
use serde_json::{Value, json};

use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::incidents::show::printable;
use crate::local::story::Form;

/// Look at what post-mortems ask for, and say what becomes of it.
#[derive(Debug, Args)]
#[command(after_help = "\
Each post-mortem makes its action items by itself, and none twice. One belongs to whoever was on call for its team when the incident
ended, or to the team; it is due in a week, and one that is critical for a SEV1 in 3 days.

Examples:
  monitorctl action-items list --owner ana
  monitorctl action-items start INC-20241014-0f3a9c1d/root-cause
  monitorctl action-items done INC-20241014-0f3a9c1d/root-cause 'an index was dropped; migration 118 brings it back'
  monitorctl action-items reassign INC-20241014-0f3a9c1d/no-runbook database
  monitorctl action-items due INC-20241014-0f3a9c1d/no-runbook 2024-11-04 'after the release'")]
pub struct ActionItemsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List those that are open, what is due first before the rest
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Show one with everything that happened to it
    Show {
        /// `INC-20261123-0f3a9c1d/root-cause`, or a beginning of it that only one has
        id: String,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Begin, also anew with one that was done or dropped
    Start(OneArgs),
    /// Say that it is done, and what shows it
    Done(ReasonArgs),
    /// Say that it will not be done, and why
    Drop(ReasonArgs),
    /// Give it to a person or to a team
    Reassign {
        /// `INC-20261123-0f3a9c1d/root-cause`, or a beginning of it that only one has
        id: String,
        /// A user or a team of the catalogue
        to: String,
        #[command(flatten)]
        with: WithArgs,
    },
    /// Move the last day on which it is in time
    Due {
        /// `INC-20261123-0f3a9c1d/root-cause`, or a beginning of it that only one has
        id: String,
        /// `2026-12-24`
        #[arg(value_parser = day)]
        day: Date,
        #[command(flatten)]
        with: WithArgs,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Also those that are done or dropped
    #[arg(long)]
    all: bool,
    /// Only those of this incident
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// Only those of this person
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only those of this team
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// Only those of this priority
    #[arg(long, value_enum)]
    priority: Option<PriorityName>,
    /// Only those that should have been done by now
    #[arg(long)]
    overdue: bool,
}

/// A priority, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PriorityName {
    Critical,
    High,
    Medium,
    Low,
}

#[derive(Debug, Args)]
struct OneArgs {
    /// `INC-20261123-0f3a9c1d/root-cause`, or a beginning of it that only one has
    id: String,
    #[command(flatten)]
    with: WithArgs,
}

#[derive(Debug, Args)]
struct ReasonArgs {
    /// `INC-20261123-0f3a9c1d/root-cause`, or a beginning of it that only one has
    id: String,
    /// Why: what shows that it is done, or what speaks against doing it
    why: String,
    #[command(flatten)]
    by: ByArgs,
}

/// Who says so, and why.
#[derive(Debug, Args)]
struct WithArgs {
    /// Why
    why: Option<String>,
    #[command(flatten)]
    by: ByArgs,
}

#[derive(Debug, Args)]
struct ByArgs {
    /// Who you are
    #[arg(long, env = "USER", default_value = "monitorctl")]
    by: String,
    #[command(flatten)]
    door: DoorArgs,
}

fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "a day is written as year, month and day, such as 2026-12-24".to_owned())
}

/// Runs the command.
pub async fn run(args: ActionItemsArgs, json: bool) -> Result<u8, Exit> {
    match args.command {
        Command::List { filter, door } => list(&filter, &door, json).await,
        Command::Show { id, door } => show(&id, &door, json).await,
        Command::Start(OneArgs { id, with }) => {
            ask(&id, &with.by, json!({ "command": "start", "text": with.why }), json).await
        }
        Command::Done(ReasonArgs { id, why, by }) => {
            ask(&id, &by, json!({ "command": "done", "text": why }), json).await
        }
        Command::Drop(ReasonArgs { id, why, by }) => {
            ask(&id, &by, json!({ "command": "drop", "text": why }), json).await
        }
        Command::Reassign { id, to, with } => {
            ask(&id, &with.by, json!({ "command": "reassign", "to": to, "text": with.why }), json).await
        }
        Command::Due { id, day, with } => {
            ask(&id, &with.by, json!({ "command": "due", "due": day, "text": with.why }), json).await
        }
    }
}

async fn list(filter: &Filter, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let listed = listed(&door, filter).await;
    let (catalogue, now) = (door.catalogue().clone(), door.now());
    door.close().await?;
    let (mut items, unreadable) = listed?;
    items.retain(|item| filter.fits(item) && (!filter.overdue || item.is_overdue(today(&catalogue, item, now))));
    items.sort_by_key(|item| (!item.is_open(), item.due, std::cmp::Reverse(item.priority), item.id()));
    if json {
        print(&pretty(&items.into_iter().map(Answer::from).collect::<Vec<_>>())?);
    } else if items.is_empty() {
        print("no action items\n");
    } else {
        print(&table::of_items(&items, &catalogue, now));
    }
    match unreadable {
        Some(error) => Err(anyhow::Error::from(error).context("some action items are not in the list").into()),
        None => Ok(OK),
    }
}

type Listed = (Vec<ActionItem>, Option<monitoring_aws::store::StoreError>);

async fn listed(door: &Door, filter: &Filter) -> Result<Listed, Exit> {
    if let Some(incident) = &filter.incident {
        let incident = crate::incidents::resolve_id(door, incident).await?;
        let mut items = door.store().action_items_of(&incident).await.map_err(anyhow::Error::from)?;
        items.retain(|item| filter.all || item.is_open());
        return Ok((items, None));
    }
    let since = if filter.all { Timestamp::MIN } else { Timestamp::MAX };
    let (mut items, errors) = door.store().action_items(since).await.map_err(anyhow::Error::from)?;
    items.retain(|item| filter.all || item.is_open());
    Ok((items, errors.into_iter().next()))
}

impl Filter {
    fn fits(&self, item: &ActionItem) -> bool {
        self.owner.as_ref().is_none_or(|owner| item.owner.as_ref() == Some(owner))
            && self.team.as_ref().is_none_or(|team| item.team == *team)
            && self.priority.is_none_or(|priority| item.priority == priority.into())
    }
}

impl From<PriorityName> for Priority {
    fn from(name: PriorityName) -> Self {
        match name {
            PriorityName::Critical => Self::Critical,
            PriorityName::High => Self::High,
            PriorityName::Medium => Self::Medium,
            PriorityName::Low => Self::Low,
        }
    }
}

async fn show(id: &str, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let found = found(&door, id).await;
    let (catalogue, now) = (door.catalogue().clone(), door.now());
    door.close().await?;
    let item = found?;
    print(&if json { pretty(&Answer::from(item))? } else { table::of_item(&item, &catalogue, now) });
    Ok(OK)
}

/// The item that is meant: by its whole id, or by a beginning that only one has.
async fn found(door: &Door, text: &str) -> Result<ActionItem, Exit> {
    if let Some(id) = ItemId::parse(text)
        && let Some(item) = door.store().action_item(&id).await.map_err(anyhow::Error::from)?
    {
        return Ok(item);
    }
    let (items, _) = door.store().action_items(Timestamp::MIN).await.map_err(anyhow::Error::from)?;
    let mut fit = items.into_iter().filter(|item| !text.is_empty() && item.id().to_string().starts_with(text));
    match (fit.next(), fit.next()) {
        (Some(item), None) => Ok(item),
        (Some(first), Some(second)) => {
            let more = fit.count();
            let others = if more > 0 { format!(", or {more} others") } else { String::new() };
            let (first, second) = (first.id(), second.id());
            Err(Exit::refused(format!("{text:?} could be {first} or {second}{others}; give more of it")))
        }
        (None, _) => Err(Exit::refused(format!("there is no action item {text}; see `monitorctl action-items list`"))),
    }
}

/// Has the post-mortem function do something with one, and says what came of it.
async fn ask(id: &str, by: &ByArgs, mut event: Value, json: bool) -> Result<u8, Exit> {
    by.door.must_exist()?;
    let door = Door::open(&by.door, Form::Silent).await?;
    let event = found(&door, id).await.map(|item| {
        if let Some(event) = event.as_object_mut() {
            event.insert("action_item".to_owned(), json!(item.id().to_string()));
            event.insert("by".to_owned(), json!(by.by));
        }
        event
    });
    door.ask_post_mortem(event, json, said).await
}

/// How an item stands, in a line.
fn said(answer: &Value) -> String {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let owner = if text("owner").is_empty() { text("team") } else { text("owner") };
    format!(
        "{} is {}: {} has it, due {}: {}\n",
        text("id"),
        text("status").replace('_', " "),
        printable(&owner),
        text("due"),
        printable(&text("title"))
    )
}
