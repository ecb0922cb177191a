//! What the suite may do by itself.

use monitoring_core::catalogue::{self as resolved, ActionKind, ActionSpec, Scaled};

use super::super::document::{Action, Actions, Automation, Document, ScaleOut};

pub(crate) fn actions(document: &Document) -> resolved::Actions {
    let Actions { dry_run, allow, services, max_per_hour } = &document.actions;
    resolved::Actions {
        dry_run: *dry_run,
        allow: allow.clone(),
        services: services.clone(),
        max_per_hour: *max_per_hour,
    }
}

pub(super) fn automation(automation: &Automation) -> resolved::Automation {
    let approval = automation
        .approval
        .as_ref()
        .map(|approval| resolved::Approval { team: approval.team.clone(), expires_seconds: approval.expires.seconds });
    resolved::Automation {
        dry_run: automation.dry_run,
        approval,
        cooldown_seconds: automation.cooldown.seconds,
        max_per_hour: automation.max_per_hour,
        max_targets: automation.max_targets,
        ask_after_failures: automation.ask_after_failures,
        actions: automation.actions.iter().filter_map(action).collect(),
    }
}

fn action(action: &Action) -> Option<ActionSpec> {
    let kind = if let Some(breaker) = &action.circuit_breaker {
        ActionKind::CircuitBreaker {
            service: breaker.service.clone(),
            probe_after_seconds: breaker.probe_after.seconds,
            probe_percent: breaker.probe_percent,
        }
    } else if let Some(restart) = &action.restart {
        ActionKind::Restart { function: restart.function.clone() }
    } else if let Some(rollback) = &action.rollback {
        ActionKind::Rollback {
            function: rollback.function.clone(),
            alias: rollback.alias.clone(),
            within_seconds: rollback.within.seconds,
        }
    } else if let Some(failover) = &action.failover {
        ActionKind::Failover { parameter: failover.parameter.clone(), standby: failover.standby.clone() }
    } else if let Some(team) = &action.alert_team {
        ActionKind::AlertTeam { team: team.clone() }
    } else {
        scale_out(action.scale_out.as_ref()?)?
    };
    Some(ActionSpec { action: kind, verify_seconds: action.verify.seconds })
}

fn scale_out(scale_out: &ScaleOut) -> Option<ActionKind> {
    let function = scale_out.function.as_ref().map(|name| (Scaled::Function, name));
    let (scaled, name) = function.or(scale_out.table.as_ref().map(|name| (Scaled::Table, name)))?;
    // The schema keeps it between 1.1 and 10.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "110 to 1000")]
    let factor_percent = (scale_out.factor * 100.0).round() as u32;
    Some(ActionKind::ScaleOut { scaled, name: name.clone(), factor_percent, cap: scale_out.cap })
}
