//! What a formula comes to over a window.

use super::{Aggregate, Expression, Filler, Operator};

/// A datapoint or none for each period, oldest first.
type Points = Vec<Option<f64>>;

enum Value {
    /// `None` is a number that there is not, such as one divided by zero: what rests on it has no datapoint.
    Scalar(Option<f64>),
    Series(Points),
}

pub(super) fn evaluate<'a>(
    root: &Expression,
    window: &dyn Fn(&str) -> Option<&'a [Option<f64>]>,
    len: usize,
) -> Points {
    Evaluator { window, len }.series(root)
}

struct Evaluator<'w, 'a> {
    window: &'w dyn Fn(&str) -> Option<&'a [Option<f64>]>,
    len: usize,
}

impl Evaluator<'_, '_> {
    fn value(&self, expression: &Expression) -> Value {
        match expression {
            Expression::Number(number) => Value::Scalar(finite(*number)),
            Expression::Metric(name) => Value::Series(self.metric(name)),
            Expression::Negate(inner) => match self.value(inner) {
                Value::Scalar(number) => Value::Scalar(number.map(|number| -number)),
                Value::Series(points) => Value::Series(each(points, |value| Some(-value))),
            },
            Expression::Binary(operator, left, right) => binary(*operator, self.value(left), self.value(right)),
            Expression::Absolute(inner) => Value::Series(each(self.series(inner), |value| Some(value.abs()))),
            Expression::TimeSeries(inner) => Value::Series(self.series(inner)),
            Expression::Reduce(aggregate, inner) => Value::Scalar(over_window(*aggregate, &self.series(inner))),
            Expression::Combine(aggregate, inner) => {
                let all: Vec<Points> = inner.iter().map(|series| self.series(series)).collect();
                Value::Series(self.combine(*aggregate, &all))
            }
            Expression::If { condition, then, otherwise } => {
                Value::Series(self.choose(condition, then, otherwise.as_deref()))
            }
            Expression::Fill(inner, filler) => {
                let mut points = self.series(inner);
                match filler {
                    Filler::Value(value) => fill_value(&mut points, self.scalar(value)),
                    Filler::Repeat => fill_repeat(&mut points),
                    Filler::Linear => fill_linear(&mut points),
                }
                Value::Series(points)
            }
            Expression::RollingSum(inner, periods) => {
                // Only what is summed up needs the periods before: three days by the minute are many.
                let before = periods.saturating_sub(1);
                let wider = Evaluator { window: self.window, len: self.len.saturating_add(before) };
                let mut sums = rolling_sum(&wider.series(inner), *periods);
                Value::Series(sums.split_off(before.min(sums.len())))
            }
        }
    }

    /// A scalar becomes a series with the same value in every period.
    fn series(&self, expression: &Expression) -> Points {
        match self.value(expression) {
            Value::Scalar(number) => vec![number; self.len],
            Value::Series(points) => points,
        }
    }

    fn scalar(&self, expression: &Expression) -> Option<f64> {
        match self.value(expression) {
            Value::Scalar(number) => number,
            // Parsing refuses it.
            Value::Series(_) => None,
        }
    }

    /// By the period for a series as condition; all or nothing of either for a number, in which AWS puts no zeros.
    fn choose(&self, condition: &Expression, then: &Expression, otherwise: Option<&Expression>) -> Points {
        let otherwise = otherwise.map_or_else(|| vec![None; self.len], |otherwise| self.series(otherwise));
        match self.value(condition) {
            Value::Series(condition) => choose_by_period(&condition, &self.series(then), &otherwise),
            Value::Scalar(None) => vec![None; self.len],
            Value::Scalar(Some(0.0)) => otherwise,
            Value::Scalar(Some(_)) => self.series(then),
        }
    }

    /// The metric's window; aligned at the newest period should its length be another.
    fn metric(&self, name: &str) -> Points {
        let given = (self.window)(name).unwrap_or_default();
        let mut points = vec![None; self.len];
        for (point, value) in points.iter_mut().rev().zip(given.iter().rev()) {
            *point = value.and_then(finite);
        }
        points
    }

    fn combine(&self, aggregate: Aggregate, all: &[Points]) -> Points {
        (0..self.len)
            .map(|period| {
                let column = all.iter().map(|points| points.get(period).copied().flatten());
                aggregated(aggregate, column, all.len())
            })
            .collect()
    }
}

fn binary(operator: Operator, left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            Value::Scalar(left.zip(right).and_then(|(left, right)| apply(operator, left, right)))
        }
        (Value::Series(left), Value::Scalar(right)) => {
            Value::Series(each(left, |left| right.and_then(|right| apply(operator, left, right))))
        }
        (Value::Scalar(left), Value::Series(right)) => {
            Value::Series(each(right, |right| left.and_then(|left| apply(operator, left, right))))
        }
        (Value::Series(left), Value::Series(right)) => Value::Series(
            left.into_iter()
                .zip(right)
                .map(|pair| match pair {
                    (None, None) => None,
                    (left, right) => apply(operator, left.unwrap_or(0.0), right.unwrap_or(0.0)),
                })
                .collect(),
        ),
    }
}

