//! Loads how things stand around an incident, when a decision would call somebody: silences, what it depends on, storms.
//!
//! What cannot be loaded holds nothing back: better one page too many.

use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;
use monitoring_core::alert::{AlertChange, GroupKey, STORM};
use monitoring_core::catalogue::{Severity, Via};
use monitoring_core::decide::{Around, Decision, Parent};
use monitoring_core::incident::{Fact, Hold, Incident, IncidentId};
use monitoring_core::message::format_seconds;

use super::{Responder, Touched};
use crate::outside::Outside;
use crate::store::StoreError;

impl<O: Outside> Responder<O> {
    /// The incident of a decision that calls people for one incident more: a new one, or one that was held back.
    pub(super) fn one_more_call<'a>(before: Option<&Incident>, decision: &'a Decision) -> Option<&'a Incident> {
        let opens = decision.entries.first().is_some_and(|entry| matches!(entry.fact, Fact::Opened { .. }));
        let held = before.is_some_and(|incident| incident.held.is_some());
        // What the suite says of itself is never one of many.
        let counts = |incident: &&Incident| incident.group != GroupKey::storm() && !incident.group.is_suite();
        decision.incident.as_ref().filter(|_| (opens || held) && decision.calls()).filter(counts)
    }

    /// How things stand around an incident, but for storms.
    pub(super) async fn around(&self, incident: &Incident, now: Timestamp) -> Around {
        let (silences, parents) = futures_util::join!(self.store.silences(now), self.parents(&incident.group));
        let silences = silences.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "silences are not looked at");
            Vec::new()
        });
        Around { silences, parents, ..Around::default() }
    }

    /// The open incidents of the groups that this one's depends on.
    async fn parents(&self, group: &GroupKey) -> Vec<Parent> {
        let groups = self.catalogue.noise.parents_of(group.as_str());
        let found = join_all(groups.iter().map(|parent| self.parent(parent))).await;
        let found = found.into_iter().filter_map(|parent| {
            parent.unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a dependency is not looked at");
                None
            })
        });
        found.collect()
    }

    async fn parent(&self, group: &str) -> Result<Option<Parent>, StoreError> {
        let latest = self.store.latest(&GroupKey::named(group)).await?;
        // One that is itself held back was not paged, whatever it was before.
        let Some(incident) = latest.filter(|incident| incident.is_open() && incident.held.is_none()) else {
            return Ok(None);
        };
        let paged = self.store.is_paged(&incident, |channel| self.reports_acceptance(channel)).await?;
        Ok(Some(Parent { incident: incident.id, group: incident.group, severity: incident.severity, paged }))
    }

    /// Whether a channel's acceptance says that somebody will be reached. A topic accepts whatever it is given.
    fn reports_acceptance(&self, channel: &str) -> bool {
        let channel = self.catalogue.channels.get(channel);
        channel.is_some_and(|channel| matches!(channel.via, Via::Slack { .. } | Via::Pagerduty { .. }))
    }

    /// The storm that this incident is a part of, if it is one too many to be paged by itself.
    pub(super) async fn storm(
        &self,
        before: Option<&Incident>,
        incident: &Incident,
        now: Timestamp,
    ) -> Option<IncidentId> {
        self.look_for_storm(before, incident, now).await.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "storms are not looked at");
            None
        })
    }

    async fn look_for_storm(
        &self,
        before: Option<&Incident>,
        incident: &Incident,
        now: Timestamp,
    ) -> Result<Option<IncidentId>, StoreError> {
        let group = GroupKey::storm();
        let goes_on = self.store.latest(&group).await?.filter(Incident::is_open).map(|storm| storm.id);
        let limit = self.catalogue.noise.storm;
        let folded = before.and_then(|incident| match &incident.held {
            Some(Hold::Storm { incident }) => Some(incident),
            _ => None,
        });
        let count = match (&goes_on, folded) {
            (Some(storm), Some(_)) => return Ok(Some(storm.clone())),
            // So that what a storm stood for is not paged all at once, whenever somebody resolves it.
            (None, Some(storm)) => self.store.count(&format!("after#{storm}"), &incident.group, now).await?,
            (_, None) => self.store.count_in_window(&incident.group, limit.within_seconds, now).await?,
        };
        // A SEV1 counts, and is always paged by itself.
        if count <= limit.incidents || incident.severity == Severity::Sev1 {
            return Ok(None);
        }
        if goes_on.is_some() {
            return Ok(goes_on);
        }
        let within = format_seconds(i64::from(limit.within_seconds));
        let title = format!("Storm: more than {} incidents within {within}", limit.incidents);
        let reason = "those beyond are recorded, and paged one by one only when this one is resolved; a SEV1 is always paged by itself";
        let change = AlertChange { group, ..AlertChange::about_the_suite(STORM, &title, reason, now) };
        let touched = self.open_storm(change, now).await?;
        Ok(touched.first().and_then(|storm| IncidentId::parse(&storm.id)))
    }

    /// Boxed, since to decide on the storm is what this is a part of; it ends there, as a storm is part of none.
    fn open_storm(&self, change: AlertChange, now: Timestamp) -> BoxFuture<'_, Result<Vec<Touched>, StoreError>> {
        Box::pin(self.change(change, now))
    }
}
