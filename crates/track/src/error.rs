use thiserror::Error;

/// Why a record was refused. Nothing is written for it; it is counted in `RefusedRecords`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrackError {
    /// A number is NaN or infinite, which CloudWatch rejects.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// The argument, by its name in the call.
        field: &'static str,
    },
    /// A number is outside CloudWatch's range of -2^360 to 2^360, or a duration is negative.
    #[error("{field} is out of range")]
    OutOfRange {
        /// The argument, by its name in the call.
        field: &'static str,
    },
    /// A name is empty or has characters that a metric name or a namespace cannot have.
    #[error("{field} is not a valid name")]
    InvalidName {
        /// The argument, by its name in the call.
        field: &'static str,
    },
}

impl TrackError {
    /// The reason as one word, the same as the Python client's `TrackError.reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "not_finite",
            Self::OutOfRange { .. } => "out_of_range",
            Self::InvalidName { .. } => "invalid_name",
        }
    }
}

/// The largest magnitude that `CloudWatch` accepts for a metric value, 2^360 (the `MetricDatum`
/// reference of `PutMetricData`).
fn largest_value() -> f64 {
    2_f64.powi(360)
}

/// Checks a number that is about to be written.
pub(crate) fn check_number(field: &'static str, value: f64) -> Result<f64, TrackError> {
    if !value.is_finite() {
        Err(TrackError::NotFinite { field })
    } else if value.abs() > largest_value() {
        Err(TrackError::OutOfRange { field })
    } else {
        Ok(value)
    }
}

/// Checks a text that identifies something: it has to say something.
pub(crate) fn check_not_blank(field: &'static str, text: &str) -> Result<(), TrackError> {
    if text.bytes().all(|byte| byte.is_ascii_whitespace()) { Err(TrackError::InvalidName { field }) } else { Ok(()) }
}
