use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use monitoring_core::metric::Unit;
use tempfile::TempDir;

use super::*;

/// Files with a little of everything, in two folders.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/replay");

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

fn metric(name: &str, statistic: &str, files: &[&str]) -> Metric {
    let source = Source::Cloudwatch {
        namespace: "Test".to_owned(),
        metric_name: name.to_owned(),
        statistic: statistic.to_owned(),
    };
    Metric {
        name: name.to_owned(),
        category: monitoring_core::catalogue::Category::Application,
        description: String::new(),
        unit: Unit::Count,
        period_seconds: 300,
        source,
        dimensions: if files.is_empty() { vec![Dimensions::new()] } else { Vec::new() },
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    }
}

fn formula(name: &str, expression: &str) -> Metric {
    Metric { source: Source::Formula { expression: expression.to_owned() }, ..metric(name, "", &[]) }
}

fn catalogue() -> Catalogue {
    let mut catalogue = crate::catalogue::shipped_aws().unwrap();
    let metrics = [
        metric("Cpu", "Average", &["cpu_*.csv"]),
        metric("GroupCpu", "Average", &["cpu_group_*.csv"]),
        metric("RequestCount", "Sum", &[]),
        metric("ErrorCount", "Sum", &[]),
        metric("Unrecorded", "Sum", &[]),
        formula("ErrorRate", "100 * ErrorCount / RequestCount"),
        formula("DoubleCpu", "2 * Cpu"),
        formula("Share", "Unrecorded / RequestCount"),
    ];
    catalogue.metrics = metrics.into_iter().map(|metric| (metric.name.clone(), metric)).collect();
    catalogue
}

fn request(metric: &Metric, source: Option<&str>, start: &str, end: &str) -> SeriesRequest {
    SeriesRequest {
        metric: metric.name.clone(),
        source: metric.source.clone(),
        dimensions: source_is(source),
        period_seconds: metric.period_seconds,
        start: start.parse().unwrap(),
        end: end.parse().unwrap(),
    }
}

fn source_is(source: Option<&str>) -> Dimensions {
    source.map(|source| ("Source".to_owned(), source.to_owned())).into_iter().collect()
}

/// A file of its own, replayed.
fn load_bytes(name: &str, bytes: &[u8]) -> Replay {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    Replay::load(folder.path(), &mut catalogue()).unwrap()
}

/// The samples of the only series, as seconds and values.
fn only(replay: &Replay) -> Vec<(i64, f64)> {
    let all: Vec<_> = replay.all().collect();
    assert_eq!(all.len(), 1, "{:?}", replay.summary());
    all[0].2.iter().map(|sample| (sample.at.as_second(), sample.value)).collect()
}

#[test]
fn a_folder_is_read_with_its_folders() {
    let mut catalogue = catalogue();
    let replay = Replay::load(Path::new(FIXTURES), &mut catalogue).unwrap();
    let summary = replay.summary();
    let found: Vec<(&str, Dimensions)> =
        replay.all().map(|(metric, dimensions, _)| (metric, dimensions.clone())).collect();
    let expected = [
        ("Cpu", source_is(Some("web"))),
        ("ErrorCount", source_is(None)),
        ("GroupCpu", source_is(Some("blue"))),
        ("RequestCount", source_is(None)),
    ];
    assert_eq!(found, expected);
    assert_eq!((summary.files, summary.series, summary.samples), (3, 4, 18));
    assert_eq!(summary.first, Some("2026-11-01T10:00:00Z".parse().unwrap()));
    assert_eq!(summary.last, Some("2026-11-03T10:05:00Z".parse().unwrap()));
    let skipped: Vec<(&str, bool)> = summary
        .skipped
        .iter()
        .map(|skipped| (skipped.file.file_name().unwrap().to_str().unwrap(), skipped.reason.contains("no metric")))
        .collect();
    assert_eq!(skipped, [("counts.json", true), ("stray.csv", true)]);
    assert_eq!(summary.faults.len(), 1);
    assert_eq!(summary.faults[0].count, 3);
    assert_eq!(summary.faults[0].first, "line 5: the value \"n/a\" is not a number");
}

