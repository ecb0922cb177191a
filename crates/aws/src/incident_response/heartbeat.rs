//! The heartbeat: sent only when a message of the monitoring function has come all the way through topic and queue. Whoever
//! waits for it, outside this account, notices when it stops.

use jiff::{SignedDuration, Timestamp};

use super::Responder;
use crate::outside::Outside;

/// A message that was longer under way shows a queue that is behind, which is no sign of health.
const LATE: SignedDuration = SignedDuration::from_mins(10);

impl<O: Outside> Responder<O> {
    /// Sends the heartbeat, if somebody waits for one. Returns why it was not sent.
    pub(super) async fn heartbeat(&self, sent_at: Timestamp, now: Timestamp) -> Option<String> {
        if now.duration_since(sent_at) > LATE {
            let note = format!("no heartbeat: the canary of {sent_at} came late");
            tracing::warn!(note);
            return Some(note);
        }
        match self.channels.heartbeat().await {
            Ok(sent) => {
                tracing::debug!(sent, "heartbeat");
                None
            }
            Err(error) => {
                tracing::error!(reason = error.reason, "no heartbeat");
                Some(format!("no heartbeat: {}", error.reason))
            }
        }
    }
}
