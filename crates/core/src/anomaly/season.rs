//! Daily and weekly rhythm: what is usual at this time of day, and at this hour of this day of the week.

use super::state::{Kept, Ledger};

const DAY: i64 = 24 * 60 * 60;
const WEEK: i64 = 7 * DAY;

/// Times a slot must have been seen before it says what is usual.
const KNOWN: f64 = 3.0;

/// A period cut into slots, each with the mean and the spread of the samples that fell into it.
#[derive(Clone, Debug)]
pub(super) struct Season {
    /// Seconds.
    period: i64,
    /// Seconds that are added to a time, so that the period starts where people think that it does.
    offset: i64,
    /// A slot forgets so that the last so many samples count.
    memory: f64,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    count: f64,
    mean: f64,
    variance: f64,
}

/// What is usual in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    pub(super) mean: f64,
    pub(super) spread: f64,
}

impl Season {
    /// 96 slots of a quarter of an hour, UTC.
    pub(super) fn daily() -> Self {
        Self { period: DAY, offset: 0, memory: 100.0, slots: vec![Slot::default(); 96] }
    }

    /// 168 slots of an hour from Monday, UTC. 1970 began on a Thursday.
    pub(super) fn weekly() -> Self {
        Self { period: WEEK, offset: 3 * DAY, memory: 40.0, slots: vec![Slot::default(); 168] }
    }

    /// What was usual for the slot of this time before; `None` while it has been seen too rarely.
    pub(super) fn usual(&self, second: i64) -> Option<Usual> {
        let slot = self.slots.get(self.index(second)).filter(|slot| slot.count >= KNOWN)?;
        Some(Usual { mean: slot.mean, spread: slot.variance.max(0.0).sqrt() })
    }

    pub(super) fn learn(&mut self, second: i64, value: f64) {
        let (index, memory) = (self.index(second), self.memory);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.count = (slot.count + 1.0).min(memory);
            let weight = 1.0 / slot.count;
            let difference = value - slot.mean;
            slot.mean += weight * difference;
            slot.variance = (1.0 - weight) * (slot.variance + weight * difference * difference);
        }
    }

    fn index(&self, second: i64) -> usize {
        let length = self.period / self.slots.len() as i64;
        (second.saturating_add(self.offset).rem_euclid(self.period) / length) as usize
    }
}

impl Kept for Season {
    fn keep(&mut self, ledger: &mut Ledger) {
        for slot in &mut self.slots {
            ledger.real(&mut slot.count);
            ledger.real(&mut slot.mean);
            ledger.real(&mut slot.variance);
        }
    }
}
