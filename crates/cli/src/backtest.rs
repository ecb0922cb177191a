//! `monitorctl backtest`: rules tried on the past.

mod chart;
mod history;
mod labels;
mod report;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow};
use clap::Args;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use monitoring_aws::collect::Aws;
use monitoring_aws::http::{Http, Timeouts, sdk_config_for};
use monitoring_aws::store::Store;
use monitoring_core::backtest::{History, Night, Played, Span, Summary, play, summary};
use monitoring_core::catalogue::{Catalogue, Rule};
use monitoring_core::cycle::with_named;
use serde_json::{Value, json};

use crate::catalogue::{self, nearest};
use crate::command::{Exit, OK, pretty, print};
use crate::local::engine::Engine;
use crate::local::replay::Replay;
use crate::local::{DEFAULT_DATA, simulation};
use report::Side;

/// When people sleep.
const NIGHT: (i8, i8) = (22, 7);

/// How many days of `CloudWatch` are read when nothing else is said: as many as it has by the minute.
const CLOUDWATCH_DAYS: u32 = 14;

/// What people need to acknowledge, in minutes, when nothing else is said.
const ACKNOWLEDGED_AFTER: &str = "5m";

/// Try rules on the past: which alerts, incidents and pages there would have been.
#[derive(Debug, Args)]
#[command(after_help = "\
The evaluator, the alerts' states, the grouping, dependencies, flap damping and the escalation are those that run in production.
Every message counts as delivered; silences made by hand and the storm cap are not played. A rule is played from the first to the
last datapoint of what it rests on.

  monitorctl backtest --from recorded/ --labels outages.csv          how well the rules told what is known
  monitorctl backtest revenue --from cloudwatch --days 90            one rule, on your own account
  monitorctl backtest --from recorded/ --catalogue new.yaml --against monitoring.yaml --svg revenue.svg
                                                                     what a change would have changed

Labels are CSV lines `from,until[,rule, metric, group or alert]`. CloudWatch has 15 days by the minute, 63 by five minutes, 455 by
the hour; what was read is kept under --data and not read again.")]
pub struct BacktestArgs {
    /// Rules of the catalogue; all, when none is named
    rules: Vec<String>,
    #[command(flatten)]
    past: PastArgs,
    /// What is known of the past, for precision and recall
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The catalogue, as YAML; without it the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Today's catalogue, to compare with
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Draw the series with the times in which alerts fired
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// How long people take to acknowledge a page, such as 5m; or `never`
    #[arg(long, value_name = "TIME", default_value = ACKNOWLEDGED_AFTER)]
    acknowledged_after: Patience,
    /// Whose night it is; without it the zone of the first schedule of the catalogue, else UTC
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

/// Where the past is read.
#[derive(Debug, Args)]
pub(crate) struct PastArgs {
    /// A file or folder as for `local --replay`, `cloudwatch`, or `simulation`
    #[arg(long, value_name = "FILE|DIR|cloudwatch|simulation")]
    pub(crate) from: From,
    /// The last so many days
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: Option<u32>,
    /// For `cloudwatch`: the profile
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
    /// For `cloudwatch`: the region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Folder in which what was read is kept
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
}

/// Where the past comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    Files(PathBuf),
    CloudWatch,
    Simulation,
}

impl FromStr for From {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "cloudwatch" => Self::CloudWatch,
            "simulation" => Self::Simulation,
            path => Self::Files(path.into()),
        })
    }
}

/// How long until somebody acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Patience(Option<SignedDuration>);

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self(None));
        }
        let duration = catalogue::Duration::try_from(text.to_owned());
        let duration = duration.map_err(|problem| format!("{problem}; write a time such as 5m, or never"))?;
        Ok(Self(Some(SignedDuration::from_secs(i64::from(duration.seconds)))))
    }
}

