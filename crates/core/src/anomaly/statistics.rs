//! Running statistics: means and spreads that forget, and how rare a number is among those before it.

use super::state::{Kept, Ledger};

/// What is smaller than this is nothing: its square can still be told from 0.
pub(super) const TINY: f64 = 1e-140;

/// Mean and spread over about the last `span` samples, exponentially weighted; plain averages until there are so many.
#[derive(Clone, Debug)]
pub(super) struct Average {
    span: f64,
    count: f64,
    pub(super) mean: f64,
    variance: f64,
}

impl Average {
    pub(super) fn over(span: f64) -> Self {
        Self { span, count: 0.0, mean: 0.0, variance: 0.0 }
    }

    pub(super) fn push(&mut self, value: f64) {
        self.count = (self.count + 1.0).min(self.span);
        let weight = 1.0 / self.count;
        let difference = value - self.mean;
        self.mean += weight * difference;
        self.variance = (1.0 - weight) * (self.variance + weight * difference * difference);
    }

    pub(super) fn spread(&self) -> f64 {
        self.variance.max(0.0).sqrt()
    }

    /// As if it had always been at `value`, with the spread that it has.
    pub(super) fn restart_at(&mut self, value: f64) {
        self.mean = value;
    }
}

impl Kept for Average {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.real(&mut self.count);
        ledger.real(&mut self.mean);
        ledger.real(&mut self.variance);
    }
}

/// Bins of [`Rarity`], and where they lie: a third of an octave each, from 2^-16.
const BINS: usize = 96;
const BINS_PER_OCTAVE: f32 = 3.0;
const LOWEST: f32 = -16.0;

/// Samples before anything can be called rare.
const LEAST: f32 = 20.0;

/// Share of the numbers that counts as the tail.
const TAIL: f32 = 0.03;

/// Mean excess over the start of the tail that is assumed before any is seen, in octaves, and how many samples that
/// assumption is worth.
const ASSUMED_EXCESS: f32 = 0.35;
const ASSUMED_WEIGHT: f32 = 6.0;

/// After so many samples the oldest fade: 70 days of 5 minutes.
const MEMORY: f32 = 20_000.0;

/// How rare a positive number is among all of its kind before it, whatever their distribution.
///
/// A histogram of logarithms answers for what has been seen often; beyond, the excess over a high quantile is taken to be
/// exponential in the logarithm, a Pareto tail (peaks over threshold: Pickands 1975; as a stream: Siffer et al., KDD 2017).
#[derive(Clone, Debug)]
pub(super) struct Rarity {
    bins: [f32; BINS],
    count: f32,
}

impl Rarity {
    pub(super) fn new() -> Self {
        Self { bins: [0.0; BINS], count: 0.0 }
    }

    /// `-log10` of the probability of a number at least as large, by those before it; 0 for the first few. Then it is one
    /// of those before. What is not positive is taken for the smallest.
    pub(super) fn push(&mut self, number: f64) -> f32 {
        let highest = LOWEST + (BINS as f32 - 0.1) / BINS_PER_OCTAVE;
        let octave = (number.max(1e-12).log2() as f32).clamp(LOWEST, highest);
        let bin = ((octave - LOWEST) * BINS_PER_OCTAVE) as usize;
        let rarity = if self.count < LEAST { 0.0 } else { self.rarity(octave, bin) };
        self.learn(bin);
        rarity
    }

    fn rarity(&self, octave: f32, bin: usize) -> f32 {
        let allowed = TAIL * self.count + 1.0;
        let (mut above, mut excess, mut start) = (0.0_f32, 0.0_f32, 0);
        for (index, weight) in self.bins.iter().enumerate().rev() {
            if above + weight > allowed {
                start = index + 1;
                break;
            }
            above += weight;
            excess += weight * index as f32;
        }
        let edge = LOWEST + start as f32 / BINS_PER_OCTAVE;
        if octave < edge {
            let least: f32 = self.bins.iter().skip(bin).sum();
            return -((least + 1.0) / (self.count + 1.0)).log10();
        }
        let seen = if above > 0.0 { (excess / above - start as f32 + 0.5) / BINS_PER_OCTAVE } else { 0.0 };
        let mean = (seen * above + ASSUMED_EXCESS * ASSUMED_WEIGHT) / (above + ASSUMED_WEIGHT);
        (octave - edge) / mean * std::f32::consts::LOG10_E - ((above + 1.0) / (self.count + 1.0)).log10()
    }

    fn learn(&mut self, bin: usize) {
        if self.count >= MEMORY {
            // Fading all bins each time would cost more than all else; a sixteenth of the memory at once does the same.
            let keep = 15.0 / 16.0;
            self.bins.iter_mut().for_each(|weight| *weight *= keep);
            self.count *= keep;
        }
        if let Some(weight) = self.bins.get_mut(bin) {
            *weight += 1.0;
            self.count += 1.0;
        }
    }
}

impl Kept for Rarity {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.small(&mut self.count);
        for weight in &mut self.bins {
            ledger.small(weight);
        }
    }
}
