mod automation;
mod conditions;
mod deployment;
mod impact;
mod noise;
mod people;
mod slos;

use super::*;

/// A catalogue without mistakes, small enough to read; each test spoils one place of it.
const SOUND: &str = r##"
service: {name: shop, title: Shop}
defaults: {team: platform}
metrics:
  Requests:
    category: application
    description: Requests.
    unit: Count
    cloudwatch: {namespace: Shop, statistic: Sum}
  Errors:
    category: application
    description: Errors.
    unit: Count
    cloudwatch: {namespace: Shop, statistic: Sum}
  ErrorRate:
    category: application
    description: Share of errors.
    unit: Percent
    formula: 100 * Errors / Requests
  Spent:
    category: cost
    description: Money of a day.
    unit: USD
    cost: by_service
rules:
  error-rate:
    metric: ErrorRate
    description: Requests fail.
    warning: {above: 5}
    critical: {above: 10}
    min_volume: {metric: Requests, at_least: 20}
    runbook: errors
  spent:
    metric: Spent
    description: Too much money.
    warning: {above: 100}
    group_by: [Service]
severities:
  SEV1: {description: Down., response: 5m, escalation: 15m, channels: [phone, chat]}
  SEV2: {description: Half., response: 15m, escalation: 30m, channels: [phone, chat]}
  SEV3: {description: Minor., response: 1h, escalation: 2h, channels: [chat]}
  SEV4: {description: Cosmetic., response: 4h, escalation: 8h, channels: [chat]}
channels:
  phone: {kind: pagerduty, fallback: chat}
  chat: {kind: slack, conversation: "#shop"}
teams:
  platform: {title: Platform, contact: "#shop"}
runbooks:
  errors: {title: Errors, team: platform, steps: [Look at the log.]}
"##;

fn problems(text: &str) -> Vec<String> {
    let (_, problems) = parse(Path::new("c.yaml"), text);
    problems.iter().map(ToString::to_string).collect()
}

/// Replaces a text that is there once, and expects these problems; each is compared from its column on, since the
/// lines of the table would tell nothing.
fn check(from: &str, to: &str, expected: &[&str]) {
    assert_eq!(SOUND.matches(from).count(), 1, "{from}");
    check_text(&SOUND.replacen(from, to, 1), to, expected);
}

fn check_text(text: &str, what: &str, expected: &[&str]) {
    let found = problems(text);
    let found: Vec<&str> = found.iter().filter_map(|line| line.splitn(4, ':').nth(3)).map(str::trim_start).collect();
    assert_eq!(found, expected, "{what}");
}

#[test]
fn a_sound_catalogue_has_no_problems_and_every_default() {
    let (catalogue, problems) = parse(Path::new("c.yaml"), SOUND);
    assert_eq!(problems, []);
    let catalogue = catalogue.unwrap();
    insta::assert_json_snapshot!(catalogue);
    // What is written can be read by the functions.
    let json = serde_json::to_vec(&catalogue).unwrap();
    assert_eq!(Catalogue::from_json(&json).unwrap(), catalogue);
}

