//! How well action items get done.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::{ActionItem, Status, today};
use crate::catalogue::Catalogue;
use crate::incident::IncidentId;

/// The rule that asks to finish what an earlier incident had left to do.
const REPEAT: &str = "repeat";

/// How many items are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counts {
    /// Still to be done, overdue ones among them.
    pub open: u32,
    /// Of those, how many should have been done by now.
    pub overdue: u32,
    /// Done.
    pub done: u32,
    /// Dropped: nobody owes them, so they count neither for nor against.
    pub dropped: u32,
    /// Of what is done or still to be done, how much is done: 0 to 100 %. `None` when there is neither.
    pub completion_percent: Option<f64>,
}

/// Figures of all items that are open, and of those that were closed lately.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// All of them.
    #[serde(flatten)]
    pub all: Counts,
    /// Half of the open ones were asked for at least this many days ago; `None` when nothing is open.
    pub median_age_days: Option<f64>,
    /// How many incidents were like an earlier one whose items were open.
    pub repeat_incidents: u32,
    /// By name of the team.
    pub by_team: BTreeMap<String, Counts>,
    /// By priority, as it is written.
    pub by_priority: BTreeMap<&'static str, Counts>,
}

/// The figures of these items.
pub fn figures(items: &[ActionItem], catalogue: &Catalogue, now: Timestamp) -> Figures {
    let mut figures = Figures::default();
    let mut ages: Vec<f64> = Vec::new();
    let mut repeats: BTreeSet<&IncidentId> = BTreeSet::new();
    for item in items {
        let is_overdue = item.is_overdue(today(catalogue, item, now));
        let of_team = figures.by_team.entry(item.team.clone()).or_default();
        let of_priority = figures.by_priority.entry(item.priority.as_str()).or_default();
        for counts in [&mut figures.all, of_team, of_priority] {
            counts.add(item.status, is_overdue);
        }
        if item.is_open() {
            ages.push(now.duration_since(item.asked_at).as_secs_f64() / 86_400.0);
        }
        if item.item == REPEAT && item.status != Status::Dropped {
            repeats.insert(&item.incident_id);
        }
    }
    figures.median_age_days = median(&mut ages);
    figures.repeat_incidents = u32::try_from(repeats.len()).unwrap_or(u32::MAX);
    figures
}

impl Counts {
    fn add(&mut self, status: Status, is_overdue: bool) {
        match status {
            Status::Open | Status::InProgress => self.open += 1,
            Status::Done => self.done += 1,
            Status::Dropped => self.dropped += 1,
        }
        self.overdue += u32::from(is_overdue);
        let owed = self.open + self.done;
        self.completion_percent = (owed > 0).then(|| 100.0 * f64::from(self.done) / f64::from(owed));
    }
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle - 1).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action_item::tests::{at, document, with_schedule};
    use crate::action_item::{Command, of_document};
    use crate::catalogue::Severity;
    use crate::post_mortem::Priority;

    #[test]
    fn figures_count_what_is_owed_and_what_is_done() {
        let rules = [
            ("a", Priority::Critical),
            ("b", Priority::High),
            ("c", Priority::High),
            ("d", Priority::Low),
            ("repeat", Priority::Critical),
        ];
        let mut items = of_document(&document(Severity::Sev1, &rules), &[], &with_schedule(), at(0));
        let apply = |items: &mut [ActionItem], nth: usize, command: Command| {
            items[nth] = items[nth].apply(&command, "ana", Some("y"), at(1)).unwrap();
        };
        apply(&mut items, 1, Command::Done);
        apply(&mut items, 2, Command::Drop);
        apply(&mut items, 3, Command::Reassign { team: "database".to_owned(), owner: None });
        // Asked for two days after the others.
        items[3].asked_at = at(48);

        // Four days later the critical ones, which were due in three, are overdue.
        let now = at(96);
        let figures = figures(&items, &with_schedule(), now);
        let expected = Counts { open: 3, overdue: 2, done: 1, dropped: 1, completion_percent: Some(25.0) };
        assert_eq!(figures.all, expected);
        assert_eq!(figures.median_age_days, Some(4.0));
        assert_eq!(figures.repeat_incidents, 1);
        assert_eq!(figures.by_team["database"], Counts { open: 1, completion_percent: Some(0.0), ..Counts::default() });
        let high = Counts { done: 1, dropped: 1, completion_percent: Some(100.0), ..Counts::default() };
        assert_eq!(figures.by_priority["high"], high);
        assert_eq!(super::figures(&[], &with_schedule(), now), Figures::default());
    }

    #[test]
    fn a_median_is_the_middle() {
        for (values, expected) in [
            (&mut [][..], None),
            (&mut [3.0], Some(3.0)),
            (&mut [4.0, 1.0], Some(2.5)),
            (&mut [9.0, 1.0, 2.0], Some(2.0)),
        ] {
            assert_eq!(median(values), expected);
        }
    }
}
