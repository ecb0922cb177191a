use std::time::SystemTime;

use crate::{
    error::{TrackError, check_not_blank},
    record::{Namespace, Record},
};

/// The kinds that count as a failed authentication.
const FAILED_AUTHENTICATION: [&str; 4] =
    ["failed_authentication", "authentication_failed", "failed_login", "login_failed"];

/// Something that matters for security: a failed log-in, a refused permission.
#[derive(Clone, Debug)]
#[must_use = "an event is written by `Monitoring::track_security_event`"]
pub struct SecurityEvent {
    kind: String,
    user_id: Option<String>,
    source_ip: Option<String>,
}

impl SecurityEvent {
    /// An event of a kind. Each counts in `SecurityEvents`; those of kind `failed_authentication`
    /// (or `authentication_failed`, `failed_login`, `login_failed`) in `FailedAuthentications` too.
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), user_id: None, source_ip: None }
    }

    /// The user concerned. A property of the line, never a dimension.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// Where the request came from. A property of the line, never a dimension.
    pub fn source_ip(mut self, source_ip: impl Into<String>) -> Self {
        self.source_ip = Some(source_ip.into());
        self
    }

    pub(crate) fn record(self, now: SystemTime) -> Result<Record, TrackError> {
        check_not_blank("kind", &self.kind)?;

        let mut record = Record::new(Namespace::Security, now);
        record.count("SecurityEvents", 1.0);
        if FAILED_AUTHENTICATION.contains(&self.kind.as_str()) {
            record.count("FailedAuthentications", 1.0);
        }

        record.text("level", "WARN");
        record.text("event", "SECURITY_EVENT");
        record.text("kind", self.kind);
        if let Some(user_id) = self.user_id {
            record.text("user_id", user_id);
        }
        if let Some(source_ip) = self.source_ip {
            record.text("source_ip", source_ip);
        }
        Ok(record)
    }
}