#[test]
fn the_catalogue_gets_what_was_found() {
    let mut catalogue = catalogue();
    let replay = Replay::load(Path::new(FIXTURES), &mut catalogue).unwrap();
    let dimensions = |name: &str| catalogue.metrics[name].dimensions.clone();
    assert_eq!(dimensions("Cpu"), [source_is(Some("web"))]);
    assert_eq!(dimensions("DoubleCpu"), [source_is(Some("web"))], "a formula has the series of its input");
    assert_eq!(dimensions("ErrorRate"), [Dimensions::new()]);
    assert_eq!(dimensions("Unrecorded"), [], "what was not recorded must not look like an outage");
    assert_eq!(dimensions("Share"), [], "one of two inputs counts as 0 otherwise");
    assert_eq!(replay.summary().without_data, ["Share", "Unrecorded"]);
}

#[test]
fn samples_fall_into_the_periods_of_the_request() {
    let catalogue = catalogue();
    let replay = Replay::load(Path::new(FIXTURES), &mut catalogue.clone()).unwrap();
    let cpu = &catalogue.metrics["Cpu"];
    // At 10:01, 10:04 and 10:06 of a day; 10:11 is beyond the end.
    let request = request(cpu, Some("web"), "2026-11-01T10:00:00Z", "2026-11-01T10:10:00Z");
    for (statistic, expected) in
        [("Average", [25.0, 60.0]), ("Sum", [50.0, 60.0]), ("Maximum", [30.0, 60.0]), ("SampleCount", [2.0, 1.0])]
    {
        let source = metric("Cpu", statistic, &[]).source;
        let answer = replay.series(&SeriesRequest { source, ..request.clone() }).unwrap();
        let at = |minute| request.start + SignedDuration::from_mins(minute);
        let samples = vec![Sample { at: at(0), value: expected[0] }, Sample { at: at(5), value: expected[1] }];
        assert_eq!(answer, vec![Series { dimensions: request.dimensions.clone(), samples }], "{statistic}");
    }
    let unknown = SeriesRequest { source: metric("Cpu", "Median", &[]).source, ..request.clone() };
    assert!(replay.series(&unknown).unwrap_err().contains("Median"));
    let elsewhere = SeriesRequest { dimensions: source_is(Some("db")), ..request.clone() };
    assert_eq!(replay.series(&elsewhere).unwrap(), []);
    let backwards = SeriesRequest { start: request.end, end: request.start, ..request };
    assert!(replay.series(&backwards).unwrap().iter().all(|series| series.samples.is_empty()));
}

#[test]
fn only_a_gap_within_a_recording_is_missing_data() {
    let catalogue = catalogue();
    let replay = Replay::load(Path::new(FIXTURES), &mut catalogue.clone()).unwrap();
    let cpu = &catalogue.metrics["Cpu"];
    // Recorded from 10:01 to 10:20, with nothing from 10:15.
    for (start, end, expected) in [
        ("09:50", "10:00", None),
        ("09:55", "10:05", Some(1)),
        ("10:15", "10:20", Some(0)),
        ("10:20", "10:25", Some(1)),
        ("10:25", "10:30", None),
    ] {
        let at = |time| format!("2026-11-01T{time}:00Z");
        let answer = replay.series(&request(cpu, Some("web"), &at(start), &at(end))).unwrap();
        assert_eq!(answer.first().map(|series| series.samples.len()), expected, "{start} to {end}");
    }
}

#[test]
fn spans_leave_out_the_gaps() {
    let replay = Replay::load(Path::new(FIXTURES), &mut catalogue()).unwrap();
    let at = |text: &str| -> Timestamp { text.parse().unwrap() };
    let first = (at("2026-11-01T10:00:00Z"), at("2026-11-01T10:20:00Z"));
    let second = (at("2026-11-03T10:00:00Z"), at("2026-11-03T10:05:00Z"));
    assert_eq!(replay.spans(SignedDuration::from_hours(6)), [first, second]);
    assert_eq!(replay.spans(SignedDuration::from_hours(48)), [(first.0, second.1)]);
    assert_eq!(Replay::default().spans(SignedDuration::from_hours(6)), []);
}

