//! The time of a world. It stands still until a story moves it.

use std::sync::{Arc, Mutex};

use jiff::{Timestamp, TimestampArithmetic};

#[derive(Clone, Debug)]
pub struct Clock {
    start: Timestamp,
    now: Arc<Mutex<Timestamp>>,
}

impl Clock {
    pub fn at(start: Timestamp) -> Self {
        Self { start, now: Arc::new(Mutex::new(start)) }
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    pub fn start(&self) -> Timestamp {
        self.start
    }

    pub fn advance(&self, by: impl Into<TimestampArithmetic>) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(by).unwrap();
    }

    /// Since the world began: `0:00`, `12:05`, with seconds only where there are any.
    pub fn since_start(&self, at: Timestamp) -> String {
        let seconds = at.duration_since(self.start).as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if seconds == 0 { format!("{hours}:{minutes:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
    }
}
