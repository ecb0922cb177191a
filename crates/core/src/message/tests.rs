use serde_json::{Value, json};

use super::*;
use crate::metric::Unit;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn alert_line(title: &str, value: f64, threshold: f64, unit: Unit) -> AlertLine {
    AlertLine {
        title: title.to_owned(),
        firing: true,
        severity: AlertSeverity::Critical,
        dimensions: Dimensions::new(),
        value: Some(value),
        comparison: Some(Comparison::Above),
        threshold: Some(threshold),
        unit,
        since: at("2026-11-23T03:12:00Z"),
        quote: None,
        expected: None,
    }
}

fn notice(kind: NoticeKind, status: Status, why: &str) -> Notice {
    let mut duration = alert_line(
        "LambdaDuration{FunctionName=ai-nutritionist-api} above 28 s",
        29_400.0,
        28_000.0,
        Unit::Milliseconds,
    );
    duration.dimensions.insert("FunctionName".to_owned(), "ai-nutritionist-api".to_owned());
    duration.severity = AlertSeverity::High;
    duration.firing = false;
    Notice {
        incident: IncidentId::parse("INC-20261123-0f3a9c1d").unwrap(),
        kind,
        severity: Severity::Sev1,
        status,
        title: "ErrorRate above 10 %".to_owned(),
        why: why.to_owned(),
        service: "AI Nutritionist".to_owned(),
        environment: "production".to_owned(),
        since: at("2026-11-23T03:12:00Z"),
        at: at("2026-11-23T03:30:10Z"),
        alerts: vec![alert_line("ErrorRate above 10 %", 15.0, 10.0, Unit::Percent), duration],
        more_alerts: 3,
        runbook: Some(RunbookCard {
            name: "high-error-rate".to_owned(),
            title: "High error rate response".to_owned(),
            steps: [
                "Look at the latest deployment.",
                "Roll it back if errors began with it.",
                "Check DynamoDB throttles.",
                "Call the vendor.",
            ]
            .map(str::to_owned)
            .to_vec(),
            url: Some("https://wiki.example.com/runbooks/high-error-rate?a=1&b=2".to_owned()),
            queries: vec![QueryLink {
                title: "Error Analysis".to_owned(),
                url: "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:logs-insights"
                    .to_owned(),
            }],
        }),
        on_call: None,
        dedup_keys: vec!["INC-20261123-0f3a9c1d".to_owned()],
    }
}

fn page(level: u32, round: u32, why: &str) -> Notice {
    let team = "Platform Engineering".to_owned();
    notice(NoticeKind::Page { level, round, team }, Status::Detected, why)
}

/// Everything from outside is as bad as it can be.
fn hostile() -> Notice {
    let markup = "<!channel> <@U123> <https://evil.example|click> & `x` *b* _i_ ~s~ user_id \u{1b}[2J\u{202e}\r\nBcc: a@example.com";
    let long = format!("{markup} {}", "<&>".repeat(2000));
    let mut notice = page(1, 0, &long);
    notice.title = long.clone();
    notice.service = format!("Sërvice {markup}");
    notice.environment = markup.to_owned();
    let line = AlertLine {
        title: long.clone(),
        dimensions: Dimensions::from([("Fun\nction".to_owned(), long.clone())]),
        value: None,
        comparison: None,
        threshold: None,
        quote: Some(format!("``` {long}")),
        expected: None,
        ..alert_line("", 0.0, 0.0, Unit::None)
    };
    notice.alerts = vec![line; MAX_ALERT_LINES];
    notice.on_call = Some(OnCallPerson { title: long.clone(), slack_user_id: Some(markup.to_owned()) });
    notice.runbook = Some(RunbookCard {
        name: "r".to_owned(),
        title: long.clone(),
        steps: vec![long; 500],
        url: Some("https://a|<!channel>".to_owned()),
        queries: vec![
            QueryLink { title: markup.to_owned(), url: "https://a|<!channel>".to_owned() },
            QueryLink { title: markup.to_owned(), url: "javascript:alert(1)".to_owned() },
        ],
    });
    notice
}

