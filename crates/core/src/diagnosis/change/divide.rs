//! Where an incident began, when nobody says.

use jiff::Timestamp;

use super::super::Kind;
use super::series::{Direction, Prepared, median};
use super::{Class, LEAST_FAILURE_SPREAD, LEAST_SPREAD, number, sure};

/// The most dividing lines that are compared.
const MOST_LINES: usize = 64;

/// From how many normal samples their level is taken for that before the incident.
const ENOUGH: usize = 8;

/// How many times better an earlier line has to divide than the time at which the incident was noticed.
const CLEARLY: f64 = 1.2;

/// The time that best divides the target's metrics, or those of all nodes where the target has none, into a normal part
/// and a worse one: the largest sum of likelihood ratios of a shift of the mean, each bounded, so that no metric decides
/// alone. An incident begins before it is noticed, if at another time. `None` where there are no samples.
pub(super) fn best(
    series: &[Vec<Prepared<'_>>],
    target: Option<usize>,
    noticed_at: Option<Timestamp>,
) -> Option<Timestamp> {
    let symptoms = |series: &&Prepared<'_>| Class::of(series.kind()).is_some() && !series.around().is_empty();
    let of_target: Vec<&Prepared<'_>> =
        target.and_then(|target| series.get(target)).into_iter().flatten().filter(symptoms).collect();
    let considered = if of_target.is_empty() { series.iter().flatten().filter(symptoms).collect() } else { of_target };

    let mut times: Vec<Timestamp> = considered.iter().flat_map(|series| series.around()).map(|(at, _)| *at).collect();
    times.sort_unstable();
    times.dedup();
    let stride = times.len().div_ceil(MOST_LINES).max(1);
    let mut lines: Vec<Timestamp> = times.into_iter().step_by(stride).collect();
    if let Some(noticed_at) = noticed_at {
        // What was measured first was still normal, or there would have been an alarm.
        lines = lines.into_iter().skip(1).filter(|line| *line < noticed_at).collect();
        lines.push(noticed_at);
    }

    let mut gains = vec![0.0; lines.len()];
    for series in considered {
        let directions: &[Direction] = match series.kind() {
            Kind::ChangeIsWorse => &[Direction::Up, Direction::Down],
            Kind::LowerIsWorse => &[Direction::Down],
            _ => &[Direction::Up],
        };
        for direction in directions {
            for (gain, line) in gains.iter_mut().zip(&lines) {
                *gain += shift(series, *direction, *line);
            }
        }
    }
    if let (Some(_), Some(gain)) = (noticed_at, gains.last_mut()) {
        *gain *= CLEARLY;
    }
    // The first of equals: nothing that may belong to the incident is taken for normal.
    let mut best: Option<(f64, Timestamp)> = None;
    for (gain, line) in gains.into_iter().zip(lines) {
        if best.is_none_or(|(most, _)| gain > most) {
            best = Some((gain, line));
        }
    }
    best.map(|(_, line)| line)
}

/// How sure the samples from the line on are worse than normal or, where that is not known, than those before it, 0 to 1.
fn shift(series: &Prepared<'_>, direction: Direction, line: Timestamp) -> f64 {
    let around = series.around();
    let (before, since) = series.divided(Some(line));
    let mean = |part: &[(Timestamp, f64)]| {
        part.iter().map(|(_, value)| direction.turn(*value)).sum::<f64>() / number(part.len()).max(1.0)
    };
    let (reference, effective) = if series.normal.len() >= ENOUGH {
        (direction.turn(series.normal_level), number(since.len()))
    } else {
        let (counted, since) = (number(before.len()), number(since.len()));
        (mean(before), counted * since / (counted + since).max(1.0))
    };
    let steps: Vec<f64> = around.iter().zip(around.iter().skip(1)).map(|(one, next)| (next.1 - one.1).abs()).collect();
    let least = match Class::of(series.kind()) {
        Some(Class::Failure) => LEAST_FAILURE_SPREAD,
        _ => (LEAST_SPREAD * reference.abs()).max(1e-12),
    };
    let spread = series.normal_spread.max(median(&steps) / 0.954).max(least);
    sure((mean(since) - reference) / spread * effective.sqrt())
}
