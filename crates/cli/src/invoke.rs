//! `monitorctl invoke`: the local `aws lambda invoke`.

use anyhow::{Context, anyhow};
use clap::Args;
use monitoring_core::catalogue::environment_suffix;
use serde_json::{Value, json};

use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::local::DEFAULT_ENVIRONMENT;
use crate::local::story::Form;

/// Invoke a function with an event, as `aws lambda invoke` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  monitorctl invoke monitoring
  monitorctl invoke action-item-reminder --payload '{\"dry_run\": true}'
  monitorctl invoke incident-response --payload '{\"Records\":[{\"Sns\":{\"Message\":\"{\\\"metric_name\\\":\\\"ErrorRate\\\",\\\"current_value\\\":15.0,\\\"threshold\\\":10.0}\"}}]}'
  monitorctl invoke ai-nutritionist-incident-response --payload @event.json --aws-profile production")]
pub struct InvokeArgs {
    /// `monitoring`, `incident-response`, `post-mortem` or `action-item-reminder`, or the deployed name
    function: String,
    /// The event: JSON, or @FILE; for monitoring and action-item-reminder `{}` is enough
    #[arg(long, value_name = "JSON|@FILE")]
    payload: Option<String>,
    #[command(flatten)]
    door: DoorArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Monitoring,
    IncidentResponse,
    PostMortem,
    ActionItemReminder,
}

/// Invokes the function and prints its answer, which is JSON either way.
pub async fn run(args: InvokeArgs, json: bool) -> Result<u8, Exit> {
    let function = function(&args.function)?;
    let event = match (&args.payload, function) {
        (Some(text), _) => payload(text)?,
        (None, Function::IncidentResponse) => {
            return Err(Exit::usage(anyhow!(
                "incident-response takes anything for an alert, and pages; say what it is with --payload JSON or --payload @FILE"
            )));
        }
        (None, _) => json!({}),
    };
    let form = if json { Form::Silent } else { Form::People { colour: false } };
    let mut door = Door::open(&args.door, form).await?;
    let answer = answer(&mut door, function, &event).await;
    door.close().await?;
    print(&pretty(&answer?)?);
    Ok(OK)
}

async fn answer(door: &mut Door, function: Function, event: &Value) -> Result<Value, Exit> {
    match (function, door) {
        (Function::IncidentResponse, door) => door.respond(event).await,
        (Function::PostMortem, door) => door.post_mortem(event).await,
        (Function::ActionItemReminder, door) => door.remind(event).await,
        (Function::Monitoring, Door::Deployed(deployed)) => deployed.invoke("comprehensive-monitoring", event).await,
        (Function::Monitoring, Door::Local(local)) => {
            let now = local.now;
            let (report, touched) = local.suite.cycle(now).await?;
            let mut answer = serde_json::to_value(report).context("cannot write the report as JSON")?;
            // Deployed, the queue would hand the changes to incident-response a moment later.
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("incidents".to_owned(), json!(touched));
            }
            Ok(answer)
        }
    }
}

fn function(name: &str) -> Result<Function, Exit> {
    let short = name.strip_prefix("ai-nutritionist-").unwrap_or(name);
    let short = short.strip_suffix(&environment_suffix(DEFAULT_ENVIRONMENT)).unwrap_or(short);
    match short {
        "monitoring" | "comprehensive-monitoring" => Ok(Function::Monitoring),
        "incident-response" => Ok(Function::IncidentResponse),
        "post-mortem" => Ok(Function::PostMortem),
        "action-item-reminder" => Ok(Function::ActionItemReminder),
        _ => Err(Exit::usage(anyhow!(
            "there is no function {name}; there are monitoring, incident-response, post-mortem and action-item-reminder"
        ))),
    }
}

fn payload(text: &str) -> Result<Value, Exit> {
    let (text, source) = match text.strip_prefix('@') {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {path}")).map_err(Exit::usage)?;
            (text, path)
        }
        None => (text.to_owned(), "--payload"),
    };
    serde_json::from_str(&text).with_context(|| format!("{source} is not JSON")).map_err(Exit::usage)
}
