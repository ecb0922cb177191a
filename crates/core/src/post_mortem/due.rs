//! By when what a document asks for is to be done.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{PostMortem, Priority, ProposedItem};
use crate::catalogue::{Catalogue, Severity};
use crate::escalation::schedule::{Duty, duty};

/// Within how many days an item is due: a week; what would bring a SEV1 back, sooner.
const DUE_DAYS: i64 = 7;
const DUE_DAYS_CRITICAL_SEV1: i64 = 3;

/// The items with the day on which each is due: as a document of before has it, else counted from now, where its owner lives.
pub(super) fn dated(
    items: Vec<ProposedItem>,
    previous: Option<&PostMortem>,
    catalogue: &Catalogue,
    (severity, resolved_at): (Severity, Timestamp),
    now: Timestamp,
) -> Vec<ProposedItem> {
    let before = |rule: &str| previous?.items.iter().find(|item| item.rule == rule).map(|item| item.due);
    let day = |item: &ProposedItem| {
        let today = now.to_zoned(zone(catalogue, &item.owner, on_call(catalogue, &item.owner, resolved_at))).date();
        Some(due_date(item.priority, severity, today))
    };
    let dated = items.into_iter().map(|item| {
        let due = before(&item.rule).unwrap_or_else(|| day(&item));
        ProposedItem { due, ..item }
    });
    dated.collect()
}

/// Whoever was on call for a team; `None` where it has no schedule, or nobody was.
pub fn on_call<'a>(catalogue: &'a Catalogue, team: &str, at: Timestamp) -> Option<&'a str> {
    match duty(catalogue, team, at) {
        Duty::User(user) => Some(user.name.as_str()),
        Duty::Team | Duty::Nobody(_) => None,
    }
}

/// The last day for an item of this priority that is asked for on `asked`.
pub fn due_date(priority: Priority, severity: Severity, asked: Date) -> Date {
    let days = match (priority, severity) {
        (Priority::Critical, Severity::Sev1) => DUE_DAYS_CRITICAL_SEV1,
        _ => DUE_DAYS,
    };
    asked.saturating_add(Span::new().days(days))
}

/// Where whoever owns an item lives: the person's time zone, else that of the team's schedule, else UTC.
pub fn zone(catalogue: &Catalogue, team: &str, owner: Option<&str>) -> TimeZone {
    let user = owner.and_then(|owner| catalogue.users.get(owner)).and_then(|user| user.time_zone.as_deref());
    let schedule = || {
        let name = catalogue.teams.get(team)?.on_call.as_ref()?;
        Some(catalogue.schedules.get(name)?.time_zone.as_str())
    };
    user.or_else(schedule).and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC)
}
