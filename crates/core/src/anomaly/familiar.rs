//! Situations that have been seen: how far a new one is from the nearest of them.

use super::state::{Kept, Ledger};

/// At most so many situations are remembered; the one seen least recently makes room.
const MOST: usize = 256;

/// The situation moves towards what resembles it, at least by this share.
const PULL: f32 = 0.02;

/// Prototypes of situations of `N` numbers, by leader clustering (Hartigan 1975): a situation farther than `radius` from
/// all of them becomes one itself.
#[derive(Clone, Debug)]
pub(super) struct Familiar<const N: usize> {
    radius: f32,
    step: u64,
    prototypes: Vec<Prototype<N>>,
}

#[derive(Clone, Debug)]
struct Prototype<const N: usize> {
    place: [f32; N],
    seen: f32,
    last: u64,
}

impl<const N: usize> Familiar<N> {
    pub(super) fn new(radius: f32) -> Self {
        Self { radius, step: 0, prototypes: Vec::new() }
    }

    /// Distance to the nearest situation before, 0 for the first. Then it is one of those before.
    pub(super) fn push(&mut self, situation: [f32; N]) -> f32 {
        self.step += 1;
        let fresh = Prototype { place: situation, seen: 1.0, last: self.step };
        let mut nearest = None;
        let mut least = f32::INFINITY;
        for prototype in &mut self.prototypes {
            let square: f32 = prototype.place.iter().zip(&situation).map(|(a, b)| (a - b) * (a - b)).sum();
            if square < least {
                least = square;
                nearest = Some(prototype);
            }
        }
        let Some(nearest) = nearest else {
            self.prototypes.push(fresh);
            return 0.0;
        };
        let distance = least.sqrt();
        if distance <= self.radius {
            nearest.seen += 1.0;
            nearest.last = self.step;
            let pull = (1.0 / nearest.seen).max(PULL);
            for (place, number) in nearest.place.iter_mut().zip(&situation) {
                *place += pull * (number - *place);
            }
        } else if self.prototypes.len() < MOST {
            self.prototypes.push(fresh);
        } else if let Some(oldest) = self.prototypes.iter_mut().min_by_key(|prototype| prototype.last) {
            *oldest = fresh;
        }
        distance
    }
}

impl<const N: usize> Default for Prototype<N> {
    fn default() -> Self {
        Self { place: [0.0; N], seen: 0.0, last: 0 }
    }
}

impl<const N: usize> Kept for Familiar<N> {
    fn keep(&mut self, ledger: &mut Ledger) {
        ledger.whole(&mut self.step);
        ledger.list(&mut self.prototypes, MOST);
    }
}

impl<const N: usize> Kept for Prototype<N> {
    fn keep(&mut self, ledger: &mut Ledger) {
        for number in &mut self.place {
            ledger.small(number);
        }
        ledger.small(&mut self.seen);
        ledger.whole(&mut self.last);
    }
}
