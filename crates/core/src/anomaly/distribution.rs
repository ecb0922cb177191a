//! How values are distributed over the whole past, and whether the last few still are.

use super::state::{Kept, Ledger};
use super::statistics::TINY;

/// At most so many values stand for the past.
const MOST: usize = 512;

/// The quantiles are taken anew after so many samples.
const PACE: u64 = 64;

/// Classes of equal probability; 11 quantiles lie between them.
const CLASSES: usize = 12;

/// The last values are those of about so many samples.
const RECENT: f64 = 48.0;

/// Samples from the whole past at equal distances, their quantiles, and the classes of the last values.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    step: u64,
    stride: u64,
    past: Vec<f64>,
    median: f64,
    /// Distance between the quartiles.
    quartiles: f64,
    edges: [f64; CLASSES - 1],
    usual: [f64; CLASSES],
    recent: [f64; CLASSES],
}

impl Distribution {
    pub(super) fn new() -> Self {
        Self {
            step: 0,
            stride: 1,
            past: Vec::new(),
            median: 0.0,
            quartiles: 0.0,
            edges: [0.0; CLASSES - 1],
            usual: [0.0; CLASSES],
            recent: [0.0; CLASSES],
        }
    }

    /// Takes a value; returns the Kolmogorov-Smirnov distance between the last values and the past, 0 to 1.
    pub(super) fn push(&mut self, value: f64) -> f64 {
        if self.step.is_multiple_of(self.stride) {
            if self.past.len() == MOST {
                // Every second one: they stand as far apart as ever, over twice the time.
                let mut even = false;
                self.past.retain(|_| {
                    even = !even;
                    !even
                });
                self.stride *= 2;
            }
            self.past.push(value);
        }
        if self.step < 8 || self.step.is_multiple_of(PACE) {
            self.take_quantiles();
        }
        self.step += 1;
        self.distance(value)
    }

    /// The value on a scale that grows by its logarithm far from the median, in robust standard deviations near it.
    /// `spread` is the standard deviation of all values.
    pub(super) fn compress(&self, value: f64, spread: f64) -> f64 {
        // 0.74: quartiles of a normal distribution are 1.35 standard deviations apart.
        let scale = (0.74 * self.quartiles).max(0.05 * spread).max(1e-9 * self.median.abs()).max(TINY);
        ((value - self.median) / scale).asinh()
    }

    fn take_quantiles(&mut self) {
        let mut sorted = self.past.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let quantile = |part: usize, of: usize| sorted.get(last * part / of).copied().unwrap_or(0.0);
        self.median = quantile(1, 2);
        self.quartiles = quantile(3, 4) - quantile(1, 4);
        for (index, edge) in self.edges.iter_mut().enumerate() {
            *edge = quantile(index + 1, CLASSES);
        }
        // Not all classes are equal: many values may be the same.
        let mut below = 0;
        for (index, share) in self.usual.iter_mut().enumerate() {
            let upto = self.edges.get(index).map_or(sorted.len(), |edge| sorted.partition_point(|value| value <= edge));
            *share = (upto - below) as f64 / sorted.len().max(1) as f64;
            below = upto;
        }
    }

    fn distance(&mut self, value: f64) -> f64 {
        let class = self.edges.partition_point(|edge| *edge < value);
        let (mut recent, mut usual, mut distance) = (0.0, 0.0, 0.0_f64);
        for (index, (share, past)) in self.recent.iter_mut().zip(&self.usual).enumerate() {
            *share *= 1.0 - 1.0 / RECENT;
            if index == class {
                *share += 1.0 / RECENT;
            }
            recent += *share;
            usual += past;
            distance = distance.max((recent - usual).abs());
        }
        distance
    }
}

impl Kept for Distribution {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.whole(&mut self.step);
        ledger.whole(&mut self.stride);
        ledger.refuse_if(self.stride == 0 || self.stride > 1 << 62);
        ledger.list(&mut self.past, MOST);
        ledger.real(&mut self.median);
        ledger.real(&mut self.quartiles);
        for number in self.edges.iter_mut().chain(&mut self.usual).chain(&mut self.recent) {
            ledger.real(number);
        }
    }
}
