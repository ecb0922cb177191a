//! Loads how things stand around an incident, when a decision would call somebody: silences, what it depends on, storms.
//!
//! What cannot be loaded holds nothing back: better one page too many.

use futures_util::future::{BoxFuture, join_all};
use jiff::Timestamp;
use monitoring_core::alert::{AlertChange, GroupKey};
use monitoring_core::decide::{Around, Decision, Parent};
use monitoring_core::incident::{Fact, Hold, Incident, IncidentId};
use monitoring_core::message::format_seconds;

use super::{Responder, Touched};
use crate::outside::Outside;
use crate::store::StoreError;

/// The group of the incident that stands for a storm.
pub(super) const STORM: &str = "storm";

impl<O: Outside> Responder<O> {
    /// Whether a decision that was made as if nothing held anything back must be made again with what is around it.
    pub(super) fn needs_around(before: Option<&Incident>, decision: &Decision) -> bool {
        let calls = decision.entries.iter().any(|entry| matches!(entry.fact, Fact::Paged { .. } | Fact::Released {}));
        let held = before.is_some_and(|incident| incident.held.is_some());
        // What opens and ends in one batch calls somebody, too.
        calls || held && decision.incident.as_ref().is_some_and(Incident::is_open)
    }

    /// How things stand around the incident that a decision is about.
    ///
    /// The decision was made as if nothing held anything back, so whether a storm stands for it is known from `before` only.
    pub(super) async fn around(&self, before: Option<&Incident>, decision: &Decision, now: Timestamp) -> Around {
        let Some(incident) = &decision.incident else { return Around::default() };
        let opens = decision.entries.first().is_some_and(|entry| matches!(entry.fact, Fact::Opened { .. }));
        let folded = before.is_some_and(|incident| matches!(incident.held, Some(Hold::Storm { .. })));
        let (silences, parents, storm) = futures_util::join!(
            self.store.silences(now),
            self.parents(&incident.group),
            self.storm(incident, opens, folded, now)
        );
        let mut around = Around { parents, ..Around::default() };
        match silences {
            Ok(silences) => around.silences = silences,
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "silences are not looked at"),
        }
        match storm {
            Ok((storm, beyond)) => (around.storm, around.beyond_storm) = (storm, beyond),
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "storms are not looked at"),
        }
        around
    }

    /// The open incidents of the groups that this one's depends on.
    async fn parents(&self, group: &GroupKey) -> Vec<Parent> {
        let dependencies = &self.catalogue.noise.dependencies;
        let base = group.as_str().split('/').next().unwrap_or_default();
        let Some(groups) = dependencies.get(group.as_str()).or_else(|| dependencies.get(base)) else {
            return Vec::new();
        };
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
        let paged = self.store.is_paged(&incident).await?;
        Ok(Some(Parent { incident: incident.id, group: incident.group, severity: incident.severity, paged }))
    }

    /// Boxed, since to decide on the storm is what this is a part of; it ends there, as a storm is part of none.
    fn open_storm(&self, change: AlertChange, now: Timestamp) -> BoxFuture<'_, Result<Vec<Touched>, StoreError>> {
        Box::pin(self.change(change, now))
    }

    /// The storm that goes on, and whether this incident is one too many to be paged by itself.
    async fn storm(
        &self,
        incident: &Incident,
        opens: bool,
        folded: bool,
        now: Timestamp,
    ) -> Result<(Option<IncidentId>, bool), StoreError> {
        let group = GroupKey::named(STORM);
        // What the suite says of itself is never one of many.
        if incident.group == group || incident.group == GroupKey::suite() || !(opens || folded) {
            return Ok((None, false));
        }
        if folded && let Some(storm) = self.store.latest(&group).await?.filter(Incident::is_open) {
            return Ok((Some(storm.id), false));
        }
        // A new incident, or one that a storm stood for which is over: it counts, so that not all are paged at once.
        let limit = self.catalogue.noise.storm;
        let count = self.store.count_in_window(&incident.group, limit.within_seconds, now).await?;
        if count <= limit.incidents {
            return Ok((None, false));
        }
        let within = format_seconds(i64::from(limit.within_seconds));
        let title = format!("Storm: more than {} incidents within {within}", limit.incidents);
        let reason = "those beyond are recorded, and paged one by one only when this one is resolved; a SEV1 is always paged by itself";
        let change = AlertChange { group: group.clone(), ..AlertChange::about_the_suite(STORM, &title, reason, now) };
        let touched = self.open_storm(change, now).await?;
        Ok((touched.first().and_then(|storm| IncidentId::parse(&storm.id)), true))
    }
}
