//! `DynamoDB` tables of the application: their capacity.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{BillingMode, OnDemandThroughput, ProvisionedThroughput, TableStatus};
use monitoring_core::action::{Capacity, Observed};

use super::CallFailure;
use crate::collect::failure::Failure;

/// What a table can do.
pub(super) async fn look(client: &Client, name: &str) -> Result<Observed, CallFailure> {
    let answer = client.describe_table().table_name(name).send().await;
    let answer = answer.map_err(|error| CallFailure::of("dynamodb:DescribeTable", &Failure::from(error)))?;
    let Some(table) = answer.table else {
        let reason = format!("dynamodb:DescribeTable said nothing about {name}");
        return Err(CallFailure { reason, retryable: false, certain: true });
    };
    let on_demand = table.billing_mode_summary.as_ref().and_then(|summary| summary.billing_mode.clone())
        == Some(BillingMode::PayPerRequest);
    let count = |units: i64| u32::try_from(units).unwrap_or_default();
    let capacity = if on_demand {
        let limits = table.on_demand_throughput.as_ref();
        // -1 is no limit.
        let limit = |units: Option<i64>| units.filter(|units| *units >= 0).map(count);
        Capacity::OnDemand {
            max_read: limit(limits.and_then(OnDemandThroughput::max_read_request_units)),
            max_write: limit(limits.and_then(OnDemandThroughput::max_write_request_units)),
        }
    } else {
        let throughput = table.provisioned_throughput.as_ref();
        let units = |units: Option<i64>| units.map(count).unwrap_or_default();
        Capacity::Provisioned {
            read: units(throughput.and_then(|throughput| throughput.read_capacity_units)),
            write: units(throughput.and_then(|throughput| throughput.write_capacity_units)),
        }
    };
    Ok(Observed::Table { active: table.table_status == Some(TableStatus::Active), capacity })
}

/// Sets what a table can do, in its mode.
pub(super) async fn set_capacity(client: &Client, name: &str, capacity: Capacity) -> Result<(), CallFailure> {
    let request = client.update_table().table_name(name);
    let request = match capacity {
        Capacity::Provisioned { read, write } => {
            let throughput = ProvisionedThroughput::builder()
                .read_capacity_units(i64::from(read))
                .write_capacity_units(i64::from(write))
                .build();
            match throughput {
                Ok(throughput) => request.provisioned_throughput(throughput),
                Err(error) => {
                    return Err(CallFailure { reason: error.to_string(), retryable: false, certain: true });
                }
            }
        }
        Capacity::OnDemand { max_read, max_write } => {
            let units = |max: Option<u32>| max.map_or(-1, i64::from);
            request.on_demand_throughput(
                OnDemandThroughput::builder()
                    .max_read_request_units(units(max_read))
                    .max_write_request_units(units(max_write))
                    .build(),
            )
        }
    };
    let updated = request.send().await;
    updated.map(drop).map_err(|error| CallFailure::of("dynamodb:UpdateTable", &Failure::from(error)))
}
