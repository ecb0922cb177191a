use super::*;
use crate::metric::{Sample, Unit};

mod properties;

/// A minute between two samples; minute 0 is 12:00.
const NOON: i64 = 1_700_049_600;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(NOON + 60 * minute).unwrap()
}

/// One sample a minute from the given one on.
fn samples(start: i64, values: &[f64]) -> Vec<Sample> {
    (start..).zip(values).map(|(at, value)| Sample { at: minute(at), value: *value }).collect()
}

/// A level with some noise that has no direction: -2, -1, 0, 1, 2 % of it, over and over.
fn noise(level: f64, count: i64) -> Vec<f64> {
    (0..count).map(|index| level * (1.0 + f64::from(i32::try_from((index * 7) % 5 - 2).unwrap()) / 100.0)).collect()
}

/// Normal for an hour, and again until noon; then the values.
fn measured(name: &str, kind: Kind, level: f64, since: &[f64]) -> Measured {
    let mut around = samples(-10, &noise(level, 10));
    around.extend(samples(0, since));
    Measured { name: name.to_owned(), kind, unit: None, normal: samples(-1000, &noise(level, 60)), around }
}

fn latency(level: f64, since: f64) -> Measured {
    measured("latency", Kind::Latency, level, &[since; 3])
}

fn requests(level: f64, since: f64) -> Measured {
    measured("requests", Kind::Requests, level, &[since; 3])
}

/// 100 % until noon.
fn availability(since: f64) -> Measured {
    let always = vec![100.0; 60];
    let mut around = samples(-10, &[100.0; 10]);
    around.extend(samples(0, &[since; 3]));
    Measured {
        name: "availability".to_owned(),
        kind: Kind::Availability,
        unit: None,
        normal: samples(-1000, &always),
        around,
    }
}

fn node(name: &str, metrics: Vec<Measured>) -> Node {
    Node { name: name.to_owned(), metrics }
}

/// `a>b b>c`
#[expect(clippy::unnecessary_wraps, reason = "as an input has it")]
fn calls(text: &str) -> Option<Vec<Call>> {
    let call = |(caller, callee): (&str, &str)| Call { caller: caller.to_owned(), callee: callee.to_owned() };
    Some(text.split_whitespace().map(|pair| call(pair.split_once('>').unwrap())).collect())
}

fn input(nodes: Vec<Node>, graph: Option<Vec<Call>>) -> Input {
    let target = Some(Target { node: "site".to_owned(), kind: None });
    Input { nodes, calls: graph, target, noticed_at: Some(minute(0)) }
}

fn order(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis.causes().iter().map(|cause| cause.node.as_str()).collect()
}

/// The likeliest cause.
fn check(story: &str, input: &Input, expected: &str) -> Diagnosis {
    let diagnosis = diagnose(input);
    assert_eq!(order(&diagnosis).first(), Some(&expected), "{story}: {diagnosis:#?}");
    let total: f64 = diagnosis.causes().iter().map(|cause| cause.certainty).sum();
    assert!(total <= 1.0 + 1e-9, "{story}: {total}");
    diagnosis
}

/// A site that calls a shop, which calls a store; each passes on what the next one needs longer. 100 requests a minute.
fn chain(site: f64, shop: f64, store: f64) -> Vec<Node> {
    vec![
        node("site", vec![latency(200.0, site), requests(100.0, 100.0)]),
        node("shop", vec![latency(100.0, shop), requests(100.0, 100.0)]),
        node("store", vec![latency(20.0, store), requests(100.0, 100.0)]),
    ]
}

#[test]
fn the_lowest_that_is_slow_is_the_cause() {
    let graph = || calls("site>shop shop>store");
    for (nodes, expected) in [
        (chain(500.0, 400.0, 320.0), "store"),
        (chain(500.0, 400.0, 20.0), "shop"),
        (chain(500.0, 100.0, 20.0), "site"),
        // The store is a little slower as well, but a tenth of what the shop is.
        (chain(500.0, 400.0, 50.0), "shop"),
    ] {
        check(expected, &input(nodes, graph()), expected);
    }
}

#[test]
fn failures_travel_up_and_keep_their_number() {
    let failing = |site, shop, store| {
        vec![
            node("site", vec![availability(site), requests(200.0, 200.0)]),
            node("shop", vec![availability(shop), requests(100.0, 100.0)]),
            node("store", vec![availability(store), requests(400.0, 400.0)]),
        ]
    };
    let graph = || calls("site>shop shop>store");
    check("shop", &input(failing(95.0, 90.0, 100.0), graph()), "shop");
    check("store", &input(failing(95.0, 90.0, 97.5), graph()), "store");
    check("site", &input(failing(90.0, 100.0, 100.0), graph()), "site");
    // The same as a share of failures.
    let error_rate = |since| measured("errors", Kind::ErrorRate, 0.0, &[since; 3]);
    let nodes = vec![
        node("site", vec![error_rate(5.0), requests(200.0, 200.0)]),
        node("shop", vec![error_rate(10.0), requests(100.0, 100.0)]),
    ];
    check("error rate", &input(nodes, graph()), "shop");
}