fn all_channels(notice: &Notice) -> String {
    let json = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let (subject, body) = text::email(notice);
    let event =
        pagerduty::event(notice, "INC-20261123-0f3a9c1d", "KEY").map_or("nothing".to_owned(), |event| json(&event));
    let sms = text::sms(notice);
    format!(
        "== SMS, {} characters\n{sms}\n== e-mail\n{subject}\n--\n{body}== Slack\n{}\n== Slack, thread\n{}\n== PagerDuty\n{event}\n",
        sms.len(),
        json(&slack::blocks(notice, false)),
        json(&slack::thread_reply(notice, false)),
    )
}

#[test]
fn a_first_page_on_every_channel() {
    insta::assert_snapshot!(all_channels(&page(1, 0, "critical alert: 1 of 1 datapoints breach")));
}

#[test]
fn a_later_page_says_why() {
    let why = "nobody acknowledged within the response time of 5 min, so it goes to level 2 of 3";
    insta::assert_snapshot!(all_channels(&page(2, 0, why)));
}

fn ana(slack_user_id: &str) -> OnCallPerson {
    OnCallPerson { title: "Ana Torres".to_owned(), slack_user_id: Some(slack_user_id.to_owned()) }
}

#[test]
fn a_page_says_who_is_on_call_on_every_channel() {
    let page = page(1, 0, "critical alert: 1 of 1 datapoints breach");
    insta::assert_snapshot!(all_channels(&Notice { on_call: Some(ana("U024BE7LH")), ..page }));
}

#[test]
fn only_a_member_id_becomes_a_mention() {
    for (id, mentioned) in [
        ("U024BE7LH", true),
        ("W012A3CDE", true),
        ("U024BE7LH> <!channel", false),
        ("!channel", false),
        ("S024BE7LH", false),
        ("u024be7lh", false),
        ("U", false),
        ("", false),
    ] {
        let notice = Notice { on_call: Some(ana(id)), ..page(1, 0, "w") };
        for message in [slack::blocks(&notice, false), slack::thread_reply(&notice, false)] {
            let text = message.to_string();
            assert_eq!(text.matches(&format!("On call: <@{id}>")).count(), usize::from(mentioned), "{id}: {text}");
            assert_eq!(text.matches("<@").count(), usize::from(mentioned), "{id}: {text}");
            assert!(text.contains("On call: Ana Torres") && !text.contains("<!channel"), "{id}: {text}");
        }
    }
}

#[test]
fn an_update_on_every_channel() {
    insta::assert_snapshot!(all_channels(&notice(
        NoticeKind::Update,
        Status::Acknowledged,
        "LambdaDuration fires, too"
    )));
}

#[test]
fn a_word_to_a_team_on_every_channel() {
    let kind = NoticeKind::Team { name: "database".to_owned(), title: "Database".to_owned() };
    let mut told = notice(kind, Status::Detected, "runbook high-error-rate asks for it");
    told.on_call = Some(OnCallPerson { title: "Dora".to_owned(), slack_user_id: None });
    insta::assert_snapshot!(all_channels(&told));
}

#[test]
fn an_acknowledgement_on_every_channel() {
    let kind = NoticeKind::Acknowledged { by: "ana".to_owned() };
    insta::assert_snapshot!(all_channels(&notice(kind, Status::Acknowledged, "ana said so: rolling back")));
}

#[test]
fn a_resolution_on_every_channel() {
    let kind = NoticeKind::Resolved { by: "recovery".to_owned() };
    let mut notice = notice(kind, Status::Resolved, "every alert was measured OK");
    notice.alerts.iter_mut().for_each(|alert| alert.firing = false);
    notice.more_alerts = 0;
    insta::assert_snapshot!(all_channels(&notice));
}

