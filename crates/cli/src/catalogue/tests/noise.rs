//! Dependencies, maintenance, storms, flapping, silences.

use monitoring_core::catalogue::Window;

use super::*;

/// [`SOUND`] with all of it; each test spoils one place.
const NOISE: &str = r#"
noise:
  dependencies: {spent: [error-rate]}
  maintenance:
    nightly: {match: {rule: "*"}, weekly: {days: [sun], from: "23:00", to: "01:30"}, by: platform, why: back-up}
    move: {match: {dimensions: {Host: a}}, once: {from: 2026-12-24 18:00, to: 2026-12-24T22:00:00Z}, by: ana, why: w, sev1: true}
  storm: {incidents: 5, within: 2m}
  flapping: {incidents: 4, within: 30m, settle: 3m}
  silences: {longest: 2h, longest_recurring: 60d}
"#;

fn noise() -> String {
    SOUND.to_owned() + NOISE
}

fn check(from: &str, to: &str, expected: &str) {
    assert_eq!(noise().matches(from).count(), 1, "{from}");
    let (_, problems) = parse(Path::new("c.yaml"), &noise().replacen(from, to, 1));
    assert!(problems.iter().any(|problem| problem.message.contains(expected)), "{to}: {problems:#?}");
}

#[test]
fn noise_is_resolved() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), &noise());
    assert_eq!(problems, []);
    let noise = catalogue.unwrap().noise;
    assert_eq!((noise.storm.incidents, noise.storm.within_seconds), (5, 120));
    assert_eq!(
        (noise.flapping.incidents, noise.flapping.within_seconds, noise.flapping.settle_seconds),
        (4, 1800, 180)
    );
    assert_eq!((noise.silences.longest_seconds, noise.dependencies.len()), (7200, 1));
    assert_eq!(noise.silences.longest_recurring_seconds, 60 * 86_400);
    let [once, weekly] = noise.maintenance.as_slice() else { panic!("{:?}", noise.maintenance) };
    let expected =
        Window::Once { from: "2026-12-24T18:00:00Z".parse().unwrap(), until: "2026-12-24T22:00:00Z".parse().unwrap() };
    assert_eq!((once.name.as_str(), &once.window, once.sev1), ("move", &expected, true));
    let Window::Weekly(weekly) = &weekly.window else { panic!("{weekly:?}") };
    assert_eq!((weekly.weekdays.as_slice(), weekly.from_minute, weekly.minutes), (&[7][..], 23 * 60, 150));
}

#[test]
fn without_a_word_of_noise_the_defaults_hold() {
    let noise = parse(Path::new("c.yaml"), SOUND).0.unwrap().noise;
    assert_eq!(noise, monitoring_core::catalogue::Noise::default());
}

#[test]
fn every_mistake_is_reported() {
    check("incidents: 5", "incidents: 0", "0");
    check("within: 2m", "within: 2d", "storm: within is 2d");
    check("longest: 2h", "longest: 30d", "silences: longest is 30d");
    check("longest_recurring: 60d", "longest_recurring: 367d", "silences: longest_recurring is 367d");
    check("rule: \"*\"", "rule: nothing", "maintenance nightly is about an unknown rule \"nothing\"");
    check("{rule: \"*\"}", "{}", "match");
    check("{rule: \"*\"}", "{group: spend}", "no rule is of group \"spend\"");
    check("to: 2026-12-24T22:00:00Z", "to: 2026-12-24 17:00", "ends at 2026-12-24 17:00, not after it begins");
    check("from: 2026-12-24 18:00", "from: 2026-13-24 18:00", "a time that cannot be");
    check("from: \"23:00\"", "from: \"24:00\"", "`from` cannot be");
    check("by: ana, ", "", "by");
}

#[test]
fn groups_that_wait_for_each_other_are_refused() {
    let text = noise();
    let message = |to: &str| {
        let (_, problems) = parse(Path::new("c.yaml"), &text.replace("{spent: [error-rate]}", to));
        problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("\n")
    };
    assert!(
        message("{spent: [error-rate], error-rate: [spent]}")
            .contains("spent depends on error-rate, which depends on spent")
    );
    assert!(message("{error-rate: [error-rate]}").contains("group error-rate depends on error-rate"));
    assert!(message("{error-rate: [spent]}").contains("has an incident for each value of a dimension"));
    assert!(message("{spent: [nowhere]}").contains("no rule is of group \"nowhere\""));
}
