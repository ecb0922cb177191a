//! The command line: what it takes, how it ends.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;

use crate::action_items::ActionItemsArgs;
use crate::actions::ActionsArgs;
use crate::backtest::BacktestArgs;
use crate::benchmark::BenchmarkArgs;
use crate::catalogue::command::CatalogueArgs;
use crate::cost::CostArgs;
use crate::dashboards::DashboardsArgs;
use crate::dlq::DlqArgs;
use crate::explain::ExplainArgs;
use crate::incidents::IncidentsArgs;
use crate::invoke::InvokeArgs;
use crate::local::LocalArgs;
use crate::oncall::OncallArgs;
use crate::post_mortems::PostMortemsArgs;
use crate::rule_test::TestArgs;
use crate::silences::SilencesArgs;
use crate::slo::SloArgs;

/// Done.
pub const OK: u8 = 0;
/// What was asked for was looked at and is not so: mistakes in a catalogue, an incident or a team that does not exist.
pub const REFUSED: u8 = 1;
/// The command line or a file cannot be understood.
pub const USAGE: u8 = 2;
/// The store, AWS or the network failed.
pub const FAILED: u8 = 3;
/// Ended by Ctrl-C, with everything saved.
pub const INTERRUPTED: u8 = 130;

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    refused: the catalogue has mistakes, a rule's test failed, or there is no such incident, team or schedule, or its state does not allow it
  2    the command line or a file cannot be understood
  3    the store, AWS or the network failed
  130  ended by Ctrl-C; everything is saved

Try it:
  monitorctl local --simulate                      three days of AI Nutritionist, four incidents, in under a minute
  monitorctl local --replay DIR --speed max        your own series, as CSV or as `aws cloudwatch get-metric-data` prints them
  monitorctl incidents list                        what came of it";

/// Monitoring, alerting and incident response, on one machine or deployed.
#[derive(Debug, Parser)]
#[command(name = "monitorctl", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Cli {
    /// Print only JSON on standard output
    #[arg(long, global = true)]
    json: bool,
    /// What the log shows, on standard error
    #[arg(long, global = true, value_name = "LEVEL", env = "LOG_LEVEL", default_value = "error")]
    log_level: LevelFilter,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the suite on this machine
    Local(LocalArgs),
    /// Invoke a function with an event, as `aws lambda invoke` does
    Invoke(InvokeArgs),
    /// Look at incidents and act on them
    Incidents(IncidentsArgs),
    /// Automated actions: plan, list, agree, undo, stop
    Actions(ActionsArgs),
    /// Read post-mortems, write in them, approve them
    PostMortems(PostMortemsArgs),
    /// Look at what post-mortems ask for, and say what becomes of it
    ActionItems(ActionItemsArgs),
    /// Tell why somebody was paged, or why not
    Explain(ExplainArgs),
    /// Look at the messages that could not be handled, and have them tried again
    Dlq(DlqArgs),
    /// Look at silences, make one, end one
    Silences(SilencesArgs),
    /// See who is on call
    Oncall(OncallArgs),
    /// Check the catalogue, describe it to an editor, or resolve it
    Catalogue(CatalogueArgs),
    /// Look at dashboards without AWS
    Dashboards(DashboardsArgs),
    /// Say what the suite costs a month, line by line, and each rule on either engine
    Cost(CostArgs),
    /// Test rules on series that a file describes, as `promtool test rules` does
    Test(TestArgs),
    /// Try rules on the past: which alerts, incidents and pages there would have been
    Backtest(BacktestArgs),
    /// Say how much is left of the error budgets of the catalogue's objectives
    Slo(SloArgs),
    /// Run the production code over a public data set and write what its scorer reads
    Benchmark(BenchmarkArgs),
}

/// An error with the exit code that it ends with.
#[derive(Debug)]
pub struct Exit {
    /// [`REFUSED`], [`USAGE`] or [`FAILED`].
    pub code: u8,
    /// What to say.
    pub error: anyhow::Error,
}