#[test]
fn a_problem_names_its_line_and_column() {
    let text = SOUND.replace("metric: ErrorRate", "metric: ErorRate");
    assert_eq!(
        problems(&text),
        [r#"c.yaml:27:13: error: rule error-rate watches an unknown metric "ErorRate"; did you mean "ErrorRate"?"#]
    );
}

#[test]
fn metrics_are_checked() {
    for (from, to, expected) in [
        (
            "formula: 100 * Errors / Requests",
            "formula: 100 * Errors / Requests\n    period: 5m",
            &[
                "error: ErrorRate has a period of 5m, its input Errors one of 1m; leave `period` out: a formula has that of its inputs",
            ][..],
        ),
        (
            "formula: 100 * Errors / Requests",
            "formula: 100 * SIN(Errors)",
            &[
                r#"error: formula of ErrorRate: unknown function "SIN"; expected one of ABS, AVG, FILL, IF, MAX, MIN, ROLLING_SUM, SUM and TIME_SERIES"#,
            ],
        ),
        (
            "description: Errors.",
            "description: Errors.\n    dimensions: {Host: [a, b]}",
            &[
                "error: Errors and Requests in the formula of ErrorRate have different dimensions; give both the same `dimensions`",
            ],
        ),
        (
            "formula: 100 * Errors / Requests",
            "formula: 100 * Errors / Requests\n    dimensions: {Host: [a]}",
            &[
                "error: metric ErrorRate cannot have dimensions of its own; remove them; a formula has the dimensions of its inputs",
            ],
        ),
        (
            "description: Errors.",
            "description: Errors.\n    period: 2d",
            &["error: the period of Errors is 2d; write 1m to 1d"],
        ),
        (
            "cost: by_service",
            "cost: by_service\n    period: 1h",
            &["error: the period of Spent is 1h; write 1d; Cost Explorer counts by the day"],
        ),
        (
            "cost: by_service",
            "cost: by_service\n    files: [\"a_*_b_*.csv\", spent.csv, spent.csv]",
            &[
                "error: the pattern \"a_*_b_*.csv\" has more than one `*`; write one; what it stands for becomes the dimension Source",
                "error: the files \"spent.csv\" already carry Spent; let a file carry one metric",
            ],
        ),
    ] {
        check(from, to, expected);
    }
}

#[test]
fn rules_are_checked() {
    let rule = "warning: {above: 5}";
    for (from, to, expected) in [
        (
            rule,
            "warning: {below: 5}",
            &["error: `warning` and `critical` of rule error-rate look in opposite directions; make two rules of it"][..],
        ),
        (
            rule,
            "warning: {above: 5, incident: SEV1}\n    tiers: {worse: {above: 7, severity: high}}",
            &[
                "error: `worse` of rule error-rate opens a SEV2, `warning` a SEV1; give `worse` `incident: SEV1` or a more urgent one",
            ],
        ),
        (
            rule,
            "warning: {above: 5, clear: 6}",
            &["error: `clear: 6` is on the wrong side of `above: 5`; write at most 5: a firing tier ends there"],
        ),
        (
            rule,
            "warning: {above: 5}\n    absent: {severity: low}",
            &["error: rule error-rate has a threshold and `absent`; make two rules of it"],
        ),
        (
            rule,
            "warning: {above: 5}\n    tiers: {warning: {above: 7, severity: high}}",
            &[
                "error: the tier `warning` of rule error-rate is under `tiers`; write `warning:` beside `tiers:`, or another name",
            ],
        ),
        (
            rule,
            "warning: {severity: low}",
            &[
                "error: the tier `warning` of rule error-rate has no threshold; add one of `above`, `at_least`, `below`, `at_most`",
            ],
        ),
        (
            rule,
            "warning: {above: 0.05}\n    critical: {above: 1}",
            &["error: the key `critical` is there twice, first in line 30; remove one of them"],
        ),
        (
            "    min_volume: {metric: Requests, at_least: 20}\n",
            "",
            &[
                "warning: rule error-rate watches the ratio ErrorRate without a minimum volume; add `min_volume: {metric: ..., at_least: ...}`, or one failure of two is 50 %",
            ],
        ),
        (
            "min_volume: {metric: Requests",
            "min_volume: {metric: Spent",
            &["error: Spent has a period of 1d, ErrorRate one of 1m; count with a metric of the same period"],
        ),
        (
            "group_by: [Service]",
            "group_by: [Servic]",
            &[r#"error: rule spent groups by "Servic", which Spent does not have; its dimensions are Service"#],
        ),
        (
            "group_by: [Service]",
            "engine: alarm",
            &[
                "error: rule spent is a CloudWatch alarm, but Spent does not come from CloudWatch; write `engine: service`",
            ],
        ),
        (
            "    runbook: errors",
            "    runbook: errors\n    datapoints: 5 of 5",
            &[
                "warning: rule error-rate notices a SEV1 after 6m at the earliest; its response time is 5m; shorten the metric's period, or ask for fewer datapoints",
            ],
        ),
        (
            "title: Shop}",
            "title: Shop, cycle: 5m}",
            &[
                "error: rule error-rate can raise a SEV1, but is evaluated every 5m only; write `engine: alarm`, `cycle: 1m` under `service`, or `incident: SEV2`",
            ],
        ),
        (
            "    runbook: errors",
            "    runbook: errors\n    engine: alarm\n    clear_after: 3\n    active_hours: {from: 8, to: 18, time_zone: Europe/Berlin}",
            &[
                "error: rule error-rate is a CloudWatch alarm, which knows no `clear_after`; remove `clear_after`, or write `engine: service`",
                "error: rule error-rate is a CloudWatch alarm, which knows no `active_hours`; remove `active_hours`, or write `engine: service`",
            ],
        ),
    ] {
        check(from, to, expected);
    }
}

#[test]
fn an_alarm_has_at_most_ten_metrics() {
    let inputs: Vec<String> = (0..11).map(|index| format!("M{index}")).collect();
    let metrics: Vec<String> = inputs
        .iter()
        .map(|name| format!("  {name}: {{category: application, description: One., unit: Count, cloudwatch: {{namespace: Shop, statistic: Sum}}}}\n"))
        .collect();
    let text = SOUND
        .replace("rules:\n", &format!("{}  All:\n    category: application\n    description: All.\n    unit: Count\n    formula: {}\nrules:\n", metrics.concat(), inputs.join(" + ")))
        .replace("metric: ErrorRate", "engine: alarm\n    metric: All");
    assert_eq!(problems(&text).len(), 1);
    assert!(
        problems(&text)[0].contains("rule error-rate is a CloudWatch alarm on 12 metrics; use at most 10"),
        "{:?}",
        problems(&text)
    );
}

#[test]
fn an_alarm_on_every_set_of_dimensions_is_resolved() {
    let text = SOUND
        .replace("description: Errors.", "description: Errors.\n    dimensions: {Host: [a, b], Zone: [x]}")
        .replace("description: Requests.", "description: Requests.\n    dimensions: {Host: [a, b], Zone: [x]}")
        .replace("runbook: errors", "engine: alarm\n    runbook: errors");
    let (catalogue, problems) = parse(Path::new("c.yaml"), &text);
    assert_eq!(problems, []);
    let names: Vec<String> = catalogue.unwrap().alarms.into_iter().map(|alarm| alarm.name).collect();
    assert_eq!(
        names,
        [
            "shop-error-rate-warning-Host=a,Zone=x",
            "shop-error-rate-warning-Host=b,Zone=x",
            "shop-error-rate-critical-Host=a,Zone=x",
            "shop-error-rate-critical-Host=b,Zone=x",
        ]
    );
}

#[test]
fn escalation_and_channels_are_checked() {
    let sev3 = "escalation: 2h, channels: [chat]}";
    for (from, to, expected) in [
        (
            "channels: [phone, chat]}\n  SEV2",
            "channels: [chat]}\n  SEV2",
            &[
                "warning: no level of SEV1 has a PagerDuty channel, so nobody's phone rings; add a channel of kind `pagerduty`",
            ][..],
        ),
        (
            sev3,
            "escalation: 2h, channels: [chat], levels: [{}, {after: 2h}, {}]}",
            &[
                "error: level 2 of SEV3 is never called: the last level comes at the same time, after 2h; write less than 2h",
                "error: level 3 of SEV3 comes after 2h, not after level 2 at 2h; write more than 2h",
            ],
        ),
        (
            sev3,
            "escalation: 2h, channels: [chat], levels: [{}, {}, {after: 3h}]}",
            &[
                "error: level 3 of SEV3 comes after 3h, but the last level is called after 2h; write at most 2h, or a longer `escalation`",
            ],
        ),
        (
            sev3,
            "escalation: 2h, channels: [chat], levels: [{}, {after: 10m}, {after: 20m}, {}]}",
            &[
                "error: level 4 of SEV3 does not say when it is called; add `after:`; only the first three have a default",
            ],
        ),
        (
            "defaults: {team: platform}\n",
            "",
            &[
                "error: SEV1 calls nobody: it has no levels, and `defaults` no team; add `team:` under `defaults`, or `levels:` here",
                "error: SEV2 calls nobody: it has no levels, and `defaults` no team; add `team:` under `defaults`, or `levels:` here",
                "error: SEV3 calls nobody: it has no levels, and `defaults` no team; add `team:` under `defaults`, or `levels:` here",
                "error: SEV4 calls nobody: it has no levels, and `defaults` no team; add `team:` under `defaults`, or `levels:` here",
            ],
        ),
        (
            "  chat: {kind",
            "  mail: {kind: email, topic: shop-notify}\n  loop: {kind: sms, topic: shop-alerts}\n  chat: {kind",
            &[
                "error: the topic of channel mail has the prefix shop, which is added anyway; write notify",
                "error: channel loop sends to the topic `alerts`, which the suite itself listens to; name another topic, such as notify-email: each message would come back as an alert",
            ],
        ),
        (
            "conversation: \"#shop\"",
            "fallback: phone",
            &["error: channel chat does not say where in Slack; add `conversation: \"#incidents\"`, in quotes"],
        ),
        (
            "  chat: {kind",
            "  mail: {kind: email}\n  chat: {kind",
            &["warning: channel mail is used nowhere; name it in a severity, or remove it"],
        ),
        (
            "    runbook: errors\n",
            "",
            &["warning: runbook errors is used nowhere; name it in a rule or an objective, or remove it"],
        ),
        (
            "teams:\n",
            "teams:\n  other: {title: Other, contact: x}\n",
            &["warning: team other is used nowhere; name it in a level or a runbook, or remove it"],
        ),
    ] {
        check(from, to, expected);
    }
}

#[test]
fn yaml_that_is_no_catalogue_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "c.yaml:1:1: error: the file is empty; begin with the section `service`"),
        ("- a", "c.yaml:1:1: error: this is a list, not a mapping; write a mapping, `key: value`"),
        ("a: 1\n---\nb: 2", "c.yaml:2:1: error: a second document begins here; keep one catalogue in a file"),
        ("? [a]\n: 3", "c.yaml:1:3: error: a list or a mapping cannot be a key; write a plain name before the colon"),
        (
            "service:\n\tname: x",
            "c.yaml:2:2: error: this is not YAML: tabs disallowed within this context (block indentation); look at the indentation, brackets and quotes here and in the line before",
        ),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
    let nested: Vec<String> = (0..1000).map(|depth| " ".repeat(depth) + "a:").collect();
    assert_eq!(
        problems(&nested.join("\n")),
        ["c.yaml:33:33: error: this is nested more than 32 deep; a catalogue is flat; look for a bracket too many"]
    );
    assert_eq!(problems(&"[".repeat(100_000)).len(), 1);
    assert_eq!(
        problems(&"# five megabytes\n".repeat(300_000)),
        ["c.yaml:1:1: error: the file has 5100000 bytes; a catalogue has at most 1048576"]
    );
}

