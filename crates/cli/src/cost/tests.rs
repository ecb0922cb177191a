use std::path::Path;
use std::sync::{Arc, Mutex};

use monitoring_aws::actions::{Answer, Request};
use monitoring_aws::monitoring::{Engines, Monitor};
use monitoring_aws::outside::{
    AlarmState, ApplyError, Outside, Publication, PublishError, SeriesAnswer, SeriesRequest,
};
use monitoring_aws::store::Store;
use monitoring_core::catalogue::{Catalogue, Engine, Source};
use monitoring_core::investigation::{Gathered, Wanted};
use monitoring_core::metric::{Sample, Series};

use super::*;
use crate::catalogue::Loaded;
use crate::local::engine::Engine as DynamoDb;
use monitoring_aws::http::{Http, Timeouts};

fn shipped() -> Loaded {
    load_deployment(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../monitoring.yaml")).unwrap()
}

fn traffic() -> Traffic {
    Traffic {
        requests: 1_000_000,
        operations: 1,
        tiers: 1,
        incidents: 20,
        sms: 5,
        drafts: 0,
        memory: 256,
        cycle_ms: 500,
        tick_ms: 100,
        watching_alarms: 12,
    }
}

fn bill(loaded: &Loaded, traffic: &Traffic) -> Bill {
    Bill::new(&Prices::shipped().unwrap(), usage::lines(&loaded.catalogue, &loaded.deployment, traffic)).unwrap()
}

/// Counts what a cycle asks for.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<Mutex<Vec<SeriesRequest>>>);

impl Outside for Counting {
    async fn series(&self, requests: &[SeriesRequest], _: jiff::Timestamp) -> Vec<SeriesAnswer> {
        self.0.lock().unwrap().extend(requests.iter().cloned());
        // There is a datapoint of each period, as in most hours; what is late is asked for again.
        let newest = |request: &SeriesRequest| {
            let at = request.end - jiff::SignedDuration::from_secs(i64::from(request.period_seconds));
            Series::new(request.dimensions.clone(), vec![Sample { at, value: 100.0 }])
        };
        requests.iter().map(|request| Ok(vec![newest(request)])).collect()
    }

    async fn evidence(&self, _: &Wanted) -> Gathered {
        Gathered::default()
    }

    async fn alarms(&self, _: &str) -> Result<Vec<AlarmState>, String> {
        Ok(Vec::new())
    }

    async fn invoke(&self, _: &str, _: &serde_json::Value) -> Result<(), PublishError> {
        Ok(())
    }

    async fn publish(&self, _: &str, _: &Publication) -> Result<(), PublishError> {
        Ok(())
    }

    async fn check_topic(&self, _: &str, _: bool) -> Result<Vec<String>, String> {
        Ok(Vec::new())
    }

    async fn apply(&self, _: &Request) -> Result<Answer, ApplyError> {
        Err(ApplyError { retryable: false, reason: "a cycle does nothing by itself".to_owned() })
    }
}

/// The dearest line of the service engine is what the monitoring handler really asks for, in its first cycle and in an hour.
#[tokio::test]
async fn the_series_of_the_bill_are_those_that_cycles_read() {
    let loaded = shipped();
    let counting = Counting::default();
    let service = loaded.catalogue.service.clone();
    let tables = DynamoDb::start(None, &service, "cost").await.unwrap();
    let client = DynamoDb::client(&tables.endpoint(), &Http::new(Timeouts::default()));
    let store = Store::new(client, &service, "cost");
    let monitor = Monitor::new(store, counting.clone(), loaded.catalogue.clone(), Engines::Service, "cost".to_owned());
    let begin: jiff::Timestamp = "2024-10-14T12:03:00Z".parse().unwrap();
    monitor.cycle(begin).await;
    let asked = || counting.0.lock().unwrap().len();
    let rules = loaded.catalogue.rules.values().filter(|rule| rule.engine == Engine::Service);
    let reads = reading::reads(&loaded.catalogue, rules);
    assert_eq!(reads.len(), asked(), "a process that knows nothing reads everything");

    counting.0.lock().unwrap().clear();
    for minute in 1..=60 {
        monitor.cycle(begin + jiff::SignedDuration::from_mins(minute)).await;
    }
    tables.stop().await.unwrap();
    let is_cost = |request: &SeriesRequest| matches!(request.source, Source::Cost { .. });
    let of_metrics = counting.0.lock().unwrap().iter().filter(|request| !is_cost(request)).count();
    let a_month: f64 = reads.iter().map(|read| reading::times(&loaded.catalogue, read)).sum();
    // But for a day that ends within one hour of 24.
    let an_hour = a_month / 730.0 - 1.0 / 24.0;
    assert!((usage::count(of_metrics) - an_hour).abs() < 1e-6, "{of_metrics} in an hour, {a_month} in 730");
}

/// By hand: 3 application series and 1 of concurrency each minute; 4 of five minutes, 4 of an hour and one of a day when a
/// period is complete.
#[test]
fn what_has_nothing_new_is_not_read() {
    let loaded = shipped();
    let item =
        bill(&loaded, &traffic()).items.into_iter().find(|item| item.what == "series that the cycles read").unwrap();
    let an_hour = 4.0 * 60.0 + 4.0 * 12.0 + 4.0 + 1.0 / 24.0;
    assert!((item.quantity - an_hour * 730.0).abs() < 1e-6, "{}", item.quantity);
}

/// The goal of the project, for the set-up that AI Nutritionist described, even where something else in the account uses up
/// all allowances.
#[test]
fn the_reference_set_up_costs_less_than_25_dollars() {
    let bill = bill(&shipped(), &traffic());
    assert!(bill.list_usd() < 25.0, "{}", bill.list_usd());
    assert!(bill.list_usd() > bill.due_usd());
    let lines: f64 = bill.items.iter().map(|item| item.due_usd).sum();
    assert!((lines - bill.due_usd()).abs() < 1e-9);
}

/// By hand: 43,800 cycles a month; a metric of an alarm is 10 cents, a dashboard 3 dollars, a thousand series a cent.
#[test]
fn lines_are_quantity_times_price() {
    let loaded = shipped();
    let bill = bill(&loaded, &traffic());
    let item = |what: &str| bill.items.iter().find(|item| item.what == what).unwrap();
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    // Two of api-gateway-latency, six of lambda-duration and of lambda-throttles, one of dead-letters; four of
    // dynamodb-throttles and one of cache-hit-rate on two metrics each.
    close(item("alarms of the rules").quantity, 25.0);
    let dashboards = item("dashboards");
    close(dashboards.list_usd, 9.0);
    close(dashboards.due_usd, 0.0);
    let series = item("series that the cycles read");
    close(series.list_usd, series.quantity / 1000.0 * 0.01);
    // The allowance of ten metrics is used up by the first line that has any.
    close(item("metrics of the application").quantity, 11.0);
    close(item("metrics of the application").due_usd, 0.30);
    close(item("... by operation").due_usd, 4.0 * 0.30);
    // One a day, for the total and for the services.
    let cost_explorer = bill.items.iter().find(|item| item.service == "Cost Explorer").unwrap();
    close(cost_explorer.quantity, 730.0 / 24.0);
    close(item("key").due_usd, 1.0);
    // Cycles, ticks and canaries each minute, the reminder each hour, and the changes of alerts.
    close(item("invocations").quantity, 3.0 * 43_800.0 + 730.0 + 80.0);
    // Six figures, and two of each of three teams and four priorities, in one hour of each day.
    close(item("figures of action items").list_usd, 20.0 / 24.0 * 0.30);
}

/// A dashboard of more than 50 metrics is not one of the three that are free.
#[test]
fn a_large_dashboard_is_not_free() {
    let mut loaded = shipped();
    let main = loaded.deployment.dashboards.get_mut("AI-Nutritionist-Main-Dashboard").unwrap();
    let widgets = main.body["widgets"].as_array_mut().unwrap();
    let chart = widgets.iter().find(|widget| widget["type"] == "metric").unwrap().clone();
    widgets.extend(vec![chart; 50]);
    let bill = bill(&loaded, &traffic());
    let large = bill.items.iter().find(|item| item.what == "large dashboards").unwrap();
    assert!((large.due_usd - 3.0).abs() < 1e-9, "{large:?}");
}

#[test]
fn more_traffic_costs_more() {
    let loaded = shipped();
    let little = bill(&loaded, &traffic()).list_usd();
    for more in [
        Traffic { requests: 10_000_000, ..traffic() },
        Traffic { operations: 5, ..traffic() },
        Traffic { tiers: 4, ..traffic() },
        Traffic { incidents: 2_000, ..traffic() },
        Traffic { memory: 1024, ..traffic() },
        Traffic { watching_alarms: 50, ..traffic() },
    ] {
        assert!(bill(&loaded, &more).list_usd() > little + 0.01, "{more:?}");
    }
}

fn compared(catalogue: &Catalogue, rule: &str) -> engines::Comparison {
    let all = engines::compare(catalogue, &Prices::shipped().unwrap()).unwrap();
    all.into_iter().find(|comparison| comparison.rule == rule).unwrap()
}

#[test]
fn a_rule_has_a_price_and_a_delay_on_either_engine() {
    let Loaded { catalogue, .. } = shipped();
    // Two tables, two levels, reads and writes: 8 metrics in alarms. By the service: 4 series, 43,800 times a month.
    let throttles = compared(&catalogue, "dynamodb-throttles");
    let alarm = throttles.alarm.unwrap();
    assert!((alarm.usd - 0.80).abs() < 1e-9, "{alarm:?}");
    assert!((throttles.service.usd - 4.0 * 0.438).abs() < 1e-9, "{:?}", throttles.service);
    // 2 of 3 periods of a minute, a minute until CloudWatch has the data, a minute until somebody looks.
    assert_eq!((alarm.delay_seconds, throttles.service.delay_seconds), (240, 240));

    // `response-time` reads RequestCount, too, so that this adds nothing; and nothing is not a negative zero.
    assert!(compared(&catalogue, "traffic-absent").service.usd.to_bits() == 0);

    for (rule, reason) in [
        ("error-rate", "alarms know no `clear`"),
        ("revenue", "alarms know no `active_hours`"),
        ("daily-cost", "TotalCost is not in CloudWatch"),
    ] {
        let comparison = compared(&catalogue, rule);
        assert_eq!((comparison.alarm, comparison.no_alarm.as_deref()), (None, Some(reason)), "{rule}");
    }
    // A day, six hours until it is read, a minute until somebody looks.
    assert_eq!(compared(&catalogue, "daily-cost").service.delay_seconds, 86_400 + 21_600 + 60);
}

#[test]
fn every_alarm_of_the_catalogue_costs_what_its_rule_says() {
    let loaded = shipped();
    for comparison in engines::compare(&loaded.catalogue, &Prices::shipped().unwrap()).unwrap() {
        if comparison.engine != Engine::Alarm {
            continue;
        }
        let alarms = loaded.deployment.alarms.values().filter(|alarm| alarm.rule == comparison.rule);
        let metrics: usize = alarms.map(crate::catalogue::deployment::MetricAlarm::metrics).sum();
        let usd = comparison.alarm.unwrap().usd;
        assert!((usd - 0.10 * usage::count(metrics)).abs() < 1e-9, "{} {usd}", comparison.rule);
    }
}

#[test]
fn every_price_is_usable_and_has_a_source() {
    let prices = Prices::shipped().unwrap();
    assert!(prices.as_of.parse::<jiff::civil::Date>().is_ok());
    for (name, price) in prices.all() {
        assert!(price.usd > 0.0 && price.per > 0.0 && price.free >= 0.0, "{name}");
        assert!(price.source.starts_with("https://aws.amazon.com/"), "{name}");
    }
}