#[test]
fn what_cannot_account_for_the_alarm_is_not_its_cause() {
    // The batch is ten times as slow as ever, but it is called once a minute.
    let mut nodes = chain(500.0, 400.0, 20.0);
    nodes.push(node("batch", vec![latency(100.0, 1000.0), requests(1.0, 1.0)]));
    check("rare calls", &input(nodes, calls("site>shop shop>store site>batch")), "shop");
}

#[test]
fn several_callees_a_little_slow_each_point_at_their_caller() {
    // What the shop measures of its callees is slow because the shop is.
    let slow = |name| node(name, vec![latency(50.0, 95.0), requests(100.0, 100.0)]);
    let mut nodes = chain(500.0, 400.0, 20.0);
    nodes.extend([slow("bank"), slow("mail"), slow("map")]);
    check("starved", &input(nodes, calls("site>shop shop>store shop>bank shop>mail shop>map")), "shop");
}

#[test]
fn a_caller_that_sends_more_explains_slow_callees() {
    let nodes = vec![
        node("site", vec![latency(200.0, 500.0), requests(100.0, 100.0)]),
        node("shop", vec![latency(100.0, 400.0), requests(100.0, 400.0)]),
        node("store", vec![latency(20.0, 90.0), requests(100.0, 400.0)]),
    ];
    let diagnosis = check("overload", &input(nodes, calls("site>shop shop>store")), "shop");
    let evidence = diagnosis.causes()[0].evidence.join("; ");
    assert!(evidence.contains("4 times its usual requests"), "{evidence}");
}

#[test]
fn a_slow_callee_explains_failures_of_those_that_wait_for_it() {
    let nodes = vec![
        node("site", vec![availability(90.0), latency(200.0, 500.0), requests(100.0, 100.0)]),
        node("store", vec![availability(100.0), latency(20.0, 320.0), requests(100.0, 100.0)]),
    ];
    let mut input = input(nodes, calls("site>store"));
    input.target = Some(Target { node: "site".to_owned(), kind: Some(Kind::Availability) });
    check("time-out", &input, "store");
}

#[test]
fn without_a_graph_the_answer_is_less_sure_and_says_so() {
    let with = check("with", &input(chain(500.0, 400.0, 320.0), calls("site>shop shop>store")), "store");
    for graph in [None, Some(Vec::new()), calls("site>site")] {
        let without = check("without", &input(chain(500.0, 400.0, 320.0), graph), "store");
        assert!(with.graph_known && !without.graph_known);
        assert!(without.causes()[0].certainty < with.causes()[0].certainty);
        assert!(without.causes()[0].evidence.contains(&"what it calls is not known".to_owned()));
    }
}

#[test]
fn a_missing_call_does_not_hide_the_cause() {
    for graph in ["site>shop", "shop>store"] {
        check(graph, &input(chain(500.0, 400.0, 320.0), calls(graph)), "store");
    }
}

#[test]
fn a_node_without_metrics_connects_those_around_it() {
    let mut nodes = chain(500.0, 0.0, 320.0);
    nodes[1].metrics.clear();
    let diagnosis = check("unmeasured", &input(nodes, calls("site>shop shop>store")), "store");
    assert_eq!(order(&diagnosis), ["store", "site"]);
}

#[test]
fn a_quiet_window_is_nothing_abnormal() {
    let quiet = input(chain(200.0, 100.0, 20.0), calls("site>shop shop>store"));
    for input in [quiet.clone(), Input { target: None, ..quiet.clone() }, Input { noticed_at: None, ..quiet }] {
        let diagnosis = diagnose(&input);
        assert_eq!((diagnosis.finding, diagnosis.compared, diagnosis.since), (Finding::NothingAbnormal, 6, None));
    }
}

#[test]
fn what_is_not_felt_at_the_target_is_nothing_abnormal_there() {
    let graph = calls("site>shop shop>store");
    assert_eq!(diagnose(&input(chain(200.0, 100.0, 320.0), graph)).finding, Finding::NothingAbnormal);
}

#[test]
fn nothing_to_compare_is_said() {
    let only_since = |value| Measured { around: samples(0, &[value]), normal: Vec::new(), ..latency(1.0, 1.0) };
    for nodes in [vec![], vec![node("site", vec![])], vec![node("site", vec![only_since(9.0)])]] {
        assert_eq!(diagnose(&input(nodes, None)).finding, Finding::NothingToCompare);
    }
}

