use std::time::SystemTime;

use metrique_writer::{Unit, unit::NegativeScale};

use crate::{
    distinct_names::DistinctNames,
    error::{TrackError, check_not_blank, check_number},
    record::{Dimension, MAX_ERROR_CHARS, MAX_STACK_TRACE_CHARS, Namespace, Record, is_dimension_value},
};

/// How many distinct operations a process publishes under the dimension `operation`. Those beyond
/// it, and those whose name CloudWatch does not take as a dimension (not printable ASCII, over 255
/// characters), count in the metrics without a dimension only.
pub const MAX_OPERATIONS: usize = 100;

/// One operation that ended: how long it took, and how.
#[derive(Clone, Debug)]
#[must_use = "a measurement is written by `Monitoring::track_performance`"]
pub struct Performance {
    operation: String,
    duration_ms: f64,
    success: bool,
    cache_hit: Option<bool>,
    cost: Option<f64>,
    user_id: Option<String>,
    error: Option<String>,
    stack_trace: Option<String>,
}

impl Performance {
    /// An operation that succeeded, and its duration in milliseconds (0 or more). The operation is
    /// a name from a small set (`generate_meal_plan`), not something with an id in it.
    pub fn new(operation: impl Into<String>, duration_ms: f64) -> Self {
        Self {
            operation: operation.into(),
            duration_ms,
            success: true,
            cache_hit: None,
            cost: None,
            user_id: None,
            error: None,
            stack_trace: None,
        }
    }

    /// Whether it succeeded: `ErrorCount` is 0 or 1, `level` is `INFO` or `ERROR`.
    pub fn success(mut self, success: bool) -> Self {
        self.success = success;
        self
    }

    /// Whether a cache had the answer. Leave it out for an operation that asks no cache.
    pub fn cache_hit(mut self, cache_hit: bool) -> Self {
        self.cache_hit = Some(cache_hit);
        self
    }

    /// What it cost, in US dollars.
    pub fn cost(mut self, usd: f64) -> Self {
        self.cost = Some(usd);
        self
    }

    /// For whom it was done. A property of the line, never a dimension.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// The error's message. It is written as it is, up to 1024 characters: no secrets.
    pub fn error(mut self, message: impl Into<String>) -> Self {
        self.error = Some(message.into());
        self
    }

    /// The error's stack trace, up to 8192 characters.
    pub fn stack_trace(mut self, stack_trace: impl Into<String>) -> Self {
        self.stack_trace = Some(stack_trace.into());
        self
    }

    pub(crate) fn record(self, operations: &DistinctNames, now: SystemTime) -> Result<Record, TrackError> {
        check_not_blank("operation", &self.operation)?;
        let duration_ms = check_number("duration", self.duration_ms)?;
        if duration_ms < 0.0 {
            return Err(TrackError::OutOfRange { field: "duration" });
        }
        let cost = self.cost.map(|cost| check_number("cost", cost)).transpose()?;

        let mut record = Record::new(Namespace::Application, now);
        if is_dimension_value(&self.operation) && operations.admit(&self.operation) {
            record.by(Dimension::Operation);
        }
        record.count("RequestCount", 1.0);
        record.count("ErrorCount", f64::from(!self.success));
        record.metric("ResponseTime", duration_ms, Unit::Second(NegativeScale::Milli));
        if let Some(cache_hit) = self.cache_hit {
            // How many values there are of it is how many look-ups there were.
            record.count("CacheHits", f64::from(cache_hit));
            record.number("cache_hit", f64::from(cache_hit));
        }

        record.text("level", if self.success { "INFO" } else { "ERROR" });
        record.text("operation", self.operation);
        record.number("response_time", duration_ms);
        if let Some(cost) = cost {
            record.number("cost", cost);
        }
        if let Some(user_id) = self.user_id {
            record.text("user_id", user_id);
        }
        if let Some(error) = self.error {
            record.long_text("error", error, MAX_ERROR_CHARS);
        }
        if let Some(stack_trace) = self.stack_trace {
            record.long_text("stack_trace", stack_trace, MAX_STACK_TRACE_CHARS);
        }
        Ok(record)
    }
}
