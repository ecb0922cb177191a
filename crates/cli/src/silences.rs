//! `monitorctl silences`: look at silences, make one, end one.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use monitoring_core::message::format_seconds;
use monitoring_core::silence::Silence;
use serde_json::{Map, Value, json};

use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::incidents::show::printable;
use crate::local::story::Form;

/// Look at silences, make one, end one.
#[derive(Debug, Args)]
pub struct SilencesArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the silences that are kept, and how often each held a page back
    List {
        /// Also those that are over
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Make one: of what fires in an incident, or of whatever fits
    Add(AddArgs),
    /// End one before its time; what it held back is paged within a minute
    End {
        /// `SIL-20261123-0f3a9c1d`
        id: String,
        /// Who you are
        #[arg(long, env = "USER", default_value = "monitorctl")]
        by: String,
        #[command(flatten)]
        door: DoorArgs,
    },
}

#[derive(Debug, Args)]
struct AddArgs {
    /// What fires in this incident now
    #[arg(long, value_name = "ID", conflicts_with_all = ["group", "rule", "dimension", "sev1"])]
    incident: Option<String>,
    /// Alerts of this group; may end in *
    #[arg(long)]
    group: Option<String>,
    /// Alerts of this rule; may end in *
    #[arg(long)]
    rule: Option<String>,
    /// Alerts on this dimension; can be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    dimension: Vec<String>,
    /// For how long
    #[arg(long, value_name = "MINUTES", default_value_t = 60)]
    minutes: u32,
    /// Why
    #[arg(long)]
    why: Option<String>,
    /// Hold a SEV1 back too
    #[arg(long)]
    sev1: bool,
    /// Who you are
    #[arg(long, env = "USER", default_value = "monitorctl")]
    by: String,
    #[command(flatten)]
    door: DoorArgs,
}

/// Runs the command.
pub async fn run(args: SilencesArgs, json: bool) -> Result<u8, Exit> {
    match args.command {
        Command::List { all, door } => list(all, &door, json).await,
        Command::Add(args) => {
            let event = event(&args)?;
            send(&args.door, args.incident.as_deref(), event, json).await
        }
        Command::End { id, by, door } => {
            send(&door, None, json!({ "command": "unsilence", "silence_id": id, "by": by }), json).await
        }
    }
}

fn event(args: &AddArgs) -> Result<Value, Exit> {
    let mut event = Map::from_iter([
        ("command".to_owned(), json!("silence")),
        ("minutes".to_owned(), json!(args.minutes)),
        ("by".to_owned(), json!(args.by)),
        ("text".to_owned(), json!(args.why)),
    ]);
    if args.incident.is_none() {
        let mut dimensions = BTreeMap::new();
        for dimension in &args.dimension {
            let (name, value) = dimension
                .split_once('=')
                .ok_or_else(|| Exit::usage(anyhow!("--dimension {dimension} is not of the form NAME=VALUE")))?;
            dimensions.insert(name, value);
        }
        let mut wanted = Map::new();
        wanted.extend(args.group.as_ref().map(|group| ("group".to_owned(), json!(group))));
        wanted.extend(args.rule.as_ref().map(|rule| ("rule".to_owned(), json!(rule))));
        if !dimensions.is_empty() {
            wanted.insert("dimensions".to_owned(), json!(dimensions));
        }
        if wanted.is_empty() {
            return Err(Exit::usage(anyhow!("say what to silence: --incident, --group, --rule or --dimension")));
        }
        if args.why.is_none() {
            return Err(Exit::usage(anyhow!("say why: --why 'what the next person should know'")));
        }
        event.insert("match".to_owned(), Value::Object(wanted));
        event.insert("sev1".to_owned(), json!(args.sev1));
    }
    Ok(Value::Object(event))
}

async fn send(args: &DoorArgs, incident: Option<&str>, mut event: Value, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let mut door = Door::open(args, Form::Silent).await?;
    let id = match incident {
        Some(incident) => crate::incidents::resolve_id(&door, incident).await.map(Some),
        None => Ok(None),
    };
    let answer = match id {
        Ok(id) => {
            if let (Some(id), Some(event)) = (id, event.as_object_mut()) {
                event.insert("incident_id".to_owned(), json!(id));
            }
            door.respond(&event).await
        }
        Err(error) => Err(error),
    };
    door.close().await?;
    let answer = answer?;
    if json {
        print(&pretty(&answer)?);
    } else {
        let texts = |pointer: &str| -> Vec<String> {
            let texts = answer.pointer(pointer).and_then(Value::as_array);
            texts.into_iter().flatten().filter_map(Value::as_str).map(printable).collect()
        };
        let said = if incident.is_some() {
            "silenced; see `monitorctl silences list`".to_owned()
        } else {
            texts("/notes").join("\n")
        };
        print(&format!("{said}\n"));
    }
    Ok(OK)
}

async fn list(all: bool, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let now = door.now();
    let listed = read(&door).await;
    door.close().await?;
    let (mut silences, uses) = listed?;
    silences.retain(|silence| all || now < silence.until);
    let count = |silence: &Silence| uses.get(&silence.id).copied().unwrap_or_default();
    if json {
        let rows = silences.iter().map(|silence| {
            let mut row = serde_json::to_value(silence).unwrap_or_default();
            if let Some(row) = row.as_object_mut() {
                row.insert("uses".to_owned(), json!(count(silence)));
            }
            row
        });
        print(&pretty(&rows.collect::<Vec<_>>())?);
    } else if silences.is_empty() {
        print("no silences\n");
    } else {
        let mut text = String::new();
        for silence in &silences {
            let left = silence.until.duration_since(now).as_secs();
            let state = if left > 0 { format!("{} left", format_seconds(left)) } else { "over".to_owned() };
            let used = match count(silence) {
                0 => "never used".to_owned(),
                uses => format!("used {uses} times"),
            };
            let sev1 = if silence.sev1 { ", SEV1 too" } else { "" };
            let _ = writeln!(
                text,
                "{}  {state}, {used}{sev1}\n  {}\n  by {}: {}",
                silence.id,
                subject(silence),
                printable(&silence.by),
                printable(&silence.why)
            );
        }
        print(&text);
    }
    Ok(OK)
}

async fn read(door: &Door) -> Result<(Vec<Silence>, BTreeMap<String, u64>), Exit> {
    let silences = door.store().all_silences().await.map_err(anyhow::Error::from)?;
    let uses = door.store().silence_uses().await.map_err(anyhow::Error::from)?;
    Ok((silences, uses.into_iter().map(|used| (used.id, used.count)).collect()))
}

/// What a silence is about.
fn subject(silence: &Silence) -> String {
    let matcher = &silence.matcher;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(matcher.group.as_ref().map(|group| format!("group {group}")));
    parts.extend(matcher.rule.as_ref().map(|rule| format!("rule {rule}")));
    parts.extend(matcher.dimensions.iter().map(|(name, value)| format!("{name}={value}")));
    parts.extend(silence.alerts.iter().map(|key| format!("alert {key}")));
    printable(&parts.join(", "))
}
