//! `monitorctl test`: unit tests of rules, in promtool's format.

mod document;
mod notation;
mod play;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use monitoring_core::catalogue::Catalogue;
use serde::Serialize;

use crate::catalogue;
use crate::command::{Exit, OK, REFUSED, pretty, print};
use document::{Group, TestFile};

/// Test rules on series that a file describes, as `promtool test rules` does.
#[derive(Debug, Args)]
#[command(after_help = "\
A test gives the values of metrics and says which alerts fire when:

  tests:
    - name: errors
      input_series:
        - {series: RequestCount, values: '1000x10'}
        - {series: ErrorCount, values: '5x3 120x6'}
      alert_rule_test:
        - {alertname: error-rate, eval_time: 3m}                # nothing fires
        - alertname: error-rate
          eval_time: 5m
          exp_alerts: [{exp_labels: {severity: critical, incident: SEV1}}]

Values are one for each period of the metric: 1+2x5 is 1 3 5 7 9 11, _ is a period without one. The value with the index i is
known at i periods after start_timestamp. docs/catalogue.md has every key.

Ends with 1 when something was not as expected.")]
pub struct TestArgs {
    /// Files of tests
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The catalogue, as YAML, of files that name none; without it the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Refuse when a rule of the catalogue has no test
    #[arg(long)]
    every_rule: bool,
}

/// What came of a case.
#[derive(Debug, Serialize)]
struct CaseResult {
    file: PathBuf,
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<String>,
    rule: String,
    eval_time: String,
    at: String,
    passed: bool,
    /// What was not as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Results {
    passed: bool,
    cases: Vec<CaseResult>,
    /// Rules of the catalogue that no case names.
    untested: Vec<String>,
}

/// Runs the tests of all files.
pub fn run(args: &TestArgs, json: bool) -> Result<u8, Exit> {
    let mut results = Results { passed: true, ..Results::default() };
    let files = args.files.iter().map(|path| Ok((path, read(path)?))).collect::<Result<Vec<_>, Exit>>()?;
    // Which rules have tests is asked of each catalogue, over all the files that name it.
    let mut catalogues: Vec<(Option<PathBuf>, Catalogue)> = Vec::new();
    for (path, file) in &files {
        let named = named_by(path, file, args);
        if !catalogues.iter().any(|(known, _)| *known == named) {
            catalogues.push((named.clone(), load(named.as_deref())?));
        }
    }
    for (named, catalogue) in &catalogues {
        let of_catalogue: Vec<_> = files.iter().filter(|(path, file)| named_by(path, file, args) == *named).collect();
        for (path, file) in &of_catalogue {
            let seconds = file.evaluation_seconds.unwrap_or(catalogue.cycle_seconds);
            for group in &file.groups {
                results.cases.extend(play_group(catalogue, path, group, seconds)?);
            }
        }
        let tested = play::tested(of_catalogue.iter().flat_map(|(_, file)| &file.groups));
        results.untested.extend(catalogue.rules.keys().filter(|rule| !tested.contains(rule.as_str())).cloned());
    }
    let complete = !args.every_rule || results.untested.is_empty();
    results.passed = complete && results.cases.iter().all(|case| case.passed);
    print(&if json { pretty(&results)? } else { text(&results, args.every_rule) });
    Ok(if results.passed { OK } else { REFUSED })
}

fn read(path: &Path) -> Result<TestFile, Exit> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    let text = text.map_err(Exit::usage)?;
    document::read(path, &text).map_err(|problems| Exit::usage(anyhow!("{}", problems.join("\n"))))
}

/// The catalogue of a file: the one it names, beside it, or that of the command line; `None` for the shipped one.
fn named_by(path: &Path, file: &TestFile, args: &TestArgs) -> Option<PathBuf> {
    let named = file.catalogue.as_ref().map(|named| path.parent().unwrap_or(Path::new("")).join(named));
    named.or_else(|| args.catalogue.clone())
}

fn load(path: Option<&Path>) -> Result<Catalogue, Exit> {
    match path {
        Some(path) => Ok(catalogue::load(path).map_err(Exit::usage)?.0),
        None => Ok(catalogue::shipped().context("the shipped catalogue")?),
    }
}

fn play_group(catalogue: &Catalogue, path: &Path, group: &Group, seconds: u32) -> Result<Vec<CaseResult>, Exit> {
    let endings = play::play(catalogue, group, seconds).map_err(|problems| {
        let lines: Vec<String> =
            problems.iter().map(|found| format!("{}:{}: {}", path.display(), found.line, found.problem)).collect();
        Exit::usage(anyhow!("{}", lines.join("\n")))
    })?;
    let results = group.cases.iter().zip(endings).map(|(case, difference)| CaseResult {
        file: path.to_owned(),
        line: case.line,
        test: group.name.clone(),
        rule: case.rule.clone(),
        eval_time: play::shown_time(case.after_seconds),
        at: play::at(group.start, case.after_seconds).to_string(),
        passed: difference.is_none(),
        difference,
    });
    Ok(results.collect())
}

fn text(results: &Results, every_rule: bool) -> String {
    let mut text = String::new();
    let failed: Vec<&CaseResult> = results.cases.iter().filter(|case| !case.passed).collect();
    for case in &failed {
        let test = case.test.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        let _ = writeln!(text, "{}:{}: {test}{} at {}", case.file.display(), case.line, case.rule, case.eval_time);
        for line in case.difference.iter().flat_map(|difference| difference.lines()) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if !results.untested.is_empty() {
        let note =
            if every_rule { "rules without a test, which --every-rule asks for" } else { "rules without a test" };
        let _ = writeln!(text, "{note}: {}", results.untested.join(", "));
    }
    let _ = writeln!(text, "{} of {} cases passed", results.cases.len() - failed.len(), results.cases.len());
    text
}
