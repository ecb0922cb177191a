use proptest::prelude::*;

use super::*;

fn any_evaluation() -> impl Strategy<Value = Evaluation> {
    let counts = prop_oneof![4 => 0u32..12, 1 => any::<u32>()];
    (counts.clone(), counts.clone(), prop::sample::select(TREATMENTS.to_vec()), counts).prop_map(
        |(periods, datapoints, missing, clear_after)| Evaluation { periods, datapoints, missing, clear_after },
    )
}

fn any_point() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        Just(Some(f64::NAN)),
        any::<f64>().prop_map(Some),
        (-3..12).prop_map(|value| Some(f64::from(value))),
    ]
}

fn any_condition() -> impl Strategy<Value = Condition> {
    let comparison =
        prop::sample::select(vec![Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost]);
    let tiers = prop::collection::vec((comparison, any::<f64>(), any::<f64>()), 0..4).prop_map(|tiers| {
        Condition::Threshold { tiers: tiers.into_iter().map(|(c, t, clear)| tier(c, t, clear)).collect() }
    });
    prop_oneof![4 => tiers, 1 => Just(absence())]
}

/// M of N on complete data, as the definition says it.
fn slow_level(thresholds: &[f64], evaluation: &Evaluation, values: &[f64]) -> Option<usize> {
    let n = evaluation.periods as usize;
    let newest: Vec<f64> = values[values.len() - n..].to_vec();
    let mut worst = None;
    for (index, threshold) in thresholds.iter().enumerate() {
        let breaching = newest.iter().filter(|value| **value > *threshold).count();
        if breaching >= evaluation.datapoints as usize {
            worst = Some(index);
        }
    }
    worst
}

proptest! {
    #[test]
    fn evaluation_is_total(
        condition in any_condition(),
        evaluation in any_evaluation(),
        datapoints in prop::collection::vec(any_point(), 0..20),
        firing in prop::option::of(0usize..5),
    ) {
        let verdict = evaluate(&condition, &evaluation, &datapoints, firing);
        prop_assert!(verdict.value.is_none_or(f64::is_finite));
        if let Outcome::Alarm { level } = verdict.outcome {
            prop_assert!(level < condition.levels().count());
        }
    }

    #[test]
    fn complete_data_is_counted(
        values in prop::collection::vec(0u8..12, 12..20),
        n in 1u32..10,
        m in 1u32..10,
        missing in prop::sample::select(TREATMENTS.to_vec()),
    ) {
        let thresholds = [3.0, 6.0, 9.0];
        let evaluation = m_of_n(m.min(n), n, missing);
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let datapoints: Vec<Option<f64>> = values.iter().copied().map(Some).collect();
        let verdict = evaluate(&above(&thresholds), &evaluation, &datapoints, None);
        match slow_level(&thresholds, &evaluation, &values) {
            Some(level) => prop_assert_eq!(verdict.outcome, Outcome::Alarm { level }),
            None => prop_assert!(matches!(verdict.outcome, Outcome::Ok | Outcome::Pending)),
        }
    }

    #[test]
    fn the_worst_tier_that_fires_alone_wins(
        datapoints in prop::collection::vec(any_point(), 0..12),
        evaluation in any_evaluation(),
    ) {
        let thresholds = [0.0, 4.0, 8.0];
        let alone = thresholds.iter().rposition(|threshold| {
            matches!(evaluate(&above(&[*threshold]), &evaluation, &datapoints, None).outcome, Outcome::Alarm { .. })
        });
        let together = match evaluate(&above(&thresholds), &evaluation, &datapoints, None).outcome {
            Outcome::Alarm { level } => Some(level),
            _ => None,
        };
        prop_assert_eq!(together, alone);
    }

    #[test]
    fn without_hysteresis_firing_changes_nothing(
        datapoints in prop::collection::vec(any_point(), 0..12),
        evaluation in any_evaluation(),
        firing in 0usize..3,
    ) {
        let evaluation = Evaluation { clear_after: 1, ..evaluation };
        for condition in [above(&[0.0, 4.0]), absence()] {
            prop_assert_eq!(
                evaluate(&condition, &evaluation, &datapoints, Some(firing)),
                evaluate(&condition, &evaluation, &datapoints, None)
            );
        }
    }

    #[test]
    fn what_is_no_number_is_missing(datapoints in prop::collection::vec(any_point(), 0..12), evaluation in any_evaluation()) {
        let cleaned: Vec<Option<f64>> = datapoints.iter().map(|point| point.filter(|value| value.is_finite())).collect();
        for condition in [above(&[0.0, 4.0]), absence()] {
            prop_assert_eq!(
                evaluate(&condition, &evaluation, &datapoints, None),
                evaluate(&condition, &evaluation, &cleaned, None)
            );
        }
    }

    #[test]
    fn alarm_names_are_printable_and_short(
        parts in prop::array::uniform3("\\PC{0,90}"),
        dimensions in prop::collection::btree_map(any::<String>(), any::<String>(), 0..4),
    ) {
        let [service, rule, level] = parts;
        let name = alarm_name(&service, &rule, &level, &dimensions);
        prop_assert!(name.len() <= 223 && name.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{}", name);
    }
}
