use proptest::prelude::*;

use super::*;

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 0.0, -0.0]),
        4 => (-5..105).prop_map(f64::from),
    ]
}

fn any_samples(most: usize) -> impl Strategy<Value = Vec<Sample>> {
    let time = prop_oneof![8 => -20_i64..20, 1 => Just(-6_000_000_000), 1 => Just(3_000_000_000)];
    let scattered = prop::collection::vec((time, any_value()), 0..most);
    let constant = (any_value(), 0..most).prop_map(|(value, count)| (0..).take(count).map(|at| (at, value)).collect());
    prop_oneof![3 => scattered, 1 => constant].prop_map(|pairs: Vec<(i64, f64)>| {
        pairs.into_iter().map(|(at, value)| Sample { at: minute(at), value }).collect()
    })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Latency,
        Kind::LatencyPercentile,
        Kind::Availability,
        Kind::ErrorRate,
        Kind::Requests,
        Kind::HigherIsWorse,
        Kind::LowerIsWorse,
        Kind::ChangeIsWorse,
    ])
}

/// Few names, so that nodes, metrics and calls meet; `e` is never measured.
fn any_name(names: &'static str) -> impl Strategy<Value = String> {
    (0..names.len()).prop_map(move |at| names[at..=at].to_owned())
}

fn any_input() -> impl Strategy<Value = Input> {
    let metric = (any_name("xyz"), any_kind(), any_samples(30), any_samples(20))
        .prop_map(|(name, kind, normal, around)| Measured { name, kind, unit: None, normal, around });
    let node =
        (any_name("abcd"), prop::collection::vec(metric, 0..4)).prop_map(|(name, metrics)| Node { name, metrics });
    let call = (any_name("abcde"), any_name("abcde")).prop_map(|(caller, callee)| Call { caller, callee });
    let target = (any_name("abcde"), prop::option::of(any_kind())).prop_map(|(node, kind)| Target { node, kind });
    (
        prop::collection::vec(node, 0..6),
        prop::option::of(prop::collection::vec(call, 0..12)),
        prop::option::of(target),
        prop::option::of((-30_i64..30).prop_map(minute)),
    )
        .prop_map(|(nodes, calls, target, noticed_at)| Input { nodes, calls, target, noticed_at })
}

proptest! {
    #[test]
    fn whatever_comes_in_a_sound_answer_comes_out(input in any_input()) {
        let diagnosis = diagnose(&input);
        let causes = diagnosis.causes();
        prop_assert!(causes.len() <= MAX_CAUSES);
        prop_assert!(causes.iter().map(|cause| cause.certainty).sum::<f64>() <= 1.0 + 1e-9);
        for cause in causes {
            prop_assert!((0.0..=1.0).contains(&cause.certainty), "{}", cause.certainty);
            prop_assert!(input.nodes.iter().any(|node| node.name == cause.node));
            prop_assert!(!cause.evidence.is_empty());
            for change in &cause.changes {
                prop_assert!(change.from.is_finite() && change.to.is_finite() && change.spreads >= 0.0);
                prop_assert!(change.spreads.is_finite(), "{change:?}");
            }
        }
        if let Finding::Causes(causes) = &diagnosis.finding {
            prop_assert!(!causes.is_empty());
        }
        prop_assert_eq!(diagnosis.compared == 0, diagnosis.finding == Finding::NothingToCompare);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter(input in any_input()) {
        // Names once only: which of two metrics of a name counts is decided by their order.
        let mut input = input;
        for node in &mut input.nodes {
            node.metrics.sort_by(|a, b| a.name.cmp(&b.name));
            node.metrics.dedup_by(|a, b| a.name == b.name || a.kind == b.kind);
        }
        input.nodes.sort_by(|a, b| a.name.cmp(&b.name));
        input.nodes.dedup_by(|a, b| a.name == b.name);
        let mut turned = input.clone();
        turned.nodes.reverse();
        if let Some(calls) = &mut turned.calls {
            calls.reverse();
        }
        prop_assert_eq!(diagnose(&turned), diagnose(&input));
    }

    #[test]
    fn units_do_not_matter(site in 210.0..900.0_f64, scale in prop::sample::select(vec![0.001, 1000.0])) {
        let chain = chain(site, 100.0 + (site - 200.0), 20.0 + (site - 200.0));
        let milliseconds = input(chain, calls("site>shop shop>store"));
        let mut other = milliseconds.clone();
        for metric in other.nodes.iter_mut().flat_map(|node| &mut node.metrics).filter(|metric| metric.name == "latency") {
            for sample in metric.normal.iter_mut().chain(&mut metric.around) {
                sample.value *= scale;
            }
        }
        let (one, other) = (diagnose(&milliseconds), diagnose(&other));
        prop_assert_eq!(order(&one), order(&other));
        for (one, other) in one.causes().iter().zip(other.causes()) {
            prop_assert!((one.certainty - other.certainty).abs() < 1e-6);
        }
    }
}