#[expect(clippy::float_cmp, reason = "== and != of metric math are exact")]
fn apply(operator: Operator, left: f64, right: f64) -> Option<f64> {
    let truth = |holds: bool| Some(if holds { 1.0 } else { 0.0 });
    match operator {
        Operator::Add => finite(left + right),
        Operator::Subtract => finite(left - right),
        Operator::Multiply => finite(left * right),
        Operator::Divide => finite(left / right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
    }
}

/// Of all datapoints of one series. Of none at all there is no number: AWS does not say, and no data is no answer.
fn over_window(aggregate: Aggregate, points: &[Option<f64>]) -> Option<f64> {
    aggregated(aggregate, points.iter().copied(), points.len())
}

/// Of the values there are; `AVG` divides by `count`, which is to take the others as 0.
fn aggregated(aggregate: Aggregate, values: impl Iterator<Item = Option<f64>>, count: usize) -> Option<f64> {
    let values = values.flatten();
    match aggregate {
        Aggregate::Min => values.reduce(f64::min),
        Aggregate::Max => values.reduce(f64::max),
        Aggregate::Sum => values.reduce(|sum, value| sum + value).and_then(finite),
        Aggregate::Avg => {
            #[expect(clippy::cast_precision_loss, reason = "no window has 2^52 periods")]
            let count = count as f64;
            values.reduce(|sum, value| sum + value).and_then(|sum| finite(sum / count))
        }
    }
}

fn choose_by_period(condition: &[Option<f64>], then: &[Option<f64>], otherwise: &[Option<f64>]) -> Points {
    let branches = then.iter().zip(otherwise);
    let chosen = condition.iter().zip(branches).map(|(condition, (then, otherwise))| match condition {
        None => None,
        Some(0.0) => *otherwise,
        Some(_) => then.or(Some(0.0)),
    });
    chosen.collect()
}

fn fill_value(points: &mut [Option<f64>], value: Option<f64>) {
    for point in points.iter_mut().filter(|point| point.is_none()) {
        *point = value;
    }
}

/// What comes before the first datapoint stays empty.
fn fill_repeat(points: &mut [Option<f64>]) {
    let mut last = None;
    for point in points {
        *point = point.or(last);
        last = *point;
    }
}

/// A gap at either end stays empty: there is nothing to draw the line to.
fn fill_linear(points: &mut [Option<f64>]) {
    let mut before: Option<(usize, f64)> = None;
    for period in 0..points.len() {
        let Some(after) = points.get(period).copied().flatten() else { continue };
        if let Some((start, from)) = before {
            #[expect(clippy::cast_precision_loss, reason = "no window has 2^52 periods")]
            let share = |step: usize| step as f64 / (period - start) as f64;
            let gap = points.get_mut(start + 1..period).unwrap_or_default();
            for (step, point) in gap.iter_mut().enumerate() {
                // Weighted, since the difference of two large values may not be finite.
                let share = share(step + 1);
                *point = finite(from * (1.0 - share) + after * share);
            }
        }
        before = Some((period, after));
    }
}

/// What lies before the first datapoint is unknown, and not counted.
///
/// Sums are made anew from the two halves of a block (van Herk, 1992) rather than by taking away what leaves the window: a
/// difference of large sums would leave an error behind for ever.
fn rolling_sum(points: &[Option<f64>], periods: usize) -> Points {
    let periods = periods.max(1);
    let join = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a + b).or(a).or(b);
    // The sum from each point to the end of its block, and from the block's beginning to the point.
    let mut to_end: Points = points.to_vec();
    let mut from_start: Points = points.to_vec();
    for (behind, ahead) in to_end.chunks_mut(periods).zip(from_start.chunks_mut(periods)) {
        let mut sum = None;
        for point in behind.iter_mut().rev() {
            sum = join(*point, sum);
            *point = sum;
        }
        sum = None;
        for point in ahead {
            sum = join(sum, *point);
            *point = sum;
        }
    }
    let sums = from_start.iter().enumerate().map(|(newest, ahead)| match (newest + 1).checked_sub(periods) {
        Some(oldest) if oldest % periods != 0 => join(to_end.get(oldest).copied().flatten(), *ahead),
        _ => *ahead,
    });
    sums.map(|sum| sum.and_then(finite)).collect()
}

fn each(points: Points, function: impl Fn(f64) -> Option<f64>) -> Points {
    points.into_iter().map(|point| point.and_then(&function)).collect()
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
