//! How the values of a period become one, as `CloudWatch` names it.

use monitoring_core::catalogue::Source;

/// A statistic that [`Source::Cloudwatch`] can name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Statistic {
    Average,
    Sum,
    Minimum,
    Maximum,
    SampleCount,
    /// 0 to 100.
    Percentile(f64),
}

impl Statistic {
    /// The statistic of a source. A cost adds up. What a Logs Insights query gave is already one value a period, and
    /// an average leaves that as it is.
    pub(super) fn of_source(source: &Source) -> Result<Self, String> {
        match source {
            Source::Cloudwatch { statistic, .. } => {
                Self::named(statistic).ok_or_else(|| format!("the statistic {statistic} is not known here"))
            }
            Source::Cost { .. } => Ok(Self::Sum),
            Source::Logs { .. } => Ok(Self::Average),
            Source::Formula { .. } => Err("a formula has no samples of its own".to_owned()),
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            "SampleCount" => Self::SampleCount,
            _ => {
                let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
                (0.0..=100.0).contains(&percent).then_some(Self::Percentile(percent))?
            }
        })
    }

    /// The value of a period; `None` for no values, or where the sum is beyond all numbers. May reorder the values.
    #[expect(clippy::cast_precision_loss, reason = "no period has 2^52 values")]
    pub(super) fn of(self, values: &mut [f64]) -> Option<f64> {
        let sum = || values.iter().sum::<f64>();
        let count = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let value = match self {
            Self::Average => sum() / count,
            Self::Sum => sum(),
            Self::Minimum => values.iter().copied().reduce(f64::min)?,
            Self::Maximum => values.iter().copied().reduce(f64::max)?,
            Self::SampleCount => count,
            Self::Percentile(percent) => nearest_rank(values, percent)?,
        };
        value.is_finite().then_some(value)
    }
}

/// The smallest value that at least so many percent of the values do not exceed.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank lies between 0 and the number of values"
)]
fn nearest_rank(values: &mut [f64], percent: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_one_as_the_statistic_says() {
        for (name, expected) in [
            ("Average", Some(2.5)),
            ("Sum", Some(10.0)),
            ("Minimum", Some(1.0)),
            ("Maximum", Some(4.0)),
            ("SampleCount", Some(4.0)),
            ("p0", Some(1.0)),
            ("p50", Some(2.0)),
            ("p99.9", Some(4.0)),
            ("p100", Some(4.0)),
        ] {
            let statistic = Statistic::named(name).unwrap();
            assert_eq!(statistic.of(&mut [4.0, 1.0, 3.0, 2.0]), expected, "{name}");
            assert_eq!(statistic.of(&mut []), None, "{name} of nothing");
        }
        for unknown in ["", "sum", "p", "p101", "pNaN", "tm90"] {
            assert_eq!(Statistic::named(unknown), None, "{unknown}");
        }
        assert_eq!(Statistic::Sum.of(&mut [f64::MAX, f64::MAX]), None);
    }
}
