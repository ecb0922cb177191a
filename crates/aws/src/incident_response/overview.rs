//! What the dashboards show of incidents: how many are open, and every alert that fires in one, whoever evaluated it. It is
//! printed with each tick, as a metric and as lines that Logs Insights makes a table of.

use jiff::Timestamp;
use monitoring_core::alert::ChangeState;
use monitoring_core::catalogue::{Catalogue, Severity};
use monitoring_core::incident::Incident;
use serde::Serialize;

use crate::health::emf;
use crate::monitoring::namespace_of_suite;

/// The most lines of a tick: a storm must not make the logs dear.
const MAX_LINES: usize = 100;

/// The open incidents, as a tick found them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overview {
    /// How many are open.
    pub open: usize,
    /// What fires in them: the most urgent first, at most 100.
    pub firing: Vec<Firing>,
}

/// An alert that fires in an open incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Firing {
    /// `firing`: what the dashboards' query looks for.
    pub event: &'static str,
    /// Of the log line.
    pub level: &'static str,
    /// The incident's name.
    pub incident: String,
    /// Of the incident.
    pub severity: Severity,
    /// Of the incident.
    pub status: String,
    /// What is wrong, and where.
    pub alert: String,
    /// The value that breached, as a person would say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// When it first fired in this incident.
    pub since: Timestamp,
}

impl Overview {
    /// Of these incidents, all of them open, and so many more that cannot be read.
    pub(super) fn of(open: &[Incident], unreadable: usize) -> Self {
        let mut firing: Vec<Firing> = open.iter().flat_map(firing).collect();
        firing.sort_by(|a, b| (b.severity, a.since, &a.alert).cmp(&(a.severity, b.since, &b.alert)));
        firing.truncate(MAX_LINES);
        Self { open: open.len() + unreadable, firing }
    }
}

fn firing(incident: &Incident) -> impl Iterator<Item = Firing> {
    let fires = incident.alerts.iter().filter(|(_, member)| member.state == ChangeState::Firing);
    fires.map(|(key, member)| Firing {
        event: "firing",
        level: "INFO",
        incident: incident.id.to_string(),
        severity: incident.severity,
        status: incident.status.to_string(),
        alert: key.to_string(),
        value: member.value.map(|value| member.unit.format(value)),
        since: member.since,
    })
}

/// Prints the overview on standard output: `OpenIncidents` as Embedded Metric Format, and a line for each alert that fires.
#[expect(clippy::print_stdout, reason = "Embedded Metric Format is written to standard output")]
pub fn print_overview(catalogue: &Catalogue, environment: &str, overview: &Overview, at: Timestamp) {
    let open = f64::from(u32::try_from(overview.open).unwrap_or(u32::MAX));
    let namespace = namespace_of_suite(catalogue, environment);
    println!("{}", emf(&namespace, &[], &[("OpenIncidents", "Count", open)], at));
    for firing in &overview.firing {
        if let Ok(line) = serde_json::to_string(firing) {
            println!("{line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_environment_of_an_account_tells_of_itself_alone() {
        let catalogue = Catalogue::from_json(include_bytes!("../../../../monitoring.resolved.json")).unwrap();
        for (environment, expected) in
            [("production", "AI-Nutritionist/Monitoring"), ("staging", "AI-Nutritionist/Monitoring-staging")]
        {
            assert_eq!(namespace_of_suite(&catalogue, environment), expected);
        }
    }

    #[test]
    fn a_line_is_what_the_dashboards_look_for() {
        let firing = Firing {
            event: "firing",
            level: "INFO",
            incident: "INC-20241014-abcd".to_owned(),
            severity: Severity::Sev1,
            status: "acknowledged".to_owned(),
            alert: "error-rate".to_owned(),
            value: Some("25 %".to_owned()),
            since: Timestamp::constant(1_728_907_200, 0),
        };
        assert_eq!(
            serde_json::to_string(&firing).unwrap(),
            r#"{"event":"firing","level":"INFO","incident":"INC-20241014-abcd","severity":"SEV1","status":"acknowledged","alert":"error-rate","value":"25 %","since":"2024-10-14T12:00:00Z"}"#
        );
    }
}
