//! What the detectors of anomaly rules have learnt: in memory while the function is warm, and in the metrics table, from where they go
//! on after a cold start. The samples between come with the same request as the newest.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use monitoring_core::alert::AlertKey;
use monitoring_core::anomaly::{StateError, Watch};
use monitoring_core::catalogue::Rule;
use monitoring_core::cycle::{self, Watches};

use super::{CONCURRENCY, Monitor, Report};
use crate::outside::Outside;

impl<O: Outside> Monitor<O> {
    /// The watches of the rules, and those that must not be kept. One that is damaged starts afresh, which the report says; one that could
    /// not be read, or that a newer version wrote, is learnt anew for this cycle alone and stays as it is stored.
    pub(super) async fn take_watches(&self, rules: &[&Rule], report: &mut Report) -> (Watches, BTreeSet<AlertKey>) {
        let mut untouched = BTreeSet::new();
        let mut watches = std::mem::take(&mut *self.watches.lock().unwrap_or_else(PoisonError::into_inner));
        let unknown: Vec<_> =
            cycle::watched(&self.catalogue, rules).into_iter().filter(|key| !watches.contains_key(key)).collect();
        let read = stream::iter(unknown)
            .map(|key| async move { (self.store.watch(&key).await, key) })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        for (kept, key) in read {
            match kept.map(|kept| kept.map(|bytes| Watch::from_bytes(&bytes))) {
                Ok(Some(Ok(watch))) => {
                    watches.insert(key, watch);
                }
                Ok(Some(Err(error @ StateError::Version(_)))) => {
                    report.failures.push(format!("{key}: {error}, so it is left as it is"));
                    untouched.insert(key);
                }
                Ok(Some(Err(error))) => {
                    report.failures.push(format!("{key}: {error}, so it starts afresh"));
                }
                Ok(None) => {}
                Err(error) => {
                    report.failures.push(format!("{key}: {error}, so it is asked for once more"));
                    untouched.insert(key);
                }
            }
        }
        (watches, untouched)
    }

    /// Keeps what is due, and remembers all of it for the next cycle.
    pub(super) async fn put_watches(&self, mut watches: Watches, now: Timestamp, report: &mut Report) {
        let due = watches.iter_mut().filter(|(_, watch)| watch.is_due(now));
        let due: Vec<_> = due.map(|(key, watch)| (key.clone(), watch.to_bytes(now))).collect();
        let failed =
            stream::iter(due)
                .map(|(key, bytes)| async move {
                    self.store.keep_watch(&key, bytes, now).await.err().map(|error| (key, error))
                })
                .buffer_unordered(CONCURRENCY)
                .collect::<Vec<_>>()
                .await;
        for (key, error) in failed.into_iter().flatten() {
            report.failures.push(format!("{key}: {error}"));
        }
        *self.watches.lock().unwrap_or_else(PoisonError::into_inner) = watches;
    }
}
