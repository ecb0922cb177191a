//! Escalation: who is called next, and when.
//!
//! The levels of a severity are called one after the other, each at its time since the round began, until somebody
//! acknowledges. When the last one has had its time to respond, it starts over. After three rounds nobody is there: from
//! then on each round is twice as long as the one before, so that an incident which everybody forgot does not page a
//! thousand times. A rise or a reopening begins anew.

pub mod schedule;

use jiff::{SignedDuration, Timestamp};

use crate::catalogue::{EscalationLevel, SeverityPolicy};
use crate::incident::Escalation;

/// How many rounds have their plain length.
const PLAIN_ROUNDS: u32 = 3;

/// The longest that a round grows to.
const LONGEST_ROUND: SignedDuration = SignedDuration::from_hours(24);

/// More steps than any delay has: rounds reach their longest within 16 doublings, and are skipped from then on.
const MAX_STEPS: usize = 1000;

/// The next step of an escalation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextPage {
    /// From 1.
    pub level: u32,
    /// From 0.
    pub round: u32,
    /// When the round began.
    pub started_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
}

/// One of the two deadlines of a severity, in seconds since the round began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Whoever was called first has this long to acknowledge.
    Response(u32),
    /// Whoever was called, the last level is called after this long.
    Escalation(u32),
}

/// What comes after the level that was paged last.
pub fn next(policy: &SeverityPolicy, escalation: &Escalation) -> NextPage {
    let Escalation { level, round, first_round, started_at } = *escalation;
    let index = usize::try_from(level).unwrap_or(usize::MAX);
    if let Some(next) = policy.levels.get(index) {
        let due_at = later(started_at, seconds(next.after_seconds));
        return NextPage { level: level + 1, round, started_at, due_at };
    }
    let started_at = later(started_at, round_length(policy, round.saturating_sub(first_round)));
    NextPage { level: 1, round: round + 1, started_at, due_at: started_at }
}

/// The steps that are due by `now`, in order. Of steps on one level only the newest counts, so that a late tick calls
/// each level once and not once for each round that was missed.
pub fn due(policy: &SeverityPolicy, escalation: &Escalation, now: Timestamp) -> Vec<NextPage> {
    let mut pages: Vec<NextPage> = Vec::new();
    let mut position = escalation.clone();
    for _ in 0..MAX_STEPS {
        let mut page = next(policy, &position);
        if page.due_at > now {
            break;
        }
        // Once rounds are a day long, the days that were slept through are skipped at once.
        let length = round_length(policy, page.round.saturating_sub(position.first_round)).as_secs();
        if page.level == 1 && length >= LONGEST_ROUND.as_secs() {
            let late = now.duration_since(page.started_at).as_secs() / length;
            page.started_at = later(page.started_at, SignedDuration::from_secs(late * length));
            page.due_at = page.started_at;
        }
        position = Escalation { level: page.level, round: page.round, started_at: page.started_at, ..position };
        pages.retain(|earlier| earlier.level != page.level);
        pages.push(page);
    }
    pages
}

/// When whoever acknowledged at `at` is relied on no longer, if nothing more is heard of them.
pub fn stale_at(policy: &SeverityPolicy, at: Timestamp) -> Timestamp {
    let after =
        if policy.stale_seconds == 0 { policy.escalation_seconds.saturating_mul(4) } else { policy.stale_seconds };
    later(at, seconds(after.max(60)))
}

/// The level with this number, from 1; the last one for a number beyond.
pub fn level(policy: &SeverityPolicy, number: u32) -> Option<&EscalationLevel> {
    let index = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    policy.levels.get(index).or(policy.levels.last())
}

/// The deadline that nobody met when this level is called; `None` for a level whose time is neither of the two.
pub fn missed_deadline(policy: &SeverityPolicy, number: u32) -> Option<Deadline> {
    let after = level(policy, number)?.after_seconds;
    if after == policy.escalation_seconds {
        Some(Deadline::Escalation(after))
    } else {
        (after == policy.response_seconds).then_some(Deadline::Response(after))
    }
}

/// From the start of a round until it starts over: the last level has the response time to answer. `round` counts from
/// the one that began anew.
fn round_length(policy: &SeverityPolicy, round: u32) -> SignedDuration {
    let last = policy.levels.last().map_or(0, |level| level.after_seconds);
    let plain = seconds(last) + seconds(policy.response_seconds.max(60));
    let doublings = round.saturating_sub(PLAIN_ROUNDS - 1).min(16);
    let longest = LONGEST_ROUND.max(plain);
    SignedDuration::from_secs(plain.as_secs() << doublings).min(longest)
}

