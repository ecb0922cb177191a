//! Once a day: would the channels work, which silences did nothing or are over, does somebody wait for the heartbeat, and
//! what is open. What is wrong with a channel is an alert; the rest is said where everybody reads it.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::alert::AlertChange;
use monitoring_core::catalogue::Severity;
use monitoring_core::silence::Silence;

use super::{Responder, Response};
use crate::outside::Outside;
use crate::store::StoreError;

/// How long back the daily message looks.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The most incidents that it names.
const MAX_INCIDENTS: usize = 10;

impl<O: Outside> Responder<O> {
    /// The daily check. What fails is in the answer, and the rest goes on.
    pub(super) async fn daily(&self, now: Timestamp) -> Response {
        let mut response = Response::default();
        response.notes.extend(self.check_channels(now).await);
        let lines = self.digest(&response.notes, now).await;
        match self.store.claim_day("digest", now).await {
            Ok(true) => response.notes.extend(self.say_everywhere(&lines).await),
            Ok(false) => response.notes.push("the daily message was sent already".to_owned()),
            Err(error) => response.notes.push(format!("the daily message is not sent: {error}")),
        }
        response
    }

    /// Each channel that would not work is an alert of its own, and each that works again ends it.
    async fn check_channels(&self, now: Timestamp) -> Vec<String> {
        let checks = self.catalogue.channels.values().map(|channel| async move {
            (channel, self.channels.check(&self.outside, channel, &self.catalogue.service).await)
        });
        let mut notes = Vec::new();
        for (channel, wrong) in join_all(checks).await {
            let name = &channel.name;
            let title = format!("Channel {name} would not reach anybody");
            let change = AlertChange::about_the_suite(&format!("channel-{name}"), &title, &wrong.join("; "), now);
            let change = if wrong.is_empty() { change.is_over("it works") } else { change };
            notes.extend(wrong.into_iter().map(|wrong| format!("channel {name}: {wrong}")));
            if let Err(error) = self.take_in(change, now).await {
                notes.push(format!("nobody could be told of channel {name}: {error}"));
            }
        }
        notes
    }

    async fn digest(&self, channels: &[String], now: Timestamp) -> Vec<String> {
        let mut lines: Vec<String> = channels.iter().map(|wrong| format!("Failing: {wrong}")).collect();
        if !self.channels.has_heartbeat() {
            lines.push(
                "Nobody notices when this suite stops: set HEARTBEAT_URL to a dead-man's switch outside this account."
                    .to_owned(),
            );
        }
        lines.extend(
            self.open_incidents_in_words(now)
                .await
                .unwrap_or_else(|error| vec![format!("Open incidents are not known: {error}")]),
        );
        lines.extend(
            self.silences_in_words(now).await.unwrap_or_else(|error| vec![format!("Silences are not known: {error}")]),
        );
        lines
    }

    async fn open_incidents_in_words(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let (open, _) = self.store.open_incidents().await?;
        if open.is_empty() {
            return Ok(vec!["No incident is open.".to_owned()]);
        }
        let mut lines = vec![format!("Open incidents: {}", open.len())];
        lines.extend(open.iter().take(MAX_INCIDENTS).map(|incident| {
            let hours = now.duration_since(incident.opened_at).as_hours();
            let held = incident.held.as_ref().map_or(String::new(), |hold| format!(", held back {}", hold.in_words()));
            format!(
                "{} {} {}: {} (for {hours} h{held})",
                incident.id, incident.severity, incident.status, incident.title
            )
        }));
        Ok(lines)
    }

    /// What is in force, what ended since yesterday, and what never held anything back.
    async fn silences_in_words(&self, now: Timestamp) -> Result<Vec<String>, StoreError> {
        let (silences, uses) = futures_util::try_join!(self.store.all_silences(), self.store.silence_uses())?;
        let uses: BTreeMap<&str, u64> = uses.iter().map(|used| (used.id.as_str(), used.count)).collect();
        let used = |id: &str| match uses.get(id) {
            None => "never used".to_owned(),
            Some(1) => "used once".to_owned(),
            Some(count) => format!("used {count} times"),
        };
        let recent = silences.iter().filter(|silence| now.duration_since(silence.until) < DAY);
        let mut lines: Vec<String> = recent
            .map(|silence| {
                let Silence { id, by, why, until, every, .. } = silence;
                let state = if *until <= now { "has ended" } else { "is in force" };
                let recurs = every.as_ref().map_or(String::new(), |weekly| format!(" {weekly}"));
                format!("Silence {id} by {by} {state}{recurs} ({until}), {}: {why}", used(id))
            })
            .collect();
        for maintenance in &self.catalogue.noise.maintenance {
            let id = format!("maintenance/{}", maintenance.name);
            if maintenance.window.is_over(now) {
                lines.push(format!(
                    "Maintenance {} is over and can go from the catalogue, {}.",
                    maintenance.name,
                    used(&id)
                ));
            } else if !uses.contains_key(id.as_str()) {
                lines.push(format!("Maintenance {} by {} was never used.", maintenance.name, maintenance.by));
            }
        }
        Ok(lines)
    }

    /// On the channels that a SEV3 is told on at first: those that wake nobody.
    async fn say_everywhere(&self, lines: &[String]) -> Vec<String> {
        let level = self.catalogue.policy(Severity::Sev3).and_then(|policy| policy.levels.first());
        let channels = level.map(|level| level.channels.as_slice()).unwrap_or_default();
        let subject = format!("{} monitoring: the day", self.catalogue.title);
        let subject = subject.as_str();
        let said = channels.iter().filter_map(|name| self.catalogue.channels.get(name)).map(|channel| async move {
            let said = self.channels.say(&self.outside, channel, None, subject, lines).await;
            said.err().map(|error| format!("the daily message was not accepted by {}: {}", channel.name, error.reason))
        });
        join_all(said).await.into_iter().flatten().collect()
    }
}
