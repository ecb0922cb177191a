//! `monitorctl oncall`: who is on call, and when that changes.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::catalogue::people::{Schedule, User};
use monitoring_core::catalogue::{Catalogue, Team};
use monitoring_core::escalation::schedule::{Stretch, Why, stretch, stretches};
use serde_json::{Value, json};

use crate::catalogue::{LoadError, load, moment, nearest, shipped};
use crate::command::{Exit, OK, REFUSED, pretty, print};

/// See who is on call.
#[derive(Debug, Args)]
pub struct OncallArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say who of each team is on call, until when, and who is next
    Who {
        /// Only this team
        #[arg(long)]
        team: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// List the coming hand-offs of a schedule
    Schedule {
        /// Its name in the catalogue
        name: String,
        /// How many days to list
        #[arg(long, value_name = "N", default_value_t = 28, value_parser = clap::value_parser!(u16).range(1..=366))]
        days: u16,
        #[command(flatten)]
        when: When,
    },
}

#[derive(Debug, Args)]
struct When {
    /// Instead of now: `2026-12-24T18:00:00Z`, or `2026-12-24 18:00` in the schedule's time zone
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// The catalogue; without it `monitoring.yaml` in this folder, or else the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
}

impl When {
    fn at(&self, zone: &TimeZone) -> Result<Timestamp, Exit> {
        let Some(text) = &self.at else { return Ok(Timestamp::now()) };
        moment(text, zone).ok_or_else(|| {
            Exit::usage(anyhow::anyhow!(
                "{text} is no time; write 2026-12-24T18:00:00Z, or '2026-12-24 18:00' in the schedule's time zone"
            ))
        })
    }
}

/// Runs the command.
pub fn run(args: &OncallArgs, json: bool) -> Result<u8, Exit> {
    let (Command::Who { when, .. } | Command::Schedule { when, .. }) = &args.command;
    let here = Some(PathBuf::from("monitoring.yaml")).filter(|path| path.is_file());
    let catalogue = match when.catalogue.clone().or(here).map(|path| load(&path)) {
        None => shipped().context("the shipped catalogue")?,
        Some(Ok((catalogue, _))) => catalogue,
        Some(Err(error @ LoadError::Mistakes(_))) => return Err(Exit { code: REFUSED, error: error.into() }),
        Some(Err(error @ LoadError::Read { .. })) => return Err(Exit::usage(error)),
    };
    match &args.command {
        Command::Who { team, when } => who(&catalogue, team.as_deref(), when, json),
        Command::Schedule { name, days, when } => schedule(&catalogue, name, *days, when, json),
    }
}

fn who(catalogue: &Catalogue, team: Option<&str>, when: &When, json: bool) -> Result<u8, Exit> {
    // Whatever the teams have, a time that is none is told.
    when.at(&TimeZone::UTC)?;
    if let Some(team) = team.filter(|team| !catalogue.teams.contains_key(*team)) {
        return Err(unknown("team", team, catalogue.teams.keys()));
    }
    let teams = catalogue.teams.values().filter(|one| team.is_none_or(|team| team == one.name));
    let duties = teams.map(|team| Duty::of(catalogue, team, when)).collect::<Result<Vec<_>, _>>()?;
    if json {
        print(&pretty(&duties.iter().map(Duty::json).collect::<Vec<_>>())?);
    } else {
        print(&duties.iter().map(Duty::text).collect::<String>());
    }
    Ok(OK)
}

/// A team, and who of it is on call.
struct Duty<'a> {
    team: &'a Team,
    rota: Option<Rota<'a>>,
}

/// A team's schedule at a time.
struct Rota<'a> {
    catalogue: &'a Catalogue,
    schedule: &'a Schedule,
    zone: TimeZone,
    now: Stretch<'a>,
    /// What follows, where anything does.
    next: Option<Stretch<'a>>,
}

impl<'a> Duty<'a> {
    fn of(catalogue: &'a Catalogue, team: &'a Team, when: &When) -> Result<Self, Exit> {
        let schedule = team.on_call.as_ref().and_then(|name| catalogue.schedules.get(name));
        let Some(schedule) = schedule else { return Ok(Self { team, rota: None }) };
        let zone = zone_of(schedule);
        let now = stretch(schedule, when.at(&zone)?);
        let next = now.until.map(|until| stretch(schedule, until));
        Ok(Self { team, rota: Some(Rota { catalogue, schedule, zone, now, next }) })
    }

