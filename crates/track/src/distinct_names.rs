use std::{
    collections::HashSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// The names that this process has used so far, up to a limit. It is what keeps a name made from a
/// request (`GET /users/123`) from becoming a custom metric each.
#[derive(Debug)]
pub(crate) struct DistinctNames {
    what: &'static str,
    limit: usize,
    seen: Mutex<HashSet<String>>,
    warned: AtomicBool,
}

impl DistinctNames {
    pub(crate) fn new(what: &'static str, limit: usize) -> Self {
        Self { what, limit, seen: Mutex::default(), warned: AtomicBool::new(false) }
    }

    /// True if the name is already in use or there is room for it. The first name that is turned
    /// away is warned of, the others are not.
    pub(crate) fn admit(&self, name: &str) -> bool {
        let admitted = {
            // The set is whole after every operation on it, so a poisoned lock loses nothing.
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.contains(name) || (seen.len() < self.limit && seen.insert(name.to_owned()))
        };
        if !admitted && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                name,
                limit = self.limit,
                "too many distinct {}; further ones get no metric of their own",
                self.what
            );
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_turned_away_and_earlier_ones_stay() {
        let names = DistinctNames::new("operations", 2);
        assert!(names.admit("a"));
        assert!(names.admit("b"));
        assert!(!names.admit("c"));
        assert!(names.admit("a"));
        assert!(!names.admit("c"));
    }
}