#[test]
fn the_answer_says_when_and_how_far_in_words() {
    // The store is slow from 12:00 on, the site from 12:01 on.
    let mut nodes = chain(0.0, 400.0, 320.0);
    nodes[0].metrics[0] = measured("latency", Kind::Latency, 200.0, &[200.0, 500.0, 500.0]);
    let diagnosis = check("words", &input(nodes, calls("site>shop shop>store")), "store");
    assert_eq!(diagnosis.since, Some(minute(0)));
    let [store, ..] = diagnosis.causes() else { panic!() };
    assert_eq!(store.changes.len(), 1);
    let change = &store.changes[0];
    assert_eq!(
        (change.metric.as_str(), change.from, change.to, change.onset),
        ("latency", 20.0, 320.0, Some(minute(0)))
    );
    // By hand: the least spread is 5 % of 20, so 300 is 300 spreads; all of the site's 300 a request.
    assert_eq!(
        store.evidence,
        [
            "latency 320 instead of 20 since 12:00 UTC, 300 times its usual spread",
            "it calls nothing that is known",
            "it accounts for all of the extra time of site",
        ]
    );
    // A metric that has a unit is told with it.
    let mut nodes = chain(3632.0, 3532.0, 20.0);
    nodes[2].metrics[0] =
        Measured { unit: Some(Unit::Milliseconds), ..measured("latency", Kind::Latency, 504.0, &[3936.0, 3936.0]) };
    let with_unit = check("unit", &input(nodes, calls("site>shop shop>store")), "store");
    let sentence = &with_unit.causes()[0].evidence[0];
    assert!(sentence.starts_with("latency 3.94 s instead of 504 ms since 12:00 UTC, "), "{sentence}");
    // What had never moved has no spread to count by.
    let mut nodes = chain(3632.0, 3532.0, 20.0);
    let still = |value: f64| (0..60).map(|_| value).collect::<Vec<f64>>();
    nodes[2].metrics.push(Measured {
        unit: Some(Unit::Count),
        normal: samples(-1000, &still(0.0)),
        around: samples(-10, &[&still(0.0)[..10], &[2.6, 2.6, 2.6]].concat()),
        ..measured("throttles", Kind::HigherIsWorse, 0.0, &[])
    });
    let diagnosis_of_still = diagnose(&input(nodes, calls("site>shop shop>store")));
    let store = diagnosis_of_still.causes().iter().find(|cause| cause.node == "store").unwrap();
    let expected = "throttles 2.6 instead of 0 since 12:00 UTC, where it had been constant";
    assert!(store.evidence.contains(&expected.to_owned()), "{:?}", store.evidence);
    let site = diagnosis.causes().iter().find(|cause| cause.node == "site").unwrap();
    assert_eq!(site.changes[0].onset, Some(minute(1)));
    assert!(
        site.evidence[1].starts_with("shop, which it calls and which changed before it, explains"),
        "{:?}",
        site.evidence
    );
}

#[test]
fn when_it_began_is_found_if_it_was_noticed_later_or_nobody_says() {
    for noticed_at in [None, Some(minute(2)), Some(minute(1))] {
        let input = Input { noticed_at, ..input(chain(500.0, 400.0, 320.0), calls("site>shop shop>store")) };
        let diagnosis = check("late", &input, "store");
        assert_eq!(diagnosis.since, Some(minute(0)), "{noticed_at:?}");
    }
}

#[test]
fn a_level_that_moved_long_before_is_no_change() {
    // The shop has been three times as slow as in the normal period for as long as is known.
    let mut nodes = chain(500.0, 300.0, 320.0);
    nodes[1].metrics[0].around = samples(-10, &noise(300.0, 13));
    let diagnosis = check("drift", &input(nodes, calls("site>shop site>store")), "store");
    let shop = diagnosis.causes().iter().find(|cause| cause.node == "shop");
    assert!(shop.is_none_or(|shop| shop.changes.is_empty() && shop.certainty < 0.01), "{shop:?}");
}

#[test]
fn one_sample_since_is_enough() {
    let mut nodes = chain(500.0, 400.0, 320.0);
    for metric in nodes.iter_mut().flat_map(|node| &mut node.metrics) {
        metric.around.truncate(11);
    }
    check("one sample", &input(nodes, calls("site>shop shop>store")), "store");
}

#[test]
fn other_metrics_are_ranked_by_their_kind() {
    let queue = |kind, since| vec![measured("queue", kind, 10.0, &[since; 3])];
    for (kind, since, found) in [
        (Kind::HigherIsWorse, 30.0, true),
        (Kind::HigherIsWorse, 1.0, false),
        (Kind::LowerIsWorse, 1.0, true),
        (Kind::LowerIsWorse, 30.0, false),
        (Kind::ChangeIsWorse, 1.0, true),
        (Kind::ChangeIsWorse, 30.0, true),
    ] {
        let diagnosis = diagnose(&input(vec![node("site", queue(kind, since))], None));
        assert_eq!(!diagnosis.causes().is_empty(), found, "{kind:?} {since}");
        if let [cause] = diagnosis.causes() {
            assert_eq!((cause.changes[0].from, cause.changes[0].to), (10.0, since), "{kind:?}");
        }
    }
}

#[test]
fn an_answer_survives_being_stored() {
    let diagnosis = check("stored", &input(chain(500.0, 400.0, 320.0), calls("site>shop shop>store")), "store");
    let text = serde_json::to_string(&diagnosis).unwrap();
    assert_eq!(serde_json::from_str::<Diagnosis>(&text).unwrap(), diagnosis);
}
