//! The reminder's handler: load, plan, claim, send, note; and once a week the report.
//!
//! It is asked each hour, since the mornings of people come at different hours, and by hand with `{}`. Whatever was sent on a day is not
//! sent again on it; what a channel did not take is sent by the next run. `{"dry_run": true}` says what a run would do, and does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use monitoring_core::action_item::ActionItem;
use monitoring_core::action_item::figures::{Counts, Figures, figures};
use monitoring_core::action_item::reminder::{Digest, Recipient, plan};
use monitoring_core::catalogue::{Catalogue, Channel, Severity, Via};
use monitoring_core::message::OnCallPerson;
use monitoring_core::report::{Report, Week, report};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::channel::{Channels, DeliveryErrorKind};
use crate::health::emf;
use crate::monitoring::namespace_of_suite;
use crate::outside::Outside;
use crate::store::{Store, StoreError};

/// Figures count what was closed in the last 90 days.
const CLOSED_WITHIN: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Nothing more is begun after this; the function may take half a minute, and one message up to 20 seconds.
const BUDGET: Duration = Duration::from_secs(8);

/// From this attempt on, what the first channel does not take goes to the next one.
const PATIENCE: u32 = 3;

/// How many incidents of each shard are looked at for the weekly report.
const INCIDENTS_IN_EACH_SHARD: i32 = 100;

/// The reminder function, without Lambda around it.
#[derive(Debug)]
pub struct Reminder<O> {
    store: Store,
    channels: Channels,
    outside: O,
    catalogue: Catalogue,
}

