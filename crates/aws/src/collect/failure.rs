//! What AWS said when it did not do what it was asked, as one sentence that a person can act on.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep, timeout_at};

use super::Pace;

/// How often a throttled operation is tried.
const TRIES: u32 = 3;

/// The most of AWS's own message that is repeated, in characters.
const MAX_MESSAGE: usize = 200;

/// Codes that mean "slower", beside those that say so in their name.
const THROTTLING: [&str; 5] = [
    "LimitExceededException",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "BandwidthLimitExceeded",
    "SlowDown",
];

/// Codes with which AWS refuses a caller that it knows.
const DENIED: [&str; 6] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "UnauthorizedOperation",
    "NotAuthorized",
];

/// Codes with which AWS refuses credentials. Their messages are never repeated: that of a wrong signature quotes the
/// request, session token included.
const CREDENTIALS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
];

/// Why an operation failed.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// No answer in time. Whether it was carried out is not known.
    Timeout,
    /// No connection, or it broke.
    Unreachable,
    /// The request could not be made.
    Unsent,
    /// The answer could not be read.
    Unreadable {
        /// HTTP status.
        status: u16,
    },
    /// AWS said no.
    Refused {
        /// HTTP status.
        status: u16,
        /// The error's code, empty if it has none.
        code: String,
        /// AWS's explanation, where it helps and is harmless.
        message: String,
    },
}

impl<E: ProvideErrorMetadata> From<SdkError<E, HttpResponse>> for Failure {
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::TimeoutError(_) => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_timeout() => Self::Timeout,
            SdkError::DispatchFailure(failure) if failure.is_user() => Self::Unsent,
            SdkError::DispatchFailure(_) => Self::Unreachable,
            SdkError::ResponseError(response) => Self::Unreadable { status: response.raw().status().as_u16() },
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or_default().to_owned();
                let message = if explains(&code) { service.err().message().unwrap_or_default() } else { "" };
                Self::Refused { status: service.raw().status().as_u16(), message: one_line(message), code }
            }
            _ => Self::Unsent,
        }
    }
}

impl Failure {
    /// Whether AWS asks for fewer calls.
    pub(crate) fn is_throttling(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                *status == 429 || code.contains("Throttl") || THROTTLING.contains(&code.as_str())
            }
            _ => false,
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Timeout | Self::Unreachable => true,
            Self::Unsent => false,
            // An answer of success that cannot be read may have been an acceptance: twice is better than never.
            Self::Unreadable { status } => *status >= 500 || *status < 300,
            Self::Refused { status, .. } => *status >= 500 || self.is_throttling(),
        }
    }

    /// Whether something in the request itself is wrong.
    pub(crate) fn is_invalid_request(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if is_validation(code))
    }

    /// The code that AWS gave, or nothing.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            _ => "",
        }
    }

    /// What happened to an action, named as IAM does: `logs:StartQuery`.
    pub(crate) fn sentence(&self, action: &str) -> String {
        match self {
            Self::Timeout => format!("{action} did not answer in time"),
            Self::Unreachable => format!("{action} could not be reached; check the network and the endpoint"),
            Self::Unsent => format!("{action} could not be asked; check the region, the credentials and the endpoint"),
            Self::Unreadable { status } => {
                format!("{action} gave an answer that cannot be read, with HTTP status {status}")
            }
            Self::Refused { code, .. } if DENIED.contains(&code.as_str()) => {
                format!("the role may not call {action} ({code})")
            }
            Self::Refused { code, .. } if CREDENTIALS.contains(&code.as_str()) => {
                format!("{action} refused the credentials ({code}); renew them")
            }
            Self::Refused { code, .. } if self.is_throttling() => {
                format!("{action} is throttled ({code}); ask for less, or for a higher quota")
            }
            Self::Refused { status, code, message } => {
                let code = if code.is_empty() { format!("HTTP status {status}") } else { code.clone() };
                if message.is_empty() {
                    format!("{action} failed with {code}")
                } else {
                    format!("{action} failed with {code}: {message}")
                }
            }
        }
    }
}

/// Tries an operation again while it is throttled, but not beyond the deadline.
pub(super) async fn retrying<T, E, F>(pace: &Pace, deadline: Instant, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
{
    let mut tried = 0;
    loop {
        let failure = match timeout_at(deadline, ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => return Err(Failure::Timeout),
        };
        tried += 1;
        let wait = jittered(pace.back_off * 2u32.pow(tried));
        if tried == TRIES || !failure.is_throttling() || Instant::now() + wait >= deadline {
            return Err(failure);
        }
        sleep(wait).await;
    }
}

/// Between half of a time and the whole, so that callers that were throttled together come back apart.
fn jittered(most: Duration) -> Duration {
    // `RandomState` is seeded by the system: enough for this, and no dependency.
    let random = RandomState::new().hash_one(0u8) % 1000;
    most / 2 + most.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 2000.0)
}

fn is_validation(code: &str) -> bool {
    ["InvalidParameter", "Validation", "MissingParameter", "MissingRequiredParameter"]
        .iter()
        .any(|start| code.starts_with(start))
}

/// Whether AWS's message helps, and can hold no secret.
fn explains(code: &str) -> bool {
    is_validation(code) || ["MalformedQueryException", "ResourceNotFoundException"].contains(&code)
}

fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).take(MAX_MESSAGE).collect();
    line.trim().trim_end_matches('.').to_owned()
}