#[test]
fn the_digest_is_of_the_series() {
    let whole = Replay::load(Path::new(FIXTURES), &mut catalogue()).unwrap();
    let again = Replay::load(Path::new(FIXTURES), &mut catalogue()).unwrap();
    assert_eq!(whole.digest(), again.digest());
    let one = load_bytes("RequestCount.csv", b"60,1\n120,2\n");
    assert_eq!(one.digest(), load_bytes("request_count.csv", b"timestamp,value\n120,2\n60,1\n").digest());
    assert_ne!(one.digest(), load_bytes("RequestCount.csv", b"60,1\n120,3\n").digest());
    assert_ne!(one.digest(), load_bytes("ErrorCount.csv", b"60,1\n120,2\n").digest());
}

#[test]
fn times_are_read_in_each_of_their_forms() {
    for (text, second) in [
        ("2014-02-14 14:30:00", 1_392_388_200),
        ("2014-02-14T14:30:00Z", 1_392_388_200),
        ("2014-02-14T09:30:00-05:00", 1_392_388_200),
        ("2014-02-14 14:30:00.250", 1_392_388_200),
        ("\"2014-02-14 14:30:00\"", 1_392_388_200),
        ("1392388200", 1_392_388_200),
        ("1392388200.5", 1_392_388_200),
        ("1392388200000", 1_392_388_200),
    ] {
        let replay = load_bytes("RequestCount.csv", format!("{text},7").as_bytes());
        assert_eq!(only(&replay), [(second, 7.0)], "{text}");
    }
    for text in ["", "yesterday", "2014-02-30 00:00:00", "nan", "inf", "1e300", "-1e300", "99999-01-01T00:00:00Z"] {
        let replay = load_bytes("RequestCount.csv", format!("60,1\n{text},7").as_bytes());
        assert_eq!(only(&replay), [(60, 1.0)], "{text}");
        assert_eq!(replay.summary().faults[0].count, 1, "{text}");
    }
}

#[test]
fn a_header_names_the_columns() {
    for file in
        ["timestamp,value\n60,1", "value,unit,timestamp\n1,Count,60", "when,what\r\n60,1\r\n", "\u{feff}60,1,more"]
    {
        let replay = load_bytes("RequestCount.csv", file.as_bytes());
        assert_eq!(only(&replay), [(60, 1.0)], "{file:?}");
        assert_eq!(replay.summary().faults, [], "{file:?}");
    }
}

#[test]
fn hostile_lines_cost_only_themselves() {
    let mut file = b"timestamp,value\n180,3\n60,0\n".to_vec();
    file.extend(vec![b'7'; 1 << 20]);
    file.extend(b"\n\0\0\0,\0\n90,NaN\n91,inf\n92,1e999\n93\n,\n\xff\xfe,1\n94,1 2\n60,1\n120,2");
    let replay = load_bytes("RequestCount.csv", &file);
    assert_eq!(only(&replay), [(60, 1.0), (120, 2.0), (180, 3.0)], "sorted, the last of two at one time");
    let fault = &replay.summary().faults[0];
    assert_eq!(fault.count, 9);
    assert_eq!(fault.first, "line 4: has 1048576 bytes, more than 4096");
}

#[test]
fn a_file_without_datapoints_is_named() {
    let nested = "[".repeat(100_000);
    for (name, bytes, reason) in [
        ("RequestCount.csv", &b""[..], "has no datapoints"),
        ("RequestCount.csv", b"timestamp,value\n\n", "has no datapoints"),
        ("RequestCount.csv", b"\0\0\0\0", "has no datapoint that can be read; line 1"),
        ("RequestCount.json", b"", "is not JSON"),
        ("RequestCount.json", b"[]", "has no MetricDataResults"),
        ("RequestCount.json", b"{\"MetricDataResults\":[]}", "has no series"),
        ("RequestCount.json", nested.as_bytes(), "is not JSON"),
        ("ErrorRate.csv", b"60,1", "ErrorRate is computed as 100 * ErrorCount / RequestCount"),
        ("Unheard.csv", b"60,1", "no metric of the catalogue is called \"Unheard\""),
        ("cpus.csv", b"60,1", "no metric of the catalogue is called \"cpus\""),
    ] {
        let replay = load_bytes(name, bytes);
        let summary = replay.summary();
        assert_eq!(summary.skipped.len(), 1, "{name}: {summary:?}");
        assert!(summary.skipped[0].reason.starts_with(reason), "{name}: {}", summary.skipped[0].reason);
        assert_eq!((summary.files, summary.series), (0, 0), "{name}");
    }
}

