use super::*;
use crate::alert::Origin;
use crate::catalogue::Severity;
use crate::example_catalogue::catalogue;
use crate::rule;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_400_000 + minute * 60).unwrap()
}

/// An alert of `error-rate` (warning above 5, critical above 10) that lives through verdicts, one a minute.
struct Story {
    alert: Option<Alert>,
    minute: i64,
}

const WARNING: Outcome = Outcome::Alarm { level: 0 };
const CRITICAL: Outcome = Outcome::Alarm { level: 1 };

impl Story {
    fn new() -> Self {
        Self { alert: None, minute: 0 }
    }

    fn verdict(&mut self, outcome: Outcome, measured: bool) -> Step {
        let catalogue = catalogue();
        let (rule, metric) = (&catalogue.rules["error-rate"], &catalogue.metrics["ErrorRate"]);
        let verdict = Verdict { outcome, value: Some(12.0), breaching: 2, measured, expected: None };
        let now = at(self.minute);
        self.minute += 1;
        let step = step(rule, metric, &Dimensions::new(), self.alert.as_ref(), &verdict, now);
        if let Some(alert) = &step.alert {
            self.alert = Some(alert.clone());
        }
        step
    }

    /// After a measured verdict: the state, what was published (`+critical`, `-warning`), and whether it was written.
    fn check(&mut self, outcome: Outcome, measured: bool, state: AlertState, published: &str, written: bool) {
        if let Some(alert) = self.alert.as_mut() {
            alert.unpublished.clear();
        }
        let version = self.alert.as_ref().map_or(0, |alert| alert.version);
        let step = self.verdict(outcome, measured);
        let minute = self.minute - 1;
        assert!(!step.reason.is_empty());
        assert_eq!(step.alert.is_some(), written, "minute {minute}: {}", step.reason);
        let now = self.alert.as_ref().map_or(AlertState::Ok, |alert| alert.state);
        assert_eq!(now, state, "minute {minute}");
        let unpublished = self.alert.iter().flat_map(|alert| &alert.unpublished);
        let said: Vec<String> = unpublished
            .map(|change| {
                let level = if change.severity == Severity::Sev1 { "critical" } else { "warning" };
                format!("{}{level}", if change.state == ChangeState::Firing { '+' } else { '-' })
            })
            .collect();
        assert_eq!(said.join(" "), published, "minute {minute}");
        let expected = version + u64::from(written);
        assert_eq!(self.alert.as_ref().map_or(0, |alert| alert.version), expected, "minute {minute}");
    }
}

/// What led to a state, an outcome, whether it was measured; the new state, what is published, whether it is written.
type Row = (&'static [Outcome], Outcome, bool, AlertState, &'static str, bool);

#[test]
fn every_transition() {
    use AlertState::{Firing, NoData, Ok, Pending};
    let table: [Row; 27] = [
        (&[], Outcome::Ok, true, Ok, "", false),
        (&[], Outcome::Pending, true, Pending, "", true),
        (&[], WARNING, true, Firing, "+warning", true),
        (&[], CRITICAL, true, Firing, "+critical", true),
        (&[], Outcome::InsufficientData, false, NoData, "", true),
        (&[], Outcome::Retain, true, Ok, "", false),
        (&[Outcome::Pending], Outcome::Ok, true, Ok, "", true),
        (&[Outcome::Pending], Outcome::Pending, true, Pending, "", false),
        (&[Outcome::Pending], CRITICAL, true, Firing, "+critical", true),
        (&[Outcome::Pending], Outcome::InsufficientData, false, NoData, "", true),
        (&[Outcome::Pending], Outcome::Retain, false, Pending, "", false),
        (&[WARNING], Outcome::Ok, true, Ok, "-warning", true),
        (&[WARNING], Outcome::Ok, false, NoData, "", true),
        (&[WARNING], Outcome::Pending, true, Pending, "-warning", true),
        (&[WARNING], Outcome::Pending, false, NoData, "", true),
        (&[WARNING], WARNING, true, Firing, "", false),
        (&[WARNING], CRITICAL, true, Firing, "+critical", true),
        (&[WARNING], Outcome::InsufficientData, false, NoData, "", true),
        (&[WARNING], Outcome::Retain, false, Firing, "", false),
        (&[CRITICAL], WARNING, true, Firing, "", false),
        (&[CRITICAL], Outcome::Ok, true, Ok, "-critical", true),
        (&[CRITICAL, WARNING], Outcome::Ok, true, Ok, "-critical", true),
        (&[CRITICAL, Outcome::InsufficientData], CRITICAL, true, Firing, "", true),
        (&[CRITICAL, Outcome::InsufficientData], Outcome::Ok, true, Ok, "-critical", true),
        (&[CRITICAL, Outcome::InsufficientData], Outcome::Ok, false, NoData, "", false),
        (&[WARNING, Outcome::InsufficientData], CRITICAL, true, Firing, "+critical", true),
        (&[Outcome::InsufficientData], Outcome::Ok, true, Ok, "", true),
    ];
    for (before, outcome, measured, state, published, written) in table {
        let mut story = Story::new();
        for outcome in before {
            story.verdict(*outcome, true);
        }
        story.check(outcome, measured, state, published, written);
    }
}