    fn text(&self) -> String {
        let Team { name, contact, .. } = self.team;
        let Some(rota) = &self.rota else { return format!("{name}: the whole team, {contact} (it has no schedule)\n") };
        let time = |at| local(at, &rota.zone);
        let mut text = match &rota.now.on_call {
            Some((user, _)) => match rota.catalogue.users.get(*user) {
                Some(user) => format!("{name}: {} ({})\n", user.title, user.contact),
                None => format!("{name}: {user}\n"),
            },
            None => format!("{name}: nobody is on call; the team is {contact}\n"),
        };
        let since = rota.now.since.map_or("always".to_owned(), |since| format!("since {}", time(since)));
        let until = rota.now.until.map_or("for good".to_owned(), |until| format!("until {}", time(until)));
        let why = rota.now.on_call.map(|(_, why)| format!(", {}", why_in_words(why))).unwrap_or_default();
        let _ = writeln!(text, "  {since}, {until}{why}, in schedule {} ({})", rota.schedule.name, rota.zone_name());
        text.extend(rota.theirs());
        if let Some(next) = &rota.next {
            let _ = writeln!(text, "  next: {}", title(rota.catalogue, next));
        }
        text
    }

    fn json(&self) -> Value {
        let Team { name, title, contact, members, .. } = self.team;
        let mut value = json!({ "team": name, "title": title, "contact": contact, "members": members });
        if let (Some(rota), Some(value)) = (&self.rota, value.as_object_mut()) {
            value.insert("schedule".to_owned(), json!(rota.schedule.name));
            value.insert("time_zone".to_owned(), json!(rota.schedule.time_zone));
            value.insert("now".to_owned(), stretch_json(rota.catalogue, &rota.now));
            let next = rota.next.as_ref().map(|next| stretch_json(rota.catalogue, next));
            value.insert("next".to_owned(), json!(next));
        }
        value
    }
}

impl Rota<'_> {
    /// The end of the shift where the person lives, if that is in another zone.
    fn theirs(&self) -> Option<String> {
        let user = self.catalogue.users.get(self.now.on_call?.0)?;
        let name = user.time_zone.as_ref().filter(|name| *name != self.zone_name())?;
        let until = local(self.now.until?, &TimeZone::get(name).ok()?);
        Some(format!("  for {} until {until} ({name})\n", user.title))
    }

    fn zone_name(&self) -> &str {
        &self.schedule.time_zone
    }
}

fn schedule(catalogue: &Catalogue, name: &str, days: u16, when: &When, json: bool) -> Result<u8, Exit> {
    let Some(schedule) = catalogue.schedules.get(name) else {
        return Err(unknown("schedule", name, catalogue.schedules.keys()));
    };
    let zone = zone_of(schedule);
    let from = when.at(&zone)?;
    let to = from.saturating_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
    let stretches = stretches(schedule, from, to);
    if json {
        print(&pretty(&stretches.iter().map(|stretch| stretch_json(catalogue, stretch)).collect::<Vec<_>>())?);
        return Ok(OK);
    }
    let width = stretches.iter().map(|stretch| title(catalogue, stretch).chars().count()).max().unwrap_or(0);
    let mut text = format!("{name}, times of {}\n", schedule.time_zone);
    for stretch in &stretches {
        let since = stretch.since.map_or("always".to_owned(), |since| local(since, &zone));
        let why = stretch.on_call.map(|(_, why)| why_in_words(why)).unwrap_or_default();
        let line = format!("{since:<27} {:<width$} {why}", title(catalogue, stretch));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if let Some(until) = stretches.last().and_then(|stretch| stretch.until) {
        let _ = writeln!(text, "The last of them until {}.", local(until, &zone));
    }
    print(&text);
    Ok(OK)
}

fn unknown<'a>(noun: &str, name: &str, known: impl Iterator<Item = &'a String>) -> Exit {
    let known: Vec<&str> = known.map(String::as_str).collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "it has none".to_owned(),
        None => format!("it has {}", known.join(", ")),
    };
    Exit::refused(format!("the catalogue has no {noun} {name}; {help}"))
}

/// The check has refused a zone that is not known.
fn zone_of(schedule: &Schedule) -> TimeZone {
    TimeZone::get(&schedule.time_zone).unwrap_or(TimeZone::UTC)
}

/// `Mon 2026-11-23 09:00 -05:00`: where clocks go back, only the offset tells one 01:30 from the other.
fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

fn title(catalogue: &Catalogue, stretch: &Stretch<'_>) -> String {
    let Some((user, _)) = stretch.on_call else { return "nobody".to_owned() };
    catalogue.users.get(user).map_or(user, |user| user.title.as_str()).to_owned()
}

fn why_in_words(why: Why) -> String {
    match why {
        Why::Rotation { layer, .. } => format!("by rotation {layer}"),
        Why::Override { number } => format!("by override {number}"),
    }
}

fn stretch_json(catalogue: &Catalogue, stretch: &Stretch<'_>) -> Value {
    let user = stretch.on_call.and_then(|(user, _)| catalogue.users.get(user));
    let field = |field: fn(&User) -> &String| user.map(field);
    json!({
        "user": stretch.on_call.map(|(user, _)| user),
        "title": field(|user| &user.title),
        "contact": field(|user| &user.contact),
        "slack_user_id": user.and_then(|user| user.slack_user_id.as_ref()),
        "since": stretch.since,
        "until": stretch.until,
        "why": stretch.on_call.map(|(_, why)| why_in_words(why)),
    })
}