#[test]
fn json_is_read_as_the_command_prints_it() {
    let replay = load_bytes(
        "export.json",
        br#"{"Messages": [], "MetricDataResults": [
            {"Id": "m1", "Label": "RequestCount", "StatusCode": "PartialData",
             "Timestamps": ["2026-11-01T10:05:00+00:00", "2026-11-01T10:00:00+00:00"], "Values": [2.0, 1.0]},
            {"Id": "m1", "Label": "RequestCount", "StatusCode": "Complete", "Timestamps": [1793527800.0], "Values": [3]},
            {"Id": "m2", "Label": "request_count", "Timestamps": [], "Values": []},
            {"Id": "errorcount", "Label": "5XX", "StatusCode": "InternalError",
             "Timestamps": [null, "2026-11-01T10:00:00Z", "2026-11-01T10:05:00Z"], "Values": [1, "two", 4]}
        ]}"#,
    );
    let summary = replay.summary();
    assert_eq!((summary.files, summary.series, summary.samples), (1, 2, 4));
    assert_eq!(summary.skipped.len(), 1, "two queries are not one series: {:?}", summary.skipped);
    assert!(summary.skipped[0].reason.starts_with("m2 and m1 are both RequestCount"));
    assert_eq!(summary.faults[0].count, 3);
    assert_eq!(summary.faults[0].first, "errorcount: CloudWatch's status is InternalError");
}

#[test]
fn links_pipes_and_missing_files_do_no_harm() {
    let folder = TempDir::new().unwrap();
    symlink(folder.path(), folder.path().join("circle")).unwrap();
    symlink("nowhere.csv", folder.path().join("RequestCount.csv")).unwrap();
    fs::write(folder.path().join("notes.txt"), "not telemetry").unwrap();
    let replay = Replay::load(folder.path(), &mut catalogue()).unwrap();
    assert_eq!(replay.summary().skipped.len(), 1, "{:?}", replay.summary());
    assert!(replay.summary().skipped[0].reason.starts_with("cannot be read"));

    let error = Replay::load(&folder.path().join("none"), &mut catalogue()).unwrap_err();
    assert!(error.to_string().starts_with("cannot replay "), "{error}");
}

#[test]
fn one_file_is_enough() {
    let mut catalogue = catalogue();
    let replay = Replay::load(&fixture("cpu_web.csv"), &mut catalogue).unwrap();
    assert_eq!((replay.summary().files, replay.summary().series), (1, 1));
    assert_eq!(catalogue.metrics["Cpu"].dimensions, [source_is(Some("web"))]);
}

#[test]
fn the_longest_pattern_wins() {
    let catalogue = catalogue();
    let found = |name| metric_of(&catalogue, name).map(|(metric, source)| (metric.name.as_str(), source));
    for (name, expected) in [
        ("cpu_web", Some(("Cpu", Some("web")))),
        ("cpu_group_blue", Some(("GroupCpu", Some("blue")))),
        ("cpu_group_", Some(("Cpu", Some("group_")))),
        ("requestcount", Some(("RequestCount", None))),
        ("request_count", Some(("RequestCount", None))),
        ("request_counts", None),
        ("", None),
    ] {
        assert_eq!(found(name), expected, "{name}");
    }
}

#[test]
fn costs_by_service_are_all_in_one_answer() {
    let mut catalogue = catalogue();
    let cost = Metric {
        source: Source::Cost { by_service: true },
        period_seconds: 86_400,
        ..metric("ServiceCost", "", &["cost_*.csv"])
    };
    catalogue.metrics = BTreeMap::from([(cost.name.clone(), cost.clone())]);
    let folder = TempDir::new().unwrap();
    for service in ["Lambda", "DynamoDB"] {
        fs::write(folder.path().join(format!("cost_{service}.csv")), "2026-11-01,12.5\n").unwrap();
    }
    let replay = Replay::load(folder.path(), &mut catalogue).unwrap();
    let answer = replay.series(&request(&cost, None, "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")).unwrap();
    let services: Vec<&str> = answer.iter().map(|series| series.dimensions["Service"].as_str()).collect();
    assert_eq!(services, ["DynamoDB", "Lambda"]);
}
