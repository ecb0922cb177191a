//! `monitorctl local`: the handlers of the functions in one process, over an embedded `DynamoDB`.

pub mod data;
pub mod engine;
mod interactions;
pub mod laptop;
pub mod recorder;
pub mod replay;
pub mod simulate;
mod statistic;
pub mod story;
pub mod suite;
mod summary;
pub mod targets;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use monitoring_aws::collect::Aws;
use monitoring_aws::http::{Http, Timeouts, sdk_config_for};
use monitoring_aws::secrets::Settings;
use monitoring_aws::store::Store;
use monitoring_core::catalogue::Catalogue;
use monitoring_core::decide::unrecorded_prefix;
use serde_json::Value;

use crate::catalogue;
use crate::command::{Exit, INTERRUPTED, OK, environment, print};
use data::{Data, Origin, Position};
use engine::Engine;
use interactions::Listener;
use laptop::Telemetry;
use replay::Replay;
use simulate::Simulation;
use story::{Form, Story};
use suite::{Notify, Parts, Suite};
use targets::Targets;

/// The Monday on which every simulation begins, so that the same run gives the same result.
const SIMULATION_START: &str = "2024-10-14T00:00:00Z";
const SIMULATION_DAYS: i64 = 3;
const SIMULATION_SEED: u64 = 1;

/// Two samples further apart than this have a gap between them that a replay jumps over.
const REPLAY_GAP: SignedDuration = SignedDuration::from_hours(6);

/// How many steps may pass between two saves of the position.
const SAVE_EVERY: u32 = 200;

/// Run the suite on this machine: no AWS account, no deployment.
#[derive(Debug, Args)]
#[command(after_help = "\
Where messages go: to Slack when SLACK_WEBHOOK_URL (or SLACK_BOT_TOKEN) is set, to PagerDuty when PAGERDUTY_INTEGRATION_KEY
is set, else to the terminal. SLACK_API_URL and PAGERDUTY_EVENTS_URL point elsewhere. --terminal keeps everything here.

What comes back: --interactions serves /slack and /pagerduty, signed with SLACK_SIGNING_SECRET and PAGERDUTY_WEBHOOK_SECRET, for
a tunnel to lead to. Set INTERACTIONS_URL to the tunnel's address, and Slack's messages have buttons.

What is done by itself changes nothing but the file aws.json in the --data folder, which stands in for an AWS account: the calls are
the real ones, to a server on loopback. `monitorctl actions list` shows them.

Everything is kept in the --data folder. A run that was interrupted goes on where it was; one that came to its end starts over.")]
pub struct LocalArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// How many times faster than real time, or `max`
    #[arg(long, value_name = "N|max")]
    speed: Option<Speed>,
    /// The catalogue, as YAML; without it the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Folder of the tables; it survives a restart
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    data: PathBuf,
    /// Forget what the folder holds and start over
    #[arg(long)]
    fresh: bool,
    /// Send no message anywhere but to the terminal
    #[arg(long)]
    terminal: bool,
    /// Serve Slack's buttons and `PagerDuty`'s webhooks on this port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT")]
    interactions: Option<u16>,
    /// Suffix of the tables, and what messages call the environment
    #[arg(long, env = "ENVIRONMENT", default_value = DEFAULT_ENVIRONMENT, value_parser = environment)]
    environment: String,
}

/// Where the tables are when nothing else is said.
pub const DEFAULT_DATA: &str = ".monitorctl";
/// What a laptop is called.
pub const DEFAULT_ENVIRONMENT: &str = "local";

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SourceArgs {
    /// Play AI Nutritionist for three days, with four incidents
    #[arg(long)]
    simulate: bool,
    /// Replay series: CSV `timestamp,value`, or the JSON that `aws cloudwatch get-metric-data` prints
    #[arg(long, value_name = "DIR|FILE")]
    replay: Option<PathBuf>,
    /// Read real `CloudWatch` with this profile, in dry-run: messages go to the terminal only
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
}

/// How fast time runs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err("a number above 0, such as 60, or max".to_owned()),
        }
    }
}

/// The time that a run goes through.
struct Course {
    origin: Origin,
    /// In order, with gaps between them.
    spans: Vec<(Timestamp, Timestamp)>,
    speed: Speed,
}

