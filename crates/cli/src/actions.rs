//! `monitorctl actions`: what is done by itself: what it would do, what it did, and how it is agreed to, undone and stopped.

use std::fmt::Write;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use monitoring_aws::actions::{Answer, Request, Stop};
use monitoring_core::action::{self, PlannedCall, Run, RunEnd, RunState, Target};
use monitoring_core::decide::asked_with;
use monitoring_core::escalation::schedule::channels_of;
use monitoring_core::incident::{Incident, IncidentId};
use serde_json::{Value, json};

use crate::command::{Exit, OK, REFUSED, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::incidents::show::printable;
use crate::local::story::Form;

/// Automated actions: plan, list, agree, undo, stop.
#[derive(Debug, Args)]
pub struct ActionsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the calls that a runbook's actions would make now, and those that would undo them; changes nothing
    Plan {
        /// Name of the runbook
        runbook: String,
        /// `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
        #[arg(long, value_name = "ID")]
        incident: String,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// List the actions of all incidents, and whether everything is stopped
    List {
        /// Only those of which something may still come
        #[arg(long)]
        live: bool,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Agree to an action that waits for consent
    Approve(RunArgs),
    /// Undo an action now
    Undo(RunArgs),
    /// Stop every action, at once, until `actions resume`; what was done stays
    Stop {
        /// Why
        why: Option<String>,
        /// Who you are
        #[arg(long, env = "USER", default_value = "monitorctl")]
        by: String,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Let actions begin again after `actions stop`
    Resume {
        #[command(flatten)]
        door: DoorArgs,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// The incident: `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
    incident: String,
    /// The number of the action, as `actions list` shows it
    run: u32,
    /// Who you are
    #[arg(long, env = "USER", default_value = "monitorctl")]
    by: String,
    #[command(flatten)]
    door: DoorArgs,
}

/// Runs the command.
pub async fn run(args: ActionsArgs, json: bool) -> Result<u8, Exit> {
    match args.command {
        Command::Plan { runbook, incident, door } => {
            let mut door = open(&door).await?;
            let planned = plan(&mut door, &runbook, &incident).await;
            door.close().await?;
            show_plan(&planned?, json)
        }
        Command::List { live, door } => list(&door, live, json).await,
        Command::Approve(args) => send("approve", args, json).await,
        Command::Undo(args) => send("undo", args, json).await,
        Command::Stop { why, by, door } => {
            let door = open(&door).await?;
            let stop = Stop { by, at: Some(door.now()), why };
            let stopped = door.kill_switch().stop(&stop).await;
            door.close().await?;
            stopped.map_err(anyhow::Error::from)?;
            say(json, &json!({ "stopped": stop }), &format!("{stop}\nResume: monitorctl actions resume\n"))
        }
        Command::Resume { door } => {
            let door = open(&door).await?;
            let resumed = door.kill_switch().resume().await;
            door.close().await?;
            let was = resumed.map_err(anyhow::Error::from)?;
            let text = if was { "actions may begin again\n" } else { "actions were not stopped\n" };
            say(json, &json!({ "was_stopped": was }), text)?;
            Ok(if was { OK } else { REFUSED })
        }
    }
}

async fn open(args: &DoorArgs) -> Result<Door, Exit> {
    args.must_exist()?;
    Door::open(args, Form::Silent).await
}

fn say(json: bool, value: &Value, text: &str) -> Result<u8, Exit> {
    if json {
        print(&pretty(value)?);
    } else {
        print(text);
    }
    Ok(OK)
}

/// What one action of a runbook would do.
struct Planned {
    action: &'static str,
    target: String,
    would: Would,
}

enum Would {
    /// Make these calls.
    Call(action::Plan),
    /// Tell a team by these channels.
    Tell { team: String, channels: Vec<String> },
    /// Nothing, for this reason.
    Nothing(String),
}

impl From<Result<action::Plan, String>> for Would {
    fn from(planned: Result<action::Plan, String>) -> Self {
        planned.map_or_else(Self::Nothing, Self::Call)
    }
}

async fn plan(door: &mut Door, runbook: &str, incident: &str) -> Result<Vec<Planned>, Exit> {
    let id = crate::incidents::resolve_id(door, incident).await?;
    let catalogue = door.catalogue().clone();
    let environment = door.environment().to_owned();
    let Some(known) = catalogue.runbooks.get(runbook) else {
        let names: Vec<&str> = catalogue.runbooks.keys().map(String::as_str).collect();
        return Err(Exit::refused(format!("there is no runbook {runbook}; the runbooks are {}", names.join(", "))));
    };
    let Some(automation) = &known.automation else {
        return Err(Exit::refused(format!(
            "runbook {runbook} does nothing by itself (`automation:` in the catalogue)"
        )));
    };
    let mut planned = Vec::new();
    let found = door.store().incident(&id).await.map_err(anyhow::Error::from)?;
    let onset = found.as_ref().map_or(door.now(), |found| found.onset);
    for spec in &automation.actions {
        let alert = found.as_ref().map(|found| asked_with(found, runbook, &spec.action)).unwrap_or_default();
        let target = action::target_of(&catalogue, &environment, &spec.action, &alert);
        let would = match (&target, action::look_for(&spec.action, &target)) {
            (Target::Team { name }, _) => {
                let team = catalogue.teams.get(name).map_or(name, |team| &team.title).clone();
                Would::Tell { team, channels: channels_of(&catalogue, name, door.now()) }
            }
            (Target::Missing { dimension }, _) => {
                Would::Nothing(format!("no alert of {id} that asks for it and fires has a dimension {dimension}"))
            }
            (_, None) => Would::Nothing(format!("there is nothing to look at in {target}")),
            (_, Some(look)) => match door.apply(&Request::Look { look }).await? {
                Answer::Looked { observed } => {
                    // The number that it would have is not known before it begins.
                    let by = format!("{id}/plan");
                    action::plan(&spec.action, &target, &observed, &by, (door.now(), onset)).into()
                }
                Answer::Stopped { reason } | Answer::Changed { reason } | Answer::Failed { reason, .. } => {
                    Would::Nothing(reason)
                }
                Answer::Ran { .. } => Would::Nothing("the actions function answered with something else".to_owned()),
            },
        };
        planned.push(Planned { action: spec.action.as_str(), target: target.to_string(), would });
    }
    Ok(planned)
}

fn show_plan(planned: &[Planned], json: bool) -> Result<u8, Exit> {
    if json {
        let rows = planned.iter().map(|planned| match &planned.would {
            Would::Call(plan) => json!({
                "action": planned.action,
                "target": planned.target,
                "calls": requests(&plan.calls),
                "later": plan.later.as_ref().map(|later| json!({ "after_seconds": later.after_seconds, "calls": requests(&later.calls) })),
                "undo": requests(&plan.inverse),
            }),
            Would::Tell { channels, .. } => {
                json!({ "action": planned.action, "target": planned.target, "tells_by": channels })
            }
            Would::Nothing(reason) => {
                json!({ "action": planned.action, "target": planned.target, "nothing_because": reason })
            }
        });
        print(&pretty(&rows.collect::<Vec<_>>())?);
        return Ok(OK);
    }
    let mut text = String::new();
    for Planned { action, target, would } in planned {
        let _ = writeln!(text, "{action} on {target}");
        match would {
            Would::Tell { team, channels } => {
                let _ = writeln!(text, "  tells {} by {}", printable(team), channels.join(" and "));
            }
            Would::Nothing(reason) => {
                let _ = writeln!(text, "  nothing: {}", printable(reason));
            }
            Would::Call(plan) => {
                calls_text(&mut text, "now", &plan.calls);
                if let Some(later) = &plan.later {
                    let after = monitoring_core::message::format_seconds(i64::from(later.after_seconds));
                    calls_text(&mut text, &format!("after {after}"), &later.calls);
                }
                calls_text(&mut text, "to undo it", &plan.inverse);
            }
        }
    }
    print(&text);
    Ok(OK)
}

fn requests(calls: &[PlannedCall]) -> Vec<Value> {
    let request = |planned: &PlannedCall| {
        let (operation, request) = planned.call.request();
        json!({ "operation": operation, "request": request, "only_if": planned.condition })
    };
    calls.iter().map(request).collect()
}

fn calls_text(text: &mut String, when: &str, calls: &[PlannedCall]) {
    for planned in calls {
        let (operation, request) = planned.call.request();
        let _ = writeln!(text, "  {when:<12} {operation} {}", printable(&request.to_string()));
        let _ = writeln!(text, "  {:<12}   {}", "", printable(&planned.condition.to_string()));
    }
}

async fn list(args: &DoorArgs, live: bool, json: bool) -> Result<u8, Exit> {
    let door = open(args).await?;
    let listed = door.store().all_incidents().await;
    let stop = door.kill_switch().read().await;
    door.close().await?;
    let (incidents, _) = listed.map_err(anyhow::Error::from)?;
    let rows: Vec<(&Incident, &Run)> = incidents
        .iter()
        .flat_map(|incident| incident.runs.iter().map(move |run| (incident, run)))
        .filter(|(_, run)| !live || run.is_live())
        .collect();
    if json {
        let rows: Vec<Value> = rows.iter().map(|(incident, run)| as_json(incident, run)).collect();
        let stopped = stop.as_ref().ok().and_then(Option::as_ref);
        let unknown = stop.as_ref().err().map(ToString::to_string);
        print(&pretty(&json!({ "stopped": stopped, "stopped_unknown_because": unknown, "actions": rows }))?);
        return Ok(OK);
    }
    let mut text = String::new();
    match stop {
        Ok(Some(stop)) => {
            let _ = writeln!(text, "STOPPED: {}", printable(&stop.to_string()));
        }
        Ok(None) => {}
        Err(error) => {
            let _ = writeln!(text, "whether actions are stopped is not known: {}", printable(&error.to_string()));
        }
    }
    if rows.is_empty() {
        text.push_str("no actions\n");
    }
    for (incident, run) in rows {
        let due =
            run.due_at().map_or(String::new(), |at: Timestamp| format!(", next {}", at.strftime("%Y-%m-%d %H:%M")));
        let _ = writeln!(
            text,
            "{} {}  {:<10} {} on {} (runbook {}){due}",
            incident.id,
            run.number,
            state(run.state),
            run.spec.action.as_str(),
            run.target,
            run.runbook,
        );
    }
    print(&text);
    Ok(OK)
}

fn as_json(incident: &Incident, run: &Run) -> Value {
    json!({ "incident_id": incident.id, "run": run.number, "state": state(run.state), "action": run.spec.action.as_str(), "target": run.target.to_string(), "runbook": run.runbook, "next_at": run.due_at() })
}

fn state(state: RunState) -> &'static str {
    match state {
        RunState::Proposed => "asks",
        RunState::Looking { .. } => "planning",
        RunState::Acting => "acting",
        RunState::Watching => "watched",
        RunState::Kept => "helps",
        RunState::Undoing => "undoing",
        RunState::Ended { end } => match end {
            RunEnd::Refused => "refused",
            RunEnd::Expired => "expired",
            RunEnd::Nothing => "nothing",
            RunEnd::DryRun => "dry-run",
            RunEnd::Told => "told",
            RunEnd::Stopped => "stopped",
            RunEnd::Failed => "failed",
            RunEnd::Helped => "helped",
            RunEnd::NoHelp => "no help",
            RunEnd::Undone => "undone",
            RunEnd::Left => "left",
        },
    }
}

async fn send(command: &str, args: RunArgs, json: bool) -> Result<u8, Exit> {
    let mut door = open(&args.door).await?;
    let answer = match crate::incidents::resolve_id(&door, &args.incident).await {
        Ok(id) => command_about(&mut door, command, &id, &args).await,
        Err(error) => Err(error),
    };
    door.close().await?;
    let answer = answer?;
    let incident = answer.pointer("/incidents/0").cloned().unwrap_or_default();
    let reasons = incident.get("reasons").and_then(Value::as_array).cloned().unwrap_or_default();
    let reason: Vec<&str> = reasons.iter().filter_map(Value::as_str).collect();
    say(json, &answer, &format!("{}\n", printable(&reason.join("; "))))?;
    let changed = incident.get("changed").and_then(Value::as_bool).unwrap_or_default();
    Ok(if changed { OK } else { REFUSED })
}

async fn command_about(door: &mut Door, command: &str, id: &IncidentId, args: &RunArgs) -> Result<Value, Exit> {
    let event = json!({ "command": command, "incident_id": id, "run": args.run, "by": args.by });
    door.respond(&event).await
}