/// What a run did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Response {
    /// Whether it only says what it would do.
    pub dry_run: bool,
    /// Each digest of now.
    pub digests: Vec<Sent>,
    /// Who has something due and is told nothing now, and why.
    pub quiet: BTreeMap<String, String>,
    /// The weekly report on each of its channels, if it was to be sent by this run.
    pub report: Vec<Sent>,
    /// How well items get done.
    pub figures: Figures,
    /// Whether this run is the first of its day (UTC), whose figures go out as metrics.
    pub publishes: bool,
    /// What could not be read; the rest was done.
    pub notes: Vec<String>,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// `user/ana`, `team/platform`, `report/slack`.
    pub to: String,
    /// The day that it is about.
    pub day: Date,
    /// What became of it.
    pub outcome: Outcome,
    /// The channel that accepted it, or why none did.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// The items that it tells of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A channel accepted it.
    Sent,
    /// A run without `dry_run` would send it.
    WouldSend,
    /// Another run sends it, or has sent it in between.
    Elsewhere,
    /// No channel took it; the next run tries again.
    Failed,
    /// There was no time left; the next run sends it.
    Later,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum ReminderError {
    /// What was asked for cannot be understood.
    #[error("{0}")]
    Refused(String),
    /// The tables could not be read or written.
    #[error("nobody is reminded")]
    Store(#[from] StoreError),
}

/// A message for somebody.
struct Message {
    day: Date,
    to: String,
    person: Option<OnCallPerson>,
    subject: String,
    lines: Vec<String>,
    items: Vec<String>,
}

/// What one run knows of channels and time.
struct Run {
    now: Timestamp,
    until: Instant,
    /// Channels that did not answer, and what they said: they are not asked again by this run.
    down: BTreeMap<String, String>,
}

impl<O: Outside> Reminder<O> {
    /// A reminder over these tables and this catalogue.
    pub fn new(store: Store, channels: Channels, outside: O, catalogue: Catalogue) -> Self {
        Self { store, channels, outside, catalogue }
    }

    /// Handles one event.
    pub async fn handle(&self, event: &Value, now: Timestamp) -> Result<Response, ReminderError> {
        let dry_run = read(event).map_err(ReminderError::Refused)?;
        let closed_since = now.saturating_sub(CLOSED_WITHIN).unwrap_or(Timestamp::MIN);
        let (items, unreadable) = self.store.action_items(closed_since).await?;
        let told = self.told(now).await?;
        let plan = plan(&items, &told, &self.catalogue, now);
        let mut run = Run { now, until: Instant::now() + BUDGET, down: BTreeMap::new() };
        let mut response = Response {
            dry_run,
            digests: Vec::new(),
            quiet: plan.quiet.iter().map(|(to, quiet)| (to.to_string(), quiet.as_str().to_owned())).collect(),
            report: Vec::new(),
            figures: figures(&items, &self.catalogue, now),
            publishes: false,
            notes: unreadable.iter().map(ToString::to_string).collect(),
        };
        for digest in &plan.digests {
            let channels = self.channels_for(&digest.to);
            let message = self.digest(digest);
            response.digests.push(self.send(&message, &channels, dry_run, &mut run).await?);
        }
        self.weekly(&items, dry_run, &mut run, &mut response).await?;
        if !dry_run {
            let day = now.to_zoned(TimeZone::UTC).date();
            response.publishes = self.publishes(day, now).await?;
        }
        Ok(response)
    }

    /// Who was told today, wherever it is today.
    async fn told(&self, now: Timestamp) -> Result<BTreeSet<(Date, Recipient)>, StoreError> {
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut told = BTreeSet::new();
        for offset in -1..=1 {
            let day = today.saturating_add(Span::new().days(offset));
            let sent = self.store.reminders_sent(day).await?;
            told.extend(sent.iter().filter_map(|to| Some((day, Recipient::parse(to)?))));
        }
        Ok(told)
    }

    fn digest(&self, digest: &Digest<'_>) -> Message {
        let parts = [&digest.overdue, &digest.due, &digest.soon, &digest.escalated];
        Message {
            day: digest.day,
            to: digest.to.to_string(),
            person: Some(digest.addressee(&self.catalogue)),
            subject: digest.subject(&self.catalogue),
            lines: digest.lines(),
            items: parts.into_iter().flatten().map(|item| item.id().to_string()).collect(),
        }
    }

    /// Those of a person that wake nobody, then those that the daily message goes to; each once.
    fn channels_for(&self, to: &Recipient) -> Vec<&Channel> {
        let own = match to {
            Recipient::User(name) => self.catalogue.users.get(name).map(|user| user.channels.as_slice()),
            Recipient::Team(_) => None,
        };
        let names = own.unwrap_or_default().iter().chain(self.quiet_channels());
        let mut channels: Vec<&Channel> = Vec::new();
        for channel in names.filter_map(|name| self.catalogue.channels.get(name)).filter(|channel| is_quiet(channel)) {
            if !channels.iter().any(|known| known.name == channel.name) {
                channels.push(channel);
            }
        }
        channels
    }

    /// The channels that a SEV3 is told on at first.
    fn quiet_channels(&self) -> &[String] {
        let level = self.catalogue.policy(Severity::Sev3).and_then(|policy| policy.levels.first());
        level.map(|level| level.channels.as_slice()).unwrap_or_default()
    }

    /// The report of the last week, from Monday morning on, on each channel once.
    async fn weekly(
        &self,
        items: &[ActionItem],
        dry_run: bool,
        run: &mut Run,
        response: &mut Response,
    ) -> Result<(), StoreError> {
        let Some(week) = Week::due(&self.catalogue, run.now) else { return Ok(()) };
        let sent = self.store.reminders_sent(week.monday).await?;
        let channels = self.quiet_channels().iter().filter_map(|name| self.catalogue.channels.get(name));
        let to = |channel: &Channel| format!("report/{}", channel.name);
        let channels: Vec<&Channel> =
            channels.filter(|channel| is_quiet(channel) && !sent.contains(&to(channel))).collect();
        if channels.is_empty() {
            return Ok(());
        }
        let report = self.report(week, items, run.now).await?;
        for channel in channels {
            let message = Message {
                day: report.week.monday,
                to: to(channel),
                person: None,
                subject: report.subject(&self.catalogue),
                lines: report.lines(&self.catalogue),
                items: Vec::new(),
            };
            response.report.push(self.send(&message, &[channel], dry_run, run).await?);
        }
        Ok(())
    }

    async fn report(&self, week: Week, items: &[ActionItem], now: Timestamp) -> Result<Report, StoreError> {
        let ((open, _), over) =
            futures_util::try_join!(self.store.open_incidents(), self.store.recent_incidents(INCIDENTS_IN_EACH_SHARD))?;
        Ok(report(week, &[open, over].concat(), items, &self.catalogue, now))
    }

    /// Claims a message, sends it on the first channel that takes it, and notes what became of it.
    async fn send(
        &self,
        message: &Message,
        channels: &[&Channel],
        dry_run: bool,
        run: &mut Run,
    ) -> Result<Sent, StoreError> {
        let sent = |outcome: Outcome, said: &str| Sent {
            to: message.to.clone(),
            day: message.day,
            outcome,
            said: said.to_owned(),
            items: message.items.clone(),
        };
        if dry_run {
            let channel = channels.first().map_or("", |channel| channel.name.as_str());
            return Ok(sent(Outcome::WouldSend, channel));
        }
        if Instant::now() >= run.until {
            return Ok(sent(Outcome::Later, ""));
        }
        let Some(claim) = self.store.claim_reminder(message.day, &message.to, run.now).await? else {
            return Ok(sent(Outcome::Elsewhere, ""));
        };
        let accepted = self.say(message, channels, claim.attempt >= PATIENCE, run).await;
        let outcome = accepted.as_deref().map_err(String::as_str);
        self.store.finish_reminder(&claim, outcome, run.now).await?;
        Ok(match outcome {
            Ok(channel) => {
                tracing::info!(to = message.to, day = %message.day, channel, "reminded");
                sent(Outcome::Sent, channel)
            }
            Err(reason) => {
                tracing::error!(to = message.to, day = %message.day, reason, attempt = claim.attempt, "not reminded");
                sent(Outcome::Failed, reason)
            }
        })
    }

    /// The name of the channel that took it. One that may take it later is waited for, unless somebody has waited long enough.
    async fn say(
        &self,
        message: &Message,
        channels: &[&Channel],
        impatient: bool,
        run: &mut Run,
    ) -> Result<String, String> {
        let mut reason = "the catalogue has no channel for it; name slack or email in SEV3's".to_owned();
        for channel in channels {
            if let Some(known) = run.down.get(&channel.name) {
                reason.clone_from(known);
            } else {
                let said = self.channels.say(
                    &self.outside,
                    channel,
                    message.person.as_ref(),
                    &message.subject,
                    &message.lines,
                );
                match said.await {
                    Ok(_) => return Ok(channel.name.clone()),
                    Err(error) => {
                        reason = format!("{}: {}", channel.name, error.reason);
                        if error.kind == DeliveryErrorKind::Permanent {
                            continue;
                        }
                        run.down.insert(channel.name.clone(), reason.clone());
                    }
                }
            }
            if !impatient {
                break;
            }
        }
        Err(reason)
    }

    async fn publishes(&self, day: Date, now: Timestamp) -> Result<bool, StoreError> {
        let Some(claim) = self.store.claim_reminder(day, "figures", now).await? else { return Ok(false) };
        self.store.finish_reminder(&claim, Ok("log"), now).await?;
        Ok(true)
    }
}

/// Whether it is a dry run. Whatever else a schedule or a person sends is a run.
fn read(event: &Value) -> Result<bool, String> {
    match event.get("dry_run") {
        None => Ok(false),
        Some(Value::Bool(dry_run)) => Ok(*dry_run),
        Some(other) => Err(format!("dry_run is true or false, and not {other}")),
    }
}

/// Whether a channel can say something that wakes nobody.
fn is_quiet(channel: &Channel) -> bool {
    matches!(channel.via, Via::Slack { .. } | Via::Email { .. })
}

/// Prints the figures as Embedded Metric Format on standard output: of all items, of each team and of each priority.
#[expect(clippy::print_stdout, reason = "Embedded Metric Format is written to standard output")]
pub fn print_figures(catalogue: &Catalogue, environment: &str, response: &Response, at: Timestamp) {
    if !response.publishes {
        return;
    }
    for document in metrics(catalogue, environment, &response.figures, at) {
        println!("{document}");
    }
}

fn metrics(catalogue: &Catalogue, environment: &str, figures: &Figures, at: Timestamp) -> Vec<Value> {
    let namespace = namespace_of_suite(catalogue, environment);
    let count = |number: u32| f64::from(number);
    let missing = f64::NAN;
    let all = &figures.all;
    let mut documents = vec![emf(
        &namespace,
        &[],
        &[
            ("ActionItemsOpen", "Count", count(all.open)),
            ("ActionItemsOverdue", "Count", count(all.overdue)),
            ("ActionItemsDone", "Count", count(all.done)),
            ("ActionItemsCompletionRate", "Percent", all.completion_percent.unwrap_or(missing)),
            ("ActionItemsMedianAge", "Seconds", figures.median_age_days.map_or(missing, |days| days * 86_400.0)),
            ("RepeatIncidents", "Count", count(figures.repeat_incidents)),
        ],
        at,
    )];
    let mut part = |dimension: &str, value: &str, counts: &Counts| {
        let metrics =
            [("ActionItemsOpen", "Count", count(counts.open)), ("ActionItemsOverdue", "Count", count(counts.overdue))];
        documents.push(emf(&namespace, &[(dimension, value)], &metrics, at));
    };
    for (team, counts) in &figures.by_team {
        part("Team", team, counts);
    }
    for (priority, counts) in &figures.by_priority {
        part("Priority", priority, counts);
    }
    documents
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_metrics_of_all_items_and_of_each_team_and_priority() {
        let catalogue = Catalogue::from_json(include_bytes!("../../../monitoring.resolved.json")).unwrap();
        let counts = Counts { open: 3, overdue: 1, done: 6, dropped: 0, completion_percent: Some(66.0) };
        let figures = Figures {
            all: counts,
            median_age_days: Some(2.0),
            repeat_incidents: 1,
            by_team: [("platform".to_owned(), counts)].into(),
            by_priority: [("high", counts)].into(),
        };
        let at = Timestamp::UNIX_EPOCH;
        let documents = metrics(&catalogue, "production", &figures, at);
        assert_eq!(documents.len(), 3);
        let all = &documents[0];
        assert_eq!(all["_aws"]["CloudWatchMetrics"][0]["Namespace"], "AI-Nutritionist/Monitoring");
        assert_eq!(all["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([[]]));
        for (name, value) in [
            ("ActionItemsOpen", 3.0),
            ("ActionItemsOverdue", 1.0),
            ("ActionItemsDone", 6.0),
            ("ActionItemsCompletionRate", 66.0),
            ("ActionItemsMedianAge", 172_800.0),
            ("RepeatIncidents", 1.0),
        ] {
            assert_eq!(all[name], json!(value), "{name}");
        }
        let parts = documents[1..].iter().map(|part| (&part["Team"], &part["Priority"], &part["ActionItemsOpen"]));
        let (none, open) = (json!(null), json!(3.0));
        let expected = [(&json!("platform"), &none, &open), (&none, &json!("high"), &open)];
        assert_eq!(parts.collect::<Vec<_>>(), expected);

        // What is not known is no metric.
        let nothing = &metrics(&catalogue, "production", &Figures::default(), at)[0];
        assert_eq!((nothing.get("ActionItemsMedianAge"), &nothing["ActionItemsOpen"]), (None, &json!(0.0)));
    }
}