/// Runs the suite.
pub async fn run(mut args: LocalArgs, json: bool) -> Result<u8, Exit> {
    if args.environment.is_empty() {
        DEFAULT_ENVIRONMENT.clone_into(&mut args.environment);
    }
    let colour = std::io::stdout().is_terminal();
    let story = Story::new(if json { Form::Json } else { Form::People { colour } });
    let mut catalogue = catalogue_of(&args)?;
    let mut listener = match args.interactions {
        Some(port) => {
            let prefix = unrecorded_prefix(&catalogue, &args.environment);
            Some(Listener::open(port, Settings::from_env(), prefix).await?)
        }
        None => None,
    };
    let data = Data::open(&args.data)?;
    let prepared = prepare(&args, &mut catalogue, &data, &story).await?;
    let Prepared { course, start, engine, telemetry, notify } = prepared;
    data.set_endpoint(Some(&engine.endpoint()))?;
    if let Some(listener) = &listener {
        story.set_now(start);
        listener.announce(&story);
    }
    let dynamodb = Engine::client(&engine.endpoint(), &Http::new(Timeouts::default()));
    let targets = stand_in(&data.targets()).await?;
    if args.source.aws_profile.is_some() {
        // Real series say nothing about the stand-in.
        catalogue.actions.dry_run = true;
    }
    let parts = Parts {
        catalogue,
        environment: args.environment.clone(),
        dynamodb,
        telemetry,
        targets,
        notify,
        story: story.clone(),
    };
    let mut suite = Suite::new(parts).await?;
    let ended = drive(&mut suite, &course, start, &data, &story, listener.as_mut()).await;
    story.set_progress(None);
    let told = match &ended {
        Ok(_) => summary::text(&suite.store, &story, json).await,
        Err(_) => Ok(String::new()),
    };
    drop(suite);
    data.set_endpoint(None)?;
    engine.stop().await?;
    let ended = ended?;
    print(&told?);
    if ended == Ended::Interrupted {
        if !json {
            print(&format!("Saved in {}. The same command goes on from here.\n", args.data.display()));
        }
        return Ok(INTERRUPTED);
    }
    Ok(OK)
}

struct Prepared {
    course: Course,
    start: Timestamp,
    engine: Engine,
    telemetry: Telemetry,
    notify: Notify,
}

async fn prepare(args: &LocalArgs, catalogue: &mut Catalogue, data: &Data, story: &Story) -> Result<Prepared, Exit> {
    let mut notify = if args.terminal { Notify::Terminal } else { Notify::Configured };
    let (course, telemetry) = if let Some(path) = &args.source.replay {
        let replay = Replay::load(path, catalogue).map_err(Exit::usage)?;
        let found = replay.summary();
        for skipped in &found.skipped {
            story.note(&format!("{}: {}", skipped.file.display(), skipped.reason));
        }
        for fault in &found.faults {
            story.note(&format!(
                "{}: {} datapoints cannot be read; {}",
                fault.file.display(),
                fault.count,
                fault.first
            ));
        }
        // A period is evaluated some time after its end.
        let settle = SignedDuration::from_mins(30);
        let spans = replay.spans(REPLAY_GAP).into_iter().map(|(from, to)| (from, to + settle)).collect();
        let origin = Origin::Replay { path: absolute(path), digest: replay.digest() };
        let speed = args.speed.unwrap_or(Speed::Max);
        (Course { origin, spans, speed }, Some(Telemetry::Replay(replay)))
    } else if args.source.simulate {
        let (start, end) = simulation_span()?;
        let speed = args.speed.unwrap_or(Speed::Max);
        (
            Course { origin: Origin::Simulation, spans: vec![(start, end)], speed },
            Some(Telemetry::Simulation(simulation()?)),
        )
    } else {
        notify = Notify::Terminal;
        if args.speed.is_some_and(|speed| speed != Speed::Times(1.0)) {
            return Err(Exit::usage(anyhow!("real CloudWatch runs at real speed; leave --speed out")));
        }
        let now = Timestamp::now();
        (Course { origin: Origin::CloudWatch, spans: vec![(now, Timestamp::MAX)], speed: Speed::Times(1.0) }, None)
    };
    let first = course
        .spans
        .first()
        .map(|(start, _)| *start)
        .ok_or_else(|| Exit::usage(anyhow!("there is nothing to replay")))?;
    let start = resume(args, &course, data, story)?.unwrap_or(first);
    let engine = Engine::start(Some(&data.tables()), &catalogue.service, &args.environment).await?;
    let telemetry = match telemetry {
        Some(telemetry) => telemetry,
        None => cloudwatch(args, catalogue, &engine).await,
    };
    Ok(Prepared { course, start, engine, telemetry, notify })
}

