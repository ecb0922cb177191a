//! The weekly report: incidents, response times against their targets, and what became of action items.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};
use serde::Serialize;

use crate::action_item::figures::{Counts, Figures, figures, median};
use crate::action_item::reminder::{home_zone, off_duty};
use crate::action_item::{ActionItem, Status};
use crate::catalogue::{Catalogue, Severity};
use crate::incident::Incident;
use crate::message::format_seconds;
use crate::post_mortem::RESOLVE_SEV1_WITHIN;

/// The most incidents that are named, the worst first; further ones are counted.
const MAX_NAMED: usize = 10;

/// One week, from Monday to Sunday where the suite is at home.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Week {
    /// The Monday.
    pub monday: Date,
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
}

/// How incidents of a severity were answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answered {
    /// How many began in the week.
    pub incidents: u32,
    /// Of those, how many are open.
    pub open: u32,
    /// Of those, how many somebody acknowledged.
    pub acknowledged: u32,
    /// Half of them took at most this long to be acknowledged, in seconds.
    pub median_response_seconds: Option<f64>,
    /// How many had nobody within the response time, although they lasted longer.
    pub late_responses: u32,
    /// The response time of the severity, in seconds.
    pub response_target_seconds: u32,
    /// Half of those that are over took at most this long, in seconds.
    pub median_resolution_seconds: Option<f64>,
    /// How many took longer than they should; `None` where the severity has no target.
    pub late_resolutions: Option<u32>,
}

/// What the report says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Which week.
    pub week: Week,
    /// By severity, the worst first; those without an incident are left out.
    pub answered: Vec<(Severity, Answered)>,
    /// The worst incidents: id, severity, title.
    pub worst: Vec<String>,
    /// How many further ones there are.
    pub more: usize,
    /// Items that were asked for in the week.
    pub asked_for: u32,
    /// Items that were done in the week.
    pub done: u32,
    /// Items that were dropped in the week.
    pub dropped: u32,
    /// All that are open, and what was closed lately.
    pub items: Figures,
}

impl Week {
    /// The week that is to be reported now: the last one, from Monday morning on, in working hours. `None` outside of them.
    pub fn due(catalogue: &Catalogue, now: Timestamp) -> Option<Self> {
        let local = now.to_zoned(home_zone(catalogue));
        off_duty(&local).is_none().then(|| Self::before(&local))
    }

    /// The last whole week before this time.
    pub fn before(local: &Zoned) -> Self {
        let since_monday = i64::from(local.weekday().to_monday_zero_offset());
        let this_monday = local.date().saturating_sub(Span::new().days(since_monday));
        let monday = this_monday.saturating_sub(Span::new().days(7));
        let zone = local.time_zone();
        Self { monday, from: midnight(monday, zone), to: midnight(this_monday, zone) }
    }

    fn has(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}

/// The first instant of a day.
fn midnight(day: Date, zone: &TimeZone) -> Timestamp {
    zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).unwrap_or(Timestamp::MIN)
}

/// The report of a week. `incidents` and `items` may be those of other weeks too.
pub fn report(
    week: Week,
    incidents: &[Incident],
    items: &[ActionItem],
    catalogue: &Catalogue,
    now: Timestamp,
) -> Report {
    let mut incidents: Vec<&Incident> = incidents.iter().filter(|incident| week.has(incident.opened_at)).collect();
    incidents.sort_by_key(|incident| (std::cmp::Reverse(incident.severity), incident.opened_at, incident.id.clone()));
    let mut by_severity: BTreeMap<Severity, Vec<&Incident>> = BTreeMap::new();
    for incident in &incidents {
        by_severity.entry(incident.severity).or_default().push(incident);
    }
    let answered = by_severity.into_iter().rev();
    let count = |is_so: &dyn Fn(&ActionItem) -> bool| {
        u32::try_from(items.iter().filter(|item| is_so(item)).count()).unwrap_or(u32::MAX)
    };
    let became = |status: Status| count(&|item| item.status == status && week.has(item.status_since));
    Report {
        answered: answered
            .map(|(severity, incidents)| (severity, Answered::of(severity, &incidents, catalogue, now)))
            .collect(),
        worst: incidents
            .iter()
            .take(MAX_NAMED)
            .map(|one| format!("{} {}: {}", one.id, one.severity, one.title))
            .collect(),
        more: incidents.len().saturating_sub(MAX_NAMED),
        asked_for: count(&|item| week.has(item.asked_at)),
        done: became(Status::Done),
        dropped: became(Status::Dropped),
        items: figures(items, catalogue, now),
        week,
    }
}