#[test]
fn no_data_between_firing_and_ok_publishes_ok_once() {
    let mut story = Story::new();
    story.check(CRITICAL, true, AlertState::Firing, "+critical", true);
    story.check(Outcome::InsufficientData, false, AlertState::NoData, "", true);
    story.check(Outcome::InsufficientData, false, AlertState::NoData, "", false);
    story.check(Outcome::Ok, true, AlertState::Ok, "-critical", true);
    story.check(Outcome::Ok, true, AlertState::Ok, "", false);
}

#[test]
fn an_episode_keeps_its_beginning() {
    let mut story = Story::new();
    for outcome in [WARNING, Outcome::InsufficientData, CRITICAL, Outcome::Ok] {
        story.verdict(outcome, true);
    }
    let alert = story.alert.unwrap();
    let told: Vec<_> = alert.unpublished.iter().map(|change| (change.state, change.at, change.since)).collect();
    let (firing, ok) = (ChangeState::Firing, ChangeState::Ok);
    assert_eq!(told, [(firing, at(0), at(0)), (firing, at(2), at(0)), (ok, at(3), at(0))]);
    assert_eq!((alert.state, alert.since, alert.version), (AlertState::Ok, at(3), 4));
    let change = &alert.unpublished[1];
    assert_eq!(change.title, "ErrorRate above 10 %");
    assert_eq!(change.reason, "2 of the last 3 datapoints breach");
    assert_eq!((change.origin, change.value), (Origin::Service, Some(12.0)));
}

#[test]
fn unpublished_changes_are_kept_in_order_and_the_newest_of_them() {
    let mut story = Story::new();
    for _ in 0..10 {
        story.verdict(WARNING, true);
        story.verdict(Outcome::Ok, true);
    }
    let minutes: Vec<_> = story.alert.unwrap().unpublished.iter().map(|change| change.at).collect();
    assert_eq!(minutes, (12..20).map(at).collect::<Vec<_>>());
}

#[test]
fn a_level_that_the_catalogue_no_longer_has_is_published_anew() {
    let mut story = Story::new();
    story.verdict(CRITICAL, true);
    story.alert.as_mut().unwrap().firing.as_mut().unwrap().level = "gone".to_owned();
    story.check(WARNING, true, AlertState::Firing, "+warning", true);
    assert_eq!(story.verdict(Outcome::Alarm { level: 7 }, true).alert, None);
}

/// `response-time`: 3 of 5 above 3000, and two good ones in a row to clear.
#[test]
fn hysteresis_clears_after_as_many_good_datapoints_as_the_rule_asks() {
    let catalogue = catalogue();
    let (rule, metric) = (&catalogue.rules["response-time"], &catalogue.metrics["ResponseTime"]);
    let mut alert: Option<Alert> = None;
    let mut data: Vec<Option<f64>> = Vec::new();
    let mut states = String::new();
    for (minute, letter) in "bbbggbgg".chars().enumerate() {
        data.push(Some(if letter == 'b' { 4000.0 } else { 100.0 }));
        let firing = alert.as_ref().and_then(|alert| alert.firing.as_ref()).map(|_| 0);
        let verdict = rule::evaluate(&rule.condition, &rule.evaluation, &data, firing);
        let minute = i64::try_from(minute).unwrap();
        let step = step(rule, metric, &Dimensions::new(), alert.as_ref(), &verdict, at(minute));
        alert = step.alert.or(alert);
        states.push(if alert.as_ref().is_some_and(|alert| alert.firing.is_some()) { 'F' } else { '-' });
    }
    // Minute 6 has only two that breach among five, yet one good one at the end; minute 7 has two.
    assert_eq!(states, "--FFFFF-");
    let published: Vec<_> = alert.unwrap().unpublished.iter().map(|change| change.state).collect();
    assert_eq!(published, [ChangeState::Firing, ChangeState::Ok]);
}

#[test]
fn absence_fires_and_only_data_ends_it() {
    let catalogue = catalogue();
    let (rule, metric) = (&catalogue.rules["traffic-absent"], &catalogue.metrics["RequestCount"]);
    let step = |before: Option<&Alert>, outcome, measured| {
        let verdict = Verdict { outcome, value: None, breaching: 3, measured, expected: None };
        super::step(rule, metric, &Dimensions::new(), before, &verdict, at(0))
    };
    let firing = step(None, Outcome::Alarm { level: 0 }, false).alert.unwrap();
    assert_eq!(firing.unpublished[0].title, "RequestCount: no data");
    assert_eq!(firing.unpublished[0].reason, "no data in 3 of the last 3 datapoints");
    let ok = step(Some(&firing), Outcome::Ok, true).alert.unwrap();
    assert_eq!(ok.unpublished[1].state, ChangeState::Ok);
}
