//! What a monitoring cycle costs.

use monitorctl::catalogue::shipped;
use scenarios::messages::catalogue_of;
use scenarios::{Options, ToSpan, World};

/// The requests to the tables of one cycle a minute from now.
async fn requests_of_a_cycle(world: &World) -> Vec<String> {
    let passed = world.dynamodb.count();
    world.advance(1.minute());
    world.cycle().await;
    let mut operations: Vec<String> =
        world.dynamodb.seen().into_iter().skip(passed).map(|request| request.operation).collect();
    operations.sort();
    operations
}

#[tokio::test]
async fn a_cycle_costs_the_same_for_5_and_for_500_metrics_but_for_what_changed() {
    for series in [5, 500] {
        let catalogue = catalogue_of(shipped().unwrap(), series);
        let world = World::with(Options { catalogue, ..Options::default() }).await;
        world.outside.reads("LambdaThrottles", 0.0);
        for number in 1..=3 {
            world.outside.reads(&format!("LambdaThrottles{{FunctionName=f{number:03}}}"), 0.0);
        }
        assert_eq!(requests_of_a_cycle(&world).await, ["Query"], "{series} series, nothing wrong");

        // Three of them go wrong: pending first, then firing, which is published and marked.
        for number in 1..=3 {
            world.outside.reads(&format!("LambdaThrottles{{FunctionName=f{number:03}}}"), 60.0);
        }
        assert_eq!(requests_of_a_cycle(&world).await, ["Query"], "{series} series, not yet seen");
        let pending = ["PutItem", "PutItem", "PutItem", "Query"];
        assert_eq!(requests_of_a_cycle(&world).await, pending, "{series} series");
        let firing = [&pending[..], &["UpdateItem"; 3]].concat();
        assert_eq!(requests_of_a_cycle(&world).await, firing, "{series} series");
        assert_eq!(world.outside.published(), 3);

        // Every fifth minute the open incidents are listed, in four parts, and read at once.
        world.deliver().await;
        let comparing = ["BatchGetItem", "Query", "Query", "Query", "Query", "Query"];
        assert_eq!(requests_of_a_cycle(&world).await, comparing, "{series} series");
        assert_eq!(requests_of_a_cycle(&world).await, ["Query"], "{series} series, still wrong");
    }
}

/// What `monitorctl cost` assumes of the calls of cycles and ticks: in a quiet hour 60 cycles read the alerts, 12 of them list
/// the open incidents in four parts to compare, and 60 ticks look for due incidents, due messages and open incidents, in four
/// parts each. Nothing is written, and nothing is published but the canary of each cycle.
#[tokio::test]
async fn a_quiet_hour_makes_the_calls_that_the_bill_counts() {
    let catalogue = catalogue_of(shipped().unwrap(), 5);
    let world = World::with(Options { catalogue, ..Options::default() }).await;
    world.outside.reads("LambdaThrottles", 0.0);
    for number in 1..=3 {
        world.outside.reads(&format!("LambdaThrottles{{FunctionName=f{number:03}}}"), 0.0);
    }
    world.fast_forward(60.minutes()).await;
    let operations: Vec<String> = world.dynamodb.seen().into_iter().map(|request| request.operation).collect();
    let queries = operations.iter().filter(|operation| *operation == "Query").count();
    assert_eq!(queries, 60 + 12 * 4 + 60 * 3 * 4);
    assert_eq!(operations.len(), queries, "{operations:?}");
}
