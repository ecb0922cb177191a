//! What the suite may do by itself.

use monitoring_core::catalogue::{self as resolved, ActionKind, ActionSpec};

use super::super::document::{Action, Actions, Automation, Document};

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
    let breaker = action.circuit_breaker.as_ref()?;
    let kind = ActionKind::CircuitBreaker {
        service: breaker.service.clone(),
        probe_after_seconds: breaker.probe_after.seconds,
        probe_percent: breaker.probe_percent,
    };
    Some(ActionSpec { action: kind, verify_seconds: action.verify.seconds })
}