/// Plays the past and says what would have happened.
pub async fn run(args: BacktestArgs, json: bool) -> Result<u8, Exit> {
    let mut proposed = load(args.catalogue.as_deref(), &args.past.from)?;
    let mut today = args.against.as_deref().map(|path| load(Some(path), &args.past.from)).transpose()?;
    let labels = args.labels.as_deref().map(labels::read).transpose().map_err(Exit::usage)?;
    let night = night(args.time_zone.as_deref(), &proposed)?;
    let (past, span) = past(&args.past, &args.rules, &mut proposed, today.as_mut(), json).await?;
    let named = |catalogue: &Catalogue, strict: bool| names(catalogue, &args.rules, strict);
    let proposed_rules = named(&proposed, today.is_none())?;
    let sides = match &today {
        Some(today) => vec![("today's", today, named(today, false)?), ("proposed", &proposed, proposed_rules)],
        None => vec![("", &proposed, proposed_rules)],
    };
    if sides.iter().all(|(_, _, rules)| rules.is_empty()) {
        return Err(Exit::usage(anyhow!("neither catalogue has a rule {}", args.rules.join(", "))));
    }
    let played: Vec<(&str, &Catalogue, Played, Summary)> = sides
        .into_iter()
        .map(|(name, catalogue, rules)| {
            let rules: Vec<&Rule> = rules.iter().filter_map(|name| catalogue.rules.get(name)).collect();
            let played = play(catalogue, &rules, &past, span, args.acknowledged_after.0);
            let summary = summary(catalogue, &played, span, &night, labels.as_deref());
            (name, catalogue, played, summary)
        })
        .collect();
    if let Some(path) = &args.svg {
        let Some((_, catalogue, newest, _)) = played.last() else { return Ok(OK) };
        let rules = names(catalogue, &args.rules, false)?;
        let rules: Vec<&Rule> = rules.iter().filter_map(|name| catalogue.rules.get(name)).collect();
        let known = labels.as_deref().unwrap_or_default();
        let drawing = chart::draw(catalogue, &rules, &past, &newest.alerts, known, span);
        let written = std::fs::write(path, drawing);
        written.with_context(|| format!("cannot write {}", path.display())).map_err(Exit::usage)?;
    }
    if json {
        print(&pretty(&as_json(&played, span))?);
        return Ok(OK);
    }
    let sides: Vec<Side<'_>> = played.iter().map(|(name, _, played, summary)| Side { name, played, summary }).collect();
    print(&report::text(&sides, span));
    Ok(OK)
}

/// The catalogue that is named, or the one that is shipped for where the past comes from, as `local` does.
pub(crate) fn load(path: Option<&Path>, from: &From) -> Result<Catalogue, Exit> {
    match (path, from) {
        (Some(path), _) => Ok(catalogue::load(path).map_err(Exit::usage)?.0),
        (None, From::Files(_)) => Ok(catalogue::shipped_aws().context("the shipped catalogue")?),
        (None, From::CloudWatch | From::Simulation) => Ok(catalogue::shipped().context("the shipped catalogue")?),
    }
}

/// The rules that are named, or all. A strict one refuses a name that the catalogue does not have.
fn names(catalogue: &Catalogue, named: &[String], strict: bool) -> Result<Vec<String>, Exit> {
    if named.is_empty() {
        return Ok(catalogue.rules.keys().cloned().collect());
    }
    let unknown = named.iter().find(|name| !catalogue.rules.contains_key(*name));
    if let Some(unknown) = unknown.filter(|_| strict) {
        let near = nearest(unknown, catalogue.rules.keys().map(String::as_str));
        let help = near.map_or_else(|| "see its `rules:`".to_owned(), |near| format!("did you mean \"{near}\"?"));
        return Err(Exit::usage(anyhow!("the catalogue has no rule \"{unknown}\"; {help}")));
    }
    Ok(named.iter().filter(|name| catalogue.rules.contains_key(*name)).cloned().collect())
}

fn night(zone: Option<&str>, catalogue: &Catalogue) -> Result<Night, Exit> {
    let of_people = || catalogue.schedules.values().next().map(|schedule| schedule.time_zone.as_str());
    let name = zone.or_else(of_people).unwrap_or("UTC");
    let time_zone = TimeZone::get(name).map_err(|_| {
        Exit::usage(anyhow!("unknown time zone \"{name}\"; write an IANA name such as America/New_York"))
    })?;
    Ok(Night { from_hour: NIGHT.0, to_hour: NIGHT.1, time_zone })
}