#[test]
fn what_has_two_meanings_in_yaml_is_refused() {
    for (from, to, expected) in [
        (
            "teams:\n  platform: {",
            "teams:\n  platform: &team {",
            "error: anchors are not supported; write the value where it is needed, or use `defaults`",
        ),
        (
            "contact: \"#shop\"",
            "contact: !!str shop",
            "error: tags are not supported; remove the word that begins with `!`",
        ),
        (
            "{team: platform}",
            "{team: platform, <<: {engine: alarm}}",
            "error: merge keys are not supported; write the keys out, or use `defaults`",
        ),
        (
            "warning: {above: 100}",
            "warning: {above: .inf}",
            "error: .inf is not a finite number; write one with digits",
        ),
    ] {
        check(from, to, &[expected]);
    }
}

#[test]
fn every_missing_section_is_reported() {
    let found = problems("service: {name: shop, title: Shop}\n");
    let sections: Vec<&str> = found.iter().filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(sections, ["metrics", "rules", "severities", "channels", "teams"]);
}

#[test]
fn a_duration_is_written_as_it_is_read() {
    use super::document::Duration;
    for (text, seconds, shown) in [
        ("30s", 30, "30s"),
        ("5m", 300, "5m"),
        ("1h30m", 5_400, "90m"),
        ("24h", 86_400, "1d"),
        ("0s", 0, "0s"),
        ("999999d", u32::MAX, "4294967295s"),
    ] {
        let duration = Duration::try_from(text.to_owned()).unwrap();
        assert_eq!((duration.seconds, duration.to_string().as_str()), (seconds, shown), "{text}");
    }
    for text in ["", "5", "m", "5w", "-5m", "5 m"] {
        assert!(Duration::try_from(text.to_owned()).is_err(), "{text}");
    }
}