/// Where an interrupted run goes on; `None` for one that starts over.
fn resume(args: &LocalArgs, course: &Course, data: &Data, story: &Story) -> Result<Option<Timestamp>, Exit> {
    let Some(known) = data.position()?.filter(|_| !args.fresh) else {
        data.clear()?;
        return Ok(None);
    };
    if known.origin != course.origin {
        return Err(Exit::usage(anyhow!(
            "{} holds another run; name another folder with --data, or start over with --fresh",
            args.data.display()
        )));
    }
    if course.origin == Origin::CloudWatch {
        return Ok(None);
    }
    if known.complete {
        data.clear()?;
        return Ok(None);
    }
    story.set_now(known.at);
    story.note("goes on where it was interrupted");
    Ok(Some(known.at))
}

/// The catalogue that is named, or the one that is shipped for the kind of series.
fn catalogue_of(args: &LocalArgs) -> Result<Catalogue, Exit> {
    match &args.catalogue {
        Some(path) => Ok(catalogue::load(path).map_err(Exit::usage)?.0),
        None if args.source.replay.is_some() => Ok(catalogue::shipped_aws().context("the shipped catalogue")?),
        None => Ok(catalogue::shipped().context("the shipped catalogue")?),
    }
}

/// The simulated application.
pub fn simulation() -> anyhow::Result<Simulation> {
    Ok(Simulation::new(simulation_span()?.0, SIMULATION_SEED))
}

/// What stands in for AWS in a folder, with the API as the simulated application deploys it.
pub(crate) async fn stand_in(file: &Path) -> anyhow::Result<Targets> {
    let targets = Targets::start(Some(file)).await?;
    targets.deploy("ai-nutritionist-api", simulation()?.versions())?;
    Ok(targets)
}

/// The time that is simulated.
pub(crate) fn simulation_span() -> anyhow::Result<(Timestamp, Timestamp)> {
    let start: Timestamp = SIMULATION_START.parse().context("the simulation's start")?;
    Ok((start, start + SignedDuration::from_hours(24 * SIMULATION_DAYS)))
}

/// Real telemetry, with the laptop's tables for what is cached.
async fn cloudwatch(args: &LocalArgs, catalogue: &Catalogue, engine: &Engine) -> Telemetry {
    let http = Http::new(Timeouts::default());
    let config = sdk_config_for(&http, args.source.aws_profile.as_deref(), None).await;
    let store = Store::new(Engine::client(&engine.endpoint(), &http), &catalogue.service, &args.environment);
    // Nothing is published to AWS from a laptop, so no topic's ARN is needed.
    Telemetry::CloudWatch(Box::new(Aws::new(config, store, &catalogue.service, &args.environment, "")))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Complete,
    Interrupted,
}

