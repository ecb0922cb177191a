//! What an application does: three calls, then a flush. The lines on standard output are what
//! CloudWatch makes metrics of.
//!
//! `cargo run -p monitoring-track --example track`

use monitoring_track::{BusinessMetric, Monitoring, Performance, SecurityEvent, TrackError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), TrackError> {
    let monitoring = Monitoring::new();

    monitoring.track_business_metric(
        BusinessMetric::new("meal_plan_generated", 1.0).user_id("user123").subscription_tier("premium"),
    )?;
    monitoring
        .track_business_metric(BusinessMetric::new("revenue", 9.99).user_id("user123").subscription_tier("premium"))?;
    monitoring
        .track_performance(Performance::new("generate_meal_plan", 1500.0).success(true).cache_hit(false).cost(0.002))?;
    monitoring.track_performance(
        Performance::new("generate_meal_plan", 5200.0).success(false).error("the recipe service timed out"),
    )?;
    monitoring.track_security_event(
        SecurityEvent::new("failed_authentication").user_id("user123").source_ip("203.0.113.7"),
    )?;

    monitoring.flush().await;
    Ok(())
}