impl Exit {
    /// What was asked for is not so.
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: REFUSED, error: anyhow::Error::msg(message.into()) }
    }

    /// It cannot be understood.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { code: USAGE, error: error.into() }
    }
}

/// What has no code of its own is a failure of the store, AWS or the network.
impl From<anyhow::Error> for Exit {
    fn from(error: anyhow::Error) -> Self {
        Self { code: FAILED, error }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // The log is for the person at the terminal; what the command answers goes to standard output.
    let logs = tracing_subscriber::fmt().with_max_level(cli.log_level).with_writer(std::io::stderr).with_target(false);
    let _ = logs.try_init();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")
        .map_err(Exit::from)
        .and_then(|runtime| runtime.block_on(run(cli)));
    match outcome {
        Ok(OK) if UNWRITTEN.load(Ordering::Relaxed) => ExitCode::from(FAILED),
        Ok(code) => ExitCode::from(code),
        Err(Exit { code, error }) => {
            let mut stderr = std::io::stderr().lock();
            // The chain once; nobody is left to tell when standard error is closed.
            let _ = writeln!(stderr, "monitorctl: {}", visible(&format!("{error:#}")));
            ExitCode::from(code)
        }
    }
}

/// The text without what could move a terminal's cursor: an error quotes what it was given.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

async fn run(cli: Cli) -> Result<u8, Exit> {
    match cli.command {
        Command::Local(args) => Box::pin(crate::local::run(args, cli.json)).await,
        Command::Invoke(args) => Box::pin(crate::invoke::run(args, cli.json)).await,
        Command::ActionItems(args) => Box::pin(crate::action_items::run(args, cli.json)).await,
        Command::Actions(args) => Box::pin(crate::actions::run(args, cli.json)).await,
        Command::Explain(args) => Box::pin(crate::explain::run(args, cli.json)).await,
        Command::Dlq(args) => Box::pin(crate::dlq::run(args, cli.json)).await,
        Command::Silences(args) => Box::pin(crate::silences::run(args, cli.json)).await,
        Command::PostMortems(args) => Box::pin(crate::post_mortems::run(args, cli.json)).await,
        Command::Incidents(args) => Box::pin(crate::incidents::run(args, cli.json)).await,
        Command::Oncall(args) => crate::oncall::run(&args, cli.json),
        Command::Catalogue(args) => crate::catalogue::command::run(&args, cli.json).map_err(Exit::usage),
        Command::Dashboards(args) => crate::dashboards::run(&args, cli.json),
        Command::Cost(args) => crate::cost::run(&args, cli.json),
        Command::Test(args) => crate::rule_test::run(&args, cli.json),
        Command::Backtest(args) => Box::pin(crate::backtest::run(args, cli.json)).await,
        Command::Slo(args) => Box::pin(crate::slo::run(args, cli.json)).await,
        Command::Benchmark(args) => crate::benchmark::run(&args, cli.json),
    }
}

/// Whether something could not be written to standard output.
static UNWRITTEN: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. A closed pipe, as with `| head`, is not an error; a full disk is told, and the process ends
/// with [`FAILED`].
pub fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    let Err(error) = written else { return };
    if error.kind() != ErrorKind::BrokenPipe && !UNWRITTEN.swap(true, Ordering::Relaxed) {
        let _ = writeln!(std::io::stderr(), "monitorctl: cannot write to standard output: {error}");
    }
}

/// The name of an environment: what tables and functions end in. Empty is as if it was not given.
///
/// # Errors
/// When it has other characters than small letters, digits and `-`, or more than 20.
pub fn environment(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.len() <= 20 && text.bytes().all(plain) && !text.starts_with('-') {
        return Ok(text.to_owned());
    }
    Err("an environment is at most 20 of a-z, 0-9 and -, such as staging".to_owned())
}

/// JSON for standard output: indented, with a newline at the end.
pub fn pretty(value: &impl serde::Serialize) -> Result<String, Exit> {
    Ok(serde_json::to_string_pretty(value).context("cannot write JSON")? + "\n")
}