/// The buttons of a message and of its reply in the thread.
fn buttons(notice: &Notice) -> Vec<Value> {
    let messages = [slack::blocks(notice, true), slack::thread_reply(notice, true)];
    let blocks = messages.iter().flat_map(|message| message["blocks"].as_array().unwrap());
    blocks.filter(|block| block["type"] == "actions").cloned().collect()
}

#[test]
fn a_page_has_buttons_where_somebody_hears_them() {
    let notice = page(1, 0, "critical alert: 1 of 1 datapoints breach");
    let buttons = buttons(&notice);
    assert_eq!(buttons.len(), 2, "one row each in the message and in the thread");
    insta::assert_json_snapshot!(buttons[0]);
    for message in [slack::blocks(&notice, false), slack::thread_reply(&notice, false)] {
        assert!(!message.to_string().contains("\"actions\""));
    }
}

#[test]
fn only_what_can_still_be_done_has_a_button() {
    let labels = |kind: NoticeKind, status: Status| -> Vec<String> {
        let rows = buttons(&notice(kind, status, "why"));
        let labels = rows.iter().flat_map(|row| row["elements"].as_array().unwrap());
        labels.map(|button| button["action_id"].as_str().unwrap().to_owned()).collect()
    };
    let by = || "ana".to_owned();
    let answered = ["resolve", "silence_1h"];
    assert_eq!(labels(NoticeKind::Update, Status::Detected), ["acknowledge", "resolve", "silence_1h"]);
    assert_eq!(labels(NoticeKind::Update, Status::Investigating), answered);
    assert_eq!(labels(NoticeKind::Acknowledged { by: by() }, Status::Acknowledged), answered);
    assert_eq!(labels(NoticeKind::Resolved { by: by() }, Status::Resolved), Vec::<String>::new());
    // Worse than when somebody said that they are on it, it is paged again, and asks for an answer again.
    let page = NoticeKind::Page { level: 1, round: 1, team: "Platform Engineering".to_owned() };
    assert_eq!(labels(page, Status::Investigating).len(), 6);
}

#[test]
fn a_terminal_shows_colour_when_asked() {
    let notice = page(1, 0, "critical alert: 1 of 1 datapoints breach");
    assert!(text::terminal(&notice, true).starts_with("\u{1b}[1;31mSEV1: ErrorRate above 10 %\u{1b}[0m\n"));
    assert!(!text::terminal(&notice, false).contains('\u{1b}'));
}