/// The time that much later, or the last there is.
fn later(at: Timestamp, delay: SignedDuration) -> Timestamp {
    at.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEV1 of the seed: respond in 5 minutes, escalate in 15.
    fn sev1() -> SeverityPolicy {
        let level = |after| EscalationLevel { team: "t".into(), channels: vec!["c".into()], after_seconds: after };
        SeverityPolicy {
            description: String::new(),
            response_seconds: 300,
            escalation_seconds: 900,
            stale_seconds: 0,
            levels: vec![level(0), level(300), level(900)],
            post_mortem: true,
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn check(level: u32, round: u32, started: i64, now: i64, expected: &[(u32, u32, i64)]) {
        let escalation = Escalation { level, round, first_round: 0, started_at: at(started) };
        let pages: Vec<_> =
            due(&sev1(), &escalation, at(now)).iter().map(|page| (page.level, page.round, page.due_at)).collect();
        let expected: Vec<_> = expected.iter().map(|&(level, round, minute)| (level, round, at(minute))).collect();
        assert_eq!(pages, expected, "level {level} round {round} at minute {now}");
    }

    #[test]
    fn each_level_is_called_at_its_time_and_then_it_starts_over() {
        check(0, 0, 0, 0, &[(1, 0, 0)]);
        check(1, 0, 0, 4, &[]);
        check(1, 0, 0, 5, &[(2, 0, 5)]);
        check(2, 0, 0, 14, &[]);
        check(2, 0, 0, 15, &[(3, 0, 15)]);
        check(3, 0, 0, 19, &[]);
        check(3, 0, 0, 20, &[(1, 1, 20)]);
        check(1, 1, 20, 25, &[(2, 1, 25)]);
    }

    #[test]
    fn after_three_rounds_each_is_twice_as_long_as_the_one_before() {
        check(3, 2, 40, 59, &[]);
        check(3, 2, 40, 60, &[(1, 3, 60)]);
        check(3, 3, 60, 99, &[]);
        check(3, 3, 60, 100, &[(1, 4, 100)]);
        check(3, 4, 100, 179, &[]);
        check(3, 4, 100, 180, &[(1, 5, 180)]);
        // 20 min doubled seven times is more than a day.
        check(3, 9, 0, 24 * 60 - 1, &[]);
        check(3, 9, 0, 24 * 60, &[(1, 10, 24 * 60)]);
    }

    #[test]
    fn a_late_tick_calls_every_level_that_was_missed_but_no_round_twice() {
        check(1, 0, 0, 17, &[(2, 0, 5), (3, 0, 15)]);
        check(1, 0, 0, 27, &[(3, 0, 15), (1, 1, 20), (2, 1, 25)]);
        // Rounds of a day; three days and six minutes late.
        check(3, 12, 0, 3 * 1440 + 6, &[(1, 13, 3 * 1440), (2, 13, 3 * 1440 + 5)]);
    }

    #[test]
    fn a_level_says_which_deadline_was_missed() {
        for (number, expected) in [(1, None), (2, Some(Deadline::Response(300))), (3, Some(Deadline::Escalation(900)))]
        {
            assert_eq!(missed_deadline(&sev1(), number), expected, "{number}");
        }
        let mut policy = sev1();
        policy.levels[1].after_seconds = 400;
        assert_eq!(missed_deadline(&policy, 2), None);
    }

    #[test]
    fn what_cannot_be_is_answered_all_the_same() {
        let none = SeverityPolicy { levels: Vec::new(), ..sev1() };
        let never = Escalation { level: 0, round: 0, first_round: 0, started_at: at(0) };
        assert_eq!(level(&none, 1), None);
        assert!(due(&none, &never, at(1_000_000)).len() <= 1);
        // Of a level that the catalogue no longer has, the last is called; a time that cannot be is the last there is.
        assert_eq!(level(&sev1(), 9).unwrap().after_seconds, 900);
        assert_eq!(level(&sev1(), 0).unwrap().after_seconds, 0);
        let late = Escalation { level: 3, round: 0, first_round: 0, started_at: Timestamp::MAX };
        assert_eq!(next(&sev1(), &late).due_at, Timestamp::MAX);
    }
}