impl Answered {
    fn of(severity: Severity, incidents: &[&Incident], catalogue: &Catalogue, now: Timestamp) -> Self {
        let target = catalogue.policy(severity).map_or(0, |policy| policy.response_seconds);
        let resolve_within = (severity == Severity::Sev1).then_some(RESOLVE_SEV1_WITHIN);
        let (mut responses, mut resolutions) = (Vec::new(), Vec::new());
        let mut answered =
            Self { response_target_seconds: target, late_resolutions: resolve_within.map(|_| 0), ..Self::default() };
        for incident in incidents {
            let since = |at: Timestamp| at.duration_since(incident.opened_at).as_secs();
            answered.incidents += 1;
            answered.open += u32::from(incident.is_open());
            let lasted = incident.resolution.as_ref().map_or_else(|| since(now), |end| since(end.at));
            let response = incident.acknowledgement.as_ref().map(|acknowledgement| since(acknowledgement.at));
            answered.acknowledged += u32::from(response.is_some());
            // One that ended before somebody had to be there was not answered late.
            answered.late_responses += u32::from(response.unwrap_or(lasted) > i64::from(target));
            responses.extend(response.map(seconds));
            resolutions.extend((!incident.is_open()).then(|| seconds(lasted)));
            if let (Some(late), Some(within)) = (&mut answered.late_resolutions, resolve_within) {
                *late += u32::from(lasted > within);
            }
        }
        answered.median_response_seconds = median(&mut responses);
        answered.median_resolution_seconds = median(&mut resolutions);
        answered
    }
}

/// Exact up to 285 million years.
#[allow(clippy::cast_precision_loss)]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

impl Report {
    /// `AI Nutritionist: the week from 2026-11-16`.
    pub fn subject(&self, catalogue: &Catalogue) -> String {
        format!("{}: the week from {}", catalogue.title, self.week.monday)
    }

    /// What it says, a line each, as plain text.
    pub fn lines(&self, catalogue: &Catalogue) -> Vec<String> {
        let mut lines: Vec<String> =
            self.answered.iter().map(|(severity, answered)| answered.line(*severity)).collect();
        if lines.is_empty() {
            lines.push("No incident began.".to_owned());
        }
        lines.extend(self.worst.iter().map(|worst| format!("- {worst}")));
        if self.more > 0 {
            lines.push(format!("- and {} more; see monitorctl incidents list", self.more));
        }
        let Self { asked_for, done, dropped, .. } = self;
        lines.push(format!("Action items: {asked_for} asked for, {done} done, {dropped} dropped."));
        let all = &self.items.all;
        let age = self
            .items
            .median_age_days
            .map_or(String::new(), |days| format!(", half of them for {days:.1} days or longer"));
        lines.push(format!("Open now: {}{age}; {} overdue.", all.open, all.overdue));
        lines.extend(all.completion_percent.map(|percent| format!("Of what was to be done, {percent:.0} % is done.")));
        if self.items.by_team.len() > 1 {
            lines.extend(self.items.by_team.iter().map(|(team, counts)| {
                let title = catalogue.teams.get(team).map_or(team, |team| &team.title);
                format!("- {title}: {}", of_counts(counts))
            }));
        }
        match self.items.repeat_incidents {
            0 => {}
            1 => lines.push("1 incident was like an earlier one whose items were open.".to_owned()),
            more => lines.push(format!("{more} incidents were like earlier ones whose items were open.")),
        }
        lines
    }
}

fn of_counts(counts: &Counts) -> String {
    let Counts { open, overdue, done, .. } = counts;
    format!("{open} open, {overdue} overdue, {done} done")
}

impl Answered {
    /// `SEV1: 3 incidents, 1 open. Acknowledged: 2, half within 4 min, 1 late (target 5 min). ...`.
    fn line(&self, severity: Severity) -> String {
        let incidents =
            if self.incidents == 1 { "1 incident".to_owned() } else { format!("{} incidents", self.incidents) };
        let open = if self.open > 0 { format!(", {} open", self.open) } else { String::new() };
        let within =
            |median: Option<f64>| median.map_or(String::new(), |median| format!(", half within {}", rounded(median)));
        let target = format_seconds(i64::from(self.response_target_seconds));
        let resolved = self.incidents - self.open;
        let late = self
            .late_resolutions
            .map_or(String::new(), |late| format!(", {late} late (target {})", format_seconds(RESOLVE_SEV1_WITHIN)));
        format!(
            "{severity}: {incidents}{open}. Acknowledged: {}{}, {} late (target {target}). Over: {resolved}{}{late}.",
            self.acknowledged,
            within(self.median_response_seconds),
            self.late_responses,
            within(self.median_resolution_seconds),
        )
    }
}

/// To whole seconds.
#[allow(clippy::cast_possible_truncation)]
fn rounded(seconds: f64) -> String {
    format_seconds(seconds.round() as i64)
}

#[cfg(test)]
mod tests;