#[test]
fn hostile_text_stays_text_in_slack() {
    let notice = hostile();
    for message in [slack::blocks(&notice, true), slack::thread_reply(&notice, true)] {
        let blocks = message["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50);
        assert!(message["text"].as_str().unwrap().chars().count() <= 4000);
        let sections = blocks.iter().filter(|block| block["type"] == "section");
        for text in sections.map(|block| block["text"]["text"].as_str().unwrap()).chain(message["text"].as_str()) {
            assert!(text.chars().count() <= 3000, "{} characters", text.chars().count());
            let markup = text.replace("<!date^", "");
            assert!(!markup.contains("<!") && !markup.contains("<@") && !markup.contains("<http"), "{text}");
            assert_eq!(text.matches("```").count() % 2, 0, "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
        }
        let header = &blocks[0];
        if header["type"] == "header" {
            assert!(header["text"]["text"].as_str().unwrap().chars().count() <= 150);
        }
    }
    insta::assert_json_snapshot!(slack::thread_reply(&notice, true)["blocks"][1]);
}

#[test]
fn a_long_link_fits_and_its_title_cannot_break_out_of_it() {
    let mut notice = page(1, 0, "w");
    let url = format!("https://a/?b&c={}", "x".repeat(2480));
    let title = "a|b> <!channel> ".repeat(50);
    let queries = vec![QueryLink { title, url: url.clone() }; 9];
    notice.runbook.as_mut().unwrap().queries = queries;
    let message = slack::blocks(&notice, true);
    let blocks = message["blocks"].as_array().unwrap();
    let texts = blocks.iter().filter_map(|block| block["text"]["text"].as_str());
    let links: Vec<&str> = texts.filter(|text| text.contains("|Logs: ")).collect();
    assert_eq!(links.len(), 4, "as many as a message takes");
    for link in links {
        assert!(link.starts_with(&format!("<{}|Logs: a|b&gt; &lt;!channel&gt;", url.replace('&', "&amp;"))), "{link}");
        assert!(link.ends_with('>') && link.matches('>').count() == 1 && link.chars().count() <= 3000, "{link}");
    }
    let event = pagerduty::event(&notice, "k", "KEY").unwrap();
    assert_eq!(event["links"].as_array().unwrap().len(), 5, "the runbook's page and four queries");
    assert_eq!(event["links"][1]["href"], json!(url));
    let too_long = QueryLink { title: "t".to_owned(), url: format!("{url}xxxxxx") };
    notice.runbook.as_mut().unwrap().queries = vec![too_long];
    assert_eq!(pagerduty::event(&notice, "k", "KEY").unwrap()["links"].as_array().unwrap().len(), 1);
}

#[test]
fn hostile_text_fits_every_other_channel() {
    let notice = hostile();
    let later = NoticeKind::Page { level: 2, round: 1, team: "{".repeat(300) };
    for notice in [notice.clone(), Notice { kind: later, ..notice.clone() }] {
        let sms = text::sms(&notice);
        let septets: usize = sms.chars().map(|character| if "^{}\\[]~|".contains(character) { 2 } else { 1 }).sum();
        assert!(septets <= 306, "{septets}: {sms}");
        assert!(sms.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'`'), "{sms}");
        assert!(sms.ends_with(" Since 03:12 UTC. monitorctl incidents acknowledge INC-20261123-0f3a9c1d"), "{sms}");
    }

    let (subject, body) = text::email(&notice);
    assert!(subject.len() < 100 && subject.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{subject}");
    assert!(body.len() < 256 * 1024);
    assert!(!body.chars().any(|character| character.is_control() && character != '\n'));
    assert!(!body.lines().any(|line| line.starts_with("Bcc")));

    let event = pagerduty::event(&notice, &"k".repeat(300), "KEY").unwrap();
    assert!(event["payload"]["summary"].as_str().unwrap().chars().count() <= 1024);
    assert!(event["dedup_key"].as_str().unwrap().chars().count() <= 255);
    assert!(event["links"].is_null());
    assert!(serde_json::to_vec(&event).unwrap().len() < 512 * 1024);
}

#[test]
fn every_severity_has_its_own_at_pagerduty() {
    for (severity, expected) in
        [(Severity::Sev1, "critical"), (Severity::Sev2, "error"), (Severity::Sev3, "warning"), (Severity::Sev4, "info")]
    {
        let notice = Notice { severity, ..page(1, 0, "") };
        let event = pagerduty::event(&notice, "k", "KEY").unwrap();
        assert_eq!(event["payload"]["severity"], expected);
    }
}

#[test]
fn a_length_of_time_is_said_as_a_person_would() {
    for (seconds, expected) in [
        (i64::MIN, "0 s"),
        (-1, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
        (i64::MAX, "106751991167300 d 15 h"),
    ] {
        assert_eq!(format_seconds(seconds), expected, "{seconds}");
    }
}

#[test]
fn what_a_detector_expected_is_told_beside_the_value() {
    let mut notice = page(1, 0, "why");
    notice.alerts = vec![AlertLine {
        comparison: None,
        threshold: None,
        severity: AlertSeverity::Low,
        expected: Some(Range { low: 80.0, high: 140.5 }),
        ..alert_line("Revenue is unusual", 12.0, 0.0, Unit::UsdPerHour)
    }];
    let sentence = "low: Revenue is unusual, measured $12/h (expected: $80/h to $140.50/h)";
    let channels = all_channels(&notice);
    assert_eq!(channels.matches(sentence).count(), 4, "e-mail, Slack twice, PagerDuty: {channels}");
}
