//! `monitorctl catalogue check|schema|resolve`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{LoadError, Problem, Severity, load, load_deployment, structure};
use crate::command::{OK, REFUSED};

/// Check the catalogue, describe it to an editor, or resolve it.
#[derive(Debug, Args)]
pub struct CatalogueArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report every mistake with its line and what to write instead
    Check(FileArgs),
    /// Print the JSON Schema of the catalogue, for editors
    Schema {
        /// Write it to this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print the resolved catalogue, which the functions read
    Resolve {
        #[command(flatten)]
        file: FileArgs,
        /// Print what Terraform reads instead: alarms, log groups, saved queries and dashboards
        #[arg(long)]
        deployment: bool,
        /// Write it to this file instead
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// Which catalogue.
#[derive(Debug, Args)]
pub(crate) struct FileArgs {
    /// The catalogue
    #[arg(env = "MONITORING_CATALOGUE", default_value = "monitoring.yaml")]
    pub(crate) file: PathBuf,
}

/// Runs the command and gives the exit code: 0 for a sound catalogue, 1 for one with mistakes. What cannot be read or written is an
/// error.
pub fn run(args: &CatalogueArgs, json: bool) -> anyhow::Result<u8> {
    match &args.command {
        Command::Check(FileArgs { file }) => check(file, json),
        Command::Schema { out } => {
            write(out.as_deref(), &pretty(&structure::schema())?)?;
            Ok(OK)
        }
        Command::Resolve { file: FileArgs { file }, deployment, out } => {
            resolve(file, *deployment, out.as_deref(), json)
        }
    }
}

fn check(file: &Path, json: bool) -> anyhow::Result<u8> {
    let (code, problems) = match load(file) {
        Ok((_, warnings)) => (OK, warnings),
        Err(LoadError::Mistakes(problems)) => (REFUSED, problems),
        Err(error @ LoadError::Read { .. }) => return Err(error.into()),
    };
    if json {
        write(None, &pretty(&problems)?)?;
        return Ok(code);
    }
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.push(summary(file, &problems));
    write(None, &lines.join("\n"))?;
    Ok(code)
}

fn resolve(file: &Path, deployment: bool, out: Option<&Path>, json: bool) -> anyhow::Result<u8> {
    match load_deployment(file) {
        Ok(loaded) => {
            report(&loaded.warnings, json)?;
            write(out, &if deployment { pretty(&loaded.deployment)? } else { pretty(&loaded.catalogue)? })?;
            Ok(OK)
        }
        Err(LoadError::Mistakes(problems)) => {
            report(&problems, json)?;
            Ok(REFUSED)
        }
        Err(error @ LoadError::Read { .. }) => Err(error.into()),
    }
}

/// To standard error, since the result goes to standard output.
fn report(problems: &[Problem], json: bool) -> anyhow::Result<()> {
    let mut stderr = std::io::stderr().lock();
    if json && !problems.is_empty() {
        stderr.write_all(pretty(&problems)?.as_bytes())?;
    } else {
        problems.iter().try_for_each(|problem| writeln!(stderr, "{problem}"))?;
    }
    Ok(())
}

fn summary(file: &Path, problems: &[Problem]) -> String {
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    format!("{}: {}, {}\n", file.display(), count(errors, "error"), count(problems.len() - errors, "warning"))
}

/// The form in which files are committed: indented, keys in a stable order, a newline at the end.
fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value).context("cannot write JSON")? + "\n")
}

fn write(out: Option<&Path>, text: &str) -> anyhow::Result<()> {
    if let Some(path) = out {
        return std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()));
    }
    crate::command::print(text);
    Ok(())
}