/// What was recorded, and the time that is played.
pub(crate) async fn past(
    args: &PastArgs,
    rules: &[String],
    proposed: &mut Catalogue,
    mut today: Option<&mut Catalogue>,
    json: bool,
) -> Result<(History, Span), Exit> {
    let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
    match &args.from {
        From::Files(path) => {
            let replay = Replay::load(path, proposed).map_err(Exit::usage)?;
            let mut history = replay.history(proposed);
            if let Some(today) = today.as_deref_mut() {
                // A metric that only today's catalogue has is read for it alone.
                let replay = Replay::load(path, today).map_err(Exit::usage)?;
                history.add_missing(replay.history(today));
            }
            tell(json, replay.summary().skipped.iter().map(|left| format!("{}: {}", left.file.display(), left.reason)));
            let known = history.span().ok_or_else(|| {
                Exit::usage(anyhow!(
                    "no file in {} carries a metric of the catalogue; see docs/catalogue.md, `files`",
                    path.display()
                ))
            })?;
            let from = args.days.map_or(known.from, |count| (known.to - days(count)).max(known.from));
            Ok((history, Span { from, to: known.to }))
        }
        From::Simulation => {
            let simulation = simulation()?;
            let (from, to) = crate::local::simulation_span()?;
            let from = args.days.map_or(from, |count| to - days(count));
            let span = Span { from, to };
            let mut history = history::simulated(proposed, simulation, &all_rules(proposed), span);
            if let Some(today) = today {
                history.add_missing(history::simulated(today, simulation, &all_rules(today), span));
            }
            Ok((history, span))
        }
        From::CloudWatch => {
            let to = Timestamp::now();
            let span = Span { from: to - days(args.days.unwrap_or(CLOUDWATCH_DAYS)), to };
            let mut history = from_cloudwatch(args, rules, proposed, span, json).await?;
            if let Some(today) = today {
                history.add_missing(from_cloudwatch(args, rules, today, span, json).await?);
            }
            Ok((history, span))
        }
    }
}

async fn from_cloudwatch(
    args: &PastArgs,
    rules: &[String],
    catalogue: &Catalogue,
    span: Span,
    json: bool,
) -> Result<History, Exit> {
    let rules = names(catalogue, rules, false)?;
    let rules: Vec<&Rule> = rules.iter().filter_map(|name| catalogue.rules.get(name)).collect();
    let rules = with_named(catalogue, &rules);
    let account = format!("{}/{}", args.aws_profile.as_deref().unwrap_or("-"), args.region.as_deref().unwrap_or("-"));
    let plan = history::Plan::new(catalogue, &rules, span, &args.data.join("history"), &account);
    let (metrics, dollars) = plan.billed();
    let about =
        format!("asks GetMetricData for {metrics} metrics, about ${dollars:.4}; what was read before is not asked for");
    tell(json, std::iter::once(about));
    if !plan.shortened.is_empty() {
        tell(json, std::iter::once(format!("CloudWatch has less of {}", plan.shortened.join(", "))));
    }
    let http = Http::new(Timeouts::default());
    let config = sdk_config_for(&http, args.aws_profile.as_deref(), args.region.as_deref()).await;
    // Costs are cached in a table; here one in memory that ends with the command, as what is kept is kept in files.
    let engine = Engine::start(None, &catalogue.service, "local").await?;
    let store = Store::new(Engine::client(&engine.endpoint(), &http), &catalogue.service, "local");
    let aws = Aws::new(config, store, &catalogue.service, "local", "");
    let (history, failures) = plan.read(aws, span.to).await?;
    engine.stop().await?;
    if history.is_empty() {
        let why = failures.first().map_or("CloudWatch has no datapoint of it", String::as_str);
        return Err(Exit::from(anyhow!("nothing was read: {why}")));
    }
    tell(json, failures.into_iter());
    Ok(history)
}

fn all_rules(catalogue: &Catalogue) -> Vec<&Rule> {
    catalogue.rules.values().collect()
}

/// Tells people beside the answer; a program that reads JSON is told nothing that it did not ask for.
#[expect(clippy::print_stderr, reason = "notes are not part of the answer")]
fn tell(json: bool, notes: impl Iterator<Item = String>) {
    if !json {
        notes.for_each(|note| eprintln!("{note}"));
    }
}

fn as_json(played: &[(&str, &Catalogue, Played, Summary)], span: Span) -> Value {
    let side = |played: &Played, summary: &Summary| {
        let incidents: Vec<Value> = played
            .incidents
            .iter()
            .map(|incident| {
                json!({
                    "id": incident.id, "group": incident.group, "severity": incident.severity, "title": incident.title,
                    "opened_at": incident.opened_at, "resolved_at": incident.resolution.as_ref().map(|end| end.at),
                })
            })
            .collect();
        json!({ "summary": summary, "alerts": played.alerts, "incidents": incidents, "pages": played.pages })
    };
    let mut answer = json!({ "from": span.from, "to": span.to });
    for (name, _, played, summary) in played {
        let name = match *name {
            "today's" => "today",
            "proposed" => "proposed",
            _ => "played",
        };
        if let Some(answer) = answer.as_object_mut() {
            answer.insert(name.to_owned(), side(played, summary));
        }
    }
    answer
}
