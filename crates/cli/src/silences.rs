//! `monitorctl silences`: look at silences, make one, end one.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use monitoring_core::alert::{STORM, SUITE, UNRECOGNISED};
use monitoring_core::catalogue::{Catalogue, WEEKDAYS};
use monitoring_core::message::format_seconds;
use monitoring_core::silence::Silence;
use serde_json::{Map, Value, json};

use crate::catalogue::nearest;
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
        /// `SIL-20261123-0f3a9c1d`, or a beginning of it that only one has
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
    /// For how long; with --every, for how long each time
    #[arg(long, value_name = "MINUTES", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    minutes: u32,
    /// Only on these days of each week, from --from on: sun, or mon,thu, or day for all
    #[arg(long, value_name = "DAYS", value_delimiter = ',', requires = "from", conflicts_with = "incident")]
    every: Vec<String>,
    /// With --every: when it begins on such a day, as 02:00
    #[arg(long, value_name = "HH:MM", requires = "every")]
    from: Option<String>,
    /// With --every: of which time zone that is, as Europe/Zurich
    #[arg(long, value_name = "NAME", requires = "every", default_value = "UTC")]
    time_zone: String,
    /// With --every: after how many days it recurs no longer
    #[arg(long, value_name = "DAYS", requires = "every", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    for_days: u32,
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
            send(&args.door, &About::of(&args), event, json).await
        }
        Command::End { id, by, door } => {
            send(&door, &About::Silence(&id), json!({ "command": "unsilence", "by": by }), json).await
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
            if dimensions.insert(name, value).is_some() {
                return Err(Exit::usage(anyhow!(
                    "--dimension {name} is given twice, and one alert has one value of it; make a silence for each"
                )));
            }
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
        if !args.every.is_empty() {
            let weekly = json!({ "days": days(&args.every), "from": args.from, "time_zone": args.time_zone });
            event.insert("weekly".to_owned(), weekly);
            event.insert("for_days".to_owned(), json!(args.for_days));
        }
    }
    Ok(Value::Object(event))
}

fn days(every: &[String]) -> Vec<&str> {
    if every == ["day"] { WEEKDAYS.to_vec() } else { every.iter().map(|day| day.trim()).collect() }
}

/// What an event is about, as it was named.
enum About<'a> {
    Incident(&'a str),
    Silence(&'a str),
    Alerts { group: Option<&'a str>, rule: Option<&'a str> },
}

impl<'a> About<'a> {
    fn of(args: &'a AddArgs) -> Self {
        match &args.incident {
            Some(incident) => Self::Incident(incident),
            None => Self::Alerts { group: args.group.as_deref(), rule: args.rule.as_deref() },
        }
    }

    /// What the event needs of it beside what it has: the whole of an id of which a beginning was given.
    async fn resolve(&self, door: &Door) -> Result<Option<(&'static str, String)>, Exit> {
        match self {
            Self::Incident(text) => {
                let id = crate::incidents::resolve_id(door, text).await?;
                Ok(Some(("incident_id", id.to_string())))
            }
            Self::Silence(text) => {
                let silences = door.store().all_silences().await.map_err(anyhow::Error::from)?;
                let mut fit = silences.iter().filter(|silence| silence.id.starts_with(text)).map(|one| &one.id);
                match (fit.next(), fit.next()) {
                    (Some(id), None) => Ok(Some(("silence_id", id.clone()))),
                    (Some(first), Some(second)) => {
                        let more = fit.count();
                        let others = if more > 0 { format!(", or {more} others") } else { String::new() };
                        Err(Exit::refused(format!("{text:?} could be {first} or {second}{others}; give more of it")))
                    }
                    (None, _) => {
                        Err(Exit::refused(format!("there is no silence {text}; see `monitorctl silences list`")))
                    }
                }
            }
            Self::Alerts { group, rule } => must_be_known(door.catalogue(), *group, *rule).map(|()| None),
        }
    }
}

/// Refuses a name that no alert can have. Groups that no rule has are those of alarms, of the suite itself, of storms and of
/// what is not recognised.
fn must_be_known(catalogue: &Catalogue, group: Option<&str>, rule: Option<&str>) -> Result<(), Exit> {
    let rules = || catalogue.rules.values();
    let others = [SUITE, STORM, UNRECOGNISED];
    let is_rule = |name: &str| name.contains(['*', ':']) || catalogue.rules.contains_key(name);
    let is_group = |name: &str| {
        let base = name.split('/').next().unwrap_or_default();
        name.contains(['*', ':']) || others.contains(&base) || rules().any(|rule| rule.group == base)
    };
    let unknown = |noun: &str, name: &str, near: Option<&str>| {
        let help = near.map_or_else(|| "see the catalogue".to_owned(), |near| format!("did you mean {near}?"));
        Err(Exit::refused(format!("no alert has the {noun} {name}, so it would silence nothing; {help}")))
    };
    if let Some(name) = rule.filter(|name| !is_rule(name)) {
        return unknown("rule", name, nearest(name, catalogue.rules.keys().map(String::as_str)));
    }
    if let Some(name) = group.filter(|name| !is_group(name)) {
        return unknown("group", name, nearest(name, rules().map(|rule| rule.group.as_str())));
    }
    Ok(())
}

async fn send(args: &DoorArgs, about: &About<'_>, mut event: Value, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let mut door = Door::open(args, Form::Silent).await?;
    let answer = match about.resolve(&door).await {
        Ok(named) => {
            if let (Some((name, id)), Some(event)) = (named, event.as_object_mut()) {
                event.insert(name.to_owned(), json!(id));
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
        let notes = answer.get("notes").and_then(Value::as_array);
        let notes: Vec<String> = notes.into_iter().flatten().filter_map(Value::as_str).map(printable).collect();
        print(&format!("{}\n", notes.join("\n")));
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
                1 => "used once".to_owned(),
                uses => format!("used {uses} times"),
            };
            let sev1 = if silence.sev1 { ", SEV1 too" } else { "" };
            let recurs = silence.every.as_ref().map_or(String::new(), |weekly| {
                let now = if silence.in_force_until(now).is_some() { "in force now" } else { "not in force now" };
                format!("\n  {}, {now}", printable(&weekly.to_string()))
            });
            let _ = writeln!(
                text,
                "{}  {state}, {used}{sev1}\n  {}{}\n  by {}: {}",
                silence.id,
                subject(silence),
                recurs,
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