/// Goes through the time of the course: a cycle at each multiple of its length, a tick when one would find something.
async fn drive(
    suite: &mut Suite,
    course: &Course,
    start: Timestamp,
    data: &Data,
    story: &Story,
    mut listener: Option<&mut Listener>,
) -> anyhow::Result<Ended> {
    let interrupt = tokio::signal::ctrl_c();
    tokio::pin!(interrupt);
    let mut pace = Pace { speed: course.speed, began: tokio::time::Instant::now(), from: start };
    let bar = progress(course, start);
    story.set_progress(bar.clone());
    let cycle = suite.cycle_length().as_secs().max(60);
    let mut position = Position { origin: course.origin.clone(), at: start, complete: false };
    // From the start, so that a run which dies is not taken for one that never was, and cleared.
    data.set_position(&position)?;
    let (mut steps, mut waited) = (0_u32, false);
    for &(from, to) in course.spans.iter().filter(|(_, to)| *to >= start) {
        let mut now = ceiling(from.max(start), 60);
        pace.jump_to(now);
        while now <= to {
            loop {
                tokio::select! {
                    biased;
                    _ = &mut interrupt => {
                        data.set_position(&position)?;
                        return Ok(Ended::Interrupted);
                    }
                    Some(command) = next(&mut listener) => carry_out(suite, &command, pace.now(position.at, now), story).await,
                    () = pace.wait_until(now) => break,
                }
            }
            if now.as_second().rem_euclid(cycle) == 0 {
                suite.cycle(now).await?;
            }
            suite.tick(now).await?;
            suite.remind_daily(now).await;
            position.at = now + SignedDuration::from_secs(1);
            steps += 1;
            // While an incident is open, so that what a person says of it meanwhile, or a run that goes on after it was
            // killed, is not earlier than what has happened.
            let waits = suite.next_tick().is_some();
            if course.speed != Speed::Max || waits || waited || steps.is_multiple_of(SAVE_EVERY) {
                data.set_position(&position)?;
            }
            waited = waits;
            if let Some(bar) = &bar {
                bar.set_position(minutes_within(course, now));
            }
            let next_cycle = ceiling(now + SignedDuration::from_secs(1), cycle);
            now = suite
                .next_tick()
                .map_or(next_cycle, |tick| ceiling(tick, 60).max(now + SignedDuration::from_mins(1)).min(next_cycle));
        }
    }
    position.complete = true;
    data.set_position(&position)?;
    Ok(Ended::Complete)
}

/// The next command of a person; never, where nobody listens.
async fn next(listener: &mut Option<&mut Listener>) -> Option<Value> {
    match listener {
        Some(listener) => listener.next().await,
        None => std::future::pending().await,
    }
}

/// A command that cannot be carried out is told, and the run goes on.
async fn carry_out(suite: &mut Suite, command: &Value, now: Timestamp, story: &Story) {
    if let Err(error) = suite.respond(command, now).await {
        story.note(&format!("a command was not carried out: {error:#}"));
    }
}

/// Real time against the run's time.
struct Pace {
    speed: Speed,
    began: tokio::time::Instant,
    from: Timestamp,
}

impl Pace {
    /// Time that is jumped over takes no time.
    fn jump_to(&mut self, now: Timestamp) {
        (self.began, self.from) = (tokio::time::Instant::now(), now);
    }

    /// The run's time, between its last step and its next.
    fn now(&self, last: Timestamp, next: Timestamp) -> Timestamp {
        let Speed::Times(times) = self.speed else { return last };
        let passed = self.began.elapsed().as_secs_f64() * times;
        let now = SignedDuration::try_from_secs_f64(passed).ok().and_then(|passed| self.from.checked_add(passed).ok());
        now.unwrap_or(next).max(last).min(next)
    }

    async fn wait_until(&self, now: Timestamp) {
        match self.speed {
            Speed::Max => {}
            Speed::Times(times) => {
                let ahead = now.duration_since(self.from).as_secs_f64().max(0.0) / times;
                tokio::time::sleep_until(self.began + Duration::from_secs_f64(ahead)).await;
            }
        }
    }
}

/// A bar on standard error, for a long run as fast as possible, where somebody looks.
fn progress(course: &Course, start: Timestamp) -> Option<ProgressBar> {
    if course.speed != Speed::Max || !std::io::stderr().is_terminal() {
        return None;
    }
    let total = minutes_within(course, Timestamp::MAX);
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} of about {duration}") {
        bar.set_style(style);
    }
    bar.set_position(minutes_within(course, start));
    Some(bar)
}

fn minutes_within(course: &Course, now: Timestamp) -> u64 {
    let seconds: i64 = course.spans.iter().map(|(from, to)| now.min(*to).duration_since(*from).as_secs().max(0)).sum();
    u64::try_from(seconds / 60).unwrap_or(0)
}

/// The next multiple of a number of seconds, or the time itself when it is one.
fn ceiling(at: Timestamp, seconds: i64) -> Timestamp {
    let up = at.subsec_nanosecond() > 0;
    let second = at.as_second() + i64::from(up);
    Timestamp::from_second(second + (-second).rem_euclid(seconds)).unwrap_or(Timestamp::MAX)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
