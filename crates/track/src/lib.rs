//! What an application calls to be monitored: three calls, each of which becomes one log line in
//! CloudWatch's [Embedded Metric Format][emf] on standard output. CloudWatch makes the catalogue's
//! metrics from that line, and the same line answers the Logs Insights queries; nothing else is
//! called, and nothing waits.
//!
//! ```
//! use monitoring_track::{BusinessMetric, Monitoring, Performance, SecurityEvent};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), monitoring_track::TrackError> {
//! let monitoring = Monitoring::new();
//!
//! monitoring.track_business_metric(
//!     BusinessMetric::new("meal_plan_generated", 1.0)
//!         .user_id("user123")
//!         .subscription_tier("premium"),
//! )?;
//! monitoring.track_performance(
//!     Performance::new("generate_meal_plan", 1500.0).success(true).cache_hit(false),
//! )?;
//! monitoring.track_security_event(
//!     SecurityEvent::new("failed_authentication").user_id("user123").source_ip("203.0.113.7"),
//! )?;
//!
//! // Lambda freezes the process when the handler returns: whatever is still queued must be out.
//! monitoring.flush().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is written
//!
//! | call | namespace | metrics | dimension sets |
//! |---|---|---|---|
//! | [`track_performance`](Monitoring::track_performance) | `AI-Nutritionist/Application` | `RequestCount`, `ErrorCount`, `ResponseTime`, `CacheHits` | none; `operation` |
//! | [`track_business_metric`](Monitoring::track_business_metric) | `AI-Nutritionist/Business` | `MealPlansGenerated`, `Revenue`, `SignUps`, `Subscriptions`, `ActiveUsers`, or the name in `PascalCase` | none; `subscription_tier` |
//! | [`track_security_event`](Monitoring::track_security_event) | `AI-Nutritionist/Security` | `SecurityEvents`, `FailedAuthentications` | none |
//! | lost records, when there are any | `AI-Nutritionist/Application` | `DroppedRecords`, `RefusedRecords` | none |
//!
//! # What is bounded
//!
//! Every distinct metric and every distinct dimension value is a custom metric that is paid for,
//! so each has a limit: see [`MAX_OPERATIONS`] and [`MAX_UNCATALOGUED_METRICS`]. A user id is a
//! property of the line, never a dimension. The queue in front of standard output is bounded
//! ([`QUEUE_CAPACITY`]); when it is full the oldest record is dropped and counted.
//!
//! # Circuit breakers
//!
//! With the feature `circuit-breaker` (off by default; it brings `aws-sdk-ssm`) the application asks
//! before it calls a service, and the suite's action `circuit_breaker` answers through Parameter Store:
//!
//! ```no_run
//! # #[cfg(feature = "circuit-breaker")]
//! # fn ask(client: aws_sdk_ssm::Client) {
//! use monitoring_track::CircuitBreakers;
//!
//! // Once, at the start; cheap to clone.
//! let breakers = CircuitBreakers::new(client, "/ai-nutritionist/circuit-breaker/");
//! if breakers.allows("model") {
//!     // Call it; otherwise do without.
//! }
//! # }
//! ```
//!
//! # How the crate is laid out
//!
//! One module for each call, which turns what the caller said into a record; `record` and
//! `emf_stream` write records through [metrique]; `monitoring` holds them together.
//! `circuit_breaker` stands beside them, behind the feature of that name.
//!
//! [emf]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
//! [metrique]: https://github.com/awslabs/metrique

mod business_metric;
#[cfg(feature = "circuit-breaker")]
mod circuit_breaker;
mod distinct_names;
mod emf_stream;
mod error;
mod monitoring;
mod performance;
mod record;
mod security_event;

pub use business_metric::{BusinessMetric, MAX_UNCATALOGUED_METRICS};
#[cfg(feature = "circuit-breaker")]
pub use circuit_breaker::CircuitBreakers;
pub use error::TrackError;
pub use monitoring::{Monitoring, MonitoringBuilder, QUEUE_CAPACITY};
pub use performance::{MAX_OPERATIONS, Performance};
pub use security_event::SecurityEvent;
