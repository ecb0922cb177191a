use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::alert::{AlertChange, AlertKey};
use crate::catalogue::{LogQuery, Severity};
use crate::example_catalogue::catalogue;
use crate::incident::{Entry, Fact, IncidentId, Member};
use crate::metric::Dimensions;

/// An incident with these alerts: severity, minute at which it fired, runbook.
fn check(alerts: &[(Severity, i64, Option<&str>)], expected: Option<&str>) {
    let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
    let change = |severity, minute, runbook: Option<&str>| AlertChange {
        severity,
        runbook: runbook.map(str::to_owned),
        ..AlertChange::about_the_suite("x", "x", "x", at(minute))
    };
    let first = change(Severity::Sev4, 0, None);
    let opened = Fact::Opened {
        group: first.group.clone(),
        title: first.title.clone(),
        severity: first.severity,
        runbook: None,
        earlier: crate::incident::Earlier::default(),
        onset: first.since,
    };
    let mut incident = Incident::open(IncidentId::parse("INC-1").unwrap(), &opened, at(0)).unwrap();
    for (index, (severity, minute, runbook)) in alerts.iter().enumerate() {
        let key = AlertKey::new(&format!("alert-{index}"), &Dimensions::new(), None);
        let fact = Fact::AlertFired { key, member: Member::of(&change(*severity, *minute, *runbook), None) };
        let number = u32::try_from(index).unwrap() + 1;
        incident.apply(&Entry { number, at: at(*minute), fact, reason: "r".to_owned(), effects: Vec::new() });
    }
    assert_eq!(choose(&incident), expected, "{alerts:?}");
}

#[test]
fn the_worst_alert_that_has_a_runbook_gives_it() {
    use Severity::{Sev1, Sev3};
    check(&[], None);
    check(&[(Sev1, 0, None)], None);
    check(&[(Sev3, 0, Some("a")), (Sev1, 1, Some("b"))], Some("b"));
    check(&[(Sev3, 0, Some("a")), (Sev1, 1, None)], Some("a"));
    check(&[(Sev3, 5, Some("late")), (Sev3, 1, Some("first"))], Some("first"));
}

#[test]
fn a_card_is_bounded() {
    let mut catalogue = catalogue();
    catalogue.runbooks.get_mut("high-error-rate").unwrap().steps = vec!["s".repeat(5000); 100];
    let card = card(&catalogue, "high-error-rate", LOOK).unwrap();
    assert_eq!((card.steps.len(), card.steps[0].len()), (20, 500));
    assert_eq!(card.title, "High error rate response");
    assert_eq!(super::card(&catalogue, "none", LOOK), None);
}

const LOOK: Look<'_> =
    Look { region: Some("us-east-1"), onset: Timestamp::UNIX_EPOCH, end: None, now: Timestamp::UNIX_EPOCH };

/// The links of a runbook with this one query.
fn links(query: &str, look: Look<'_>) -> Vec<String> {
    let mut catalogue = catalogue();
    let log_groups = vec!["/aws/lambda/ai-nutritionist-api".to_owned(), "/aws/lambda/b_c".to_owned()];
    let query = LogQuery { title: "Errors".to_owned(), log_groups, query: query.to_owned() };
    catalogue.queries.insert("errors".to_owned(), query);
    catalogue.runbooks.get_mut("high-error-rate").unwrap().queries = vec!["errors".to_owned(), "none".to_owned()];
    let card = card(&catalogue, "high-error-rate", look).unwrap();
    card.queries.into_iter().map(|link| link.url).collect()
}

#[test]
fn a_query_has_a_link_as_the_console_writes_it() {
    let onset: Timestamp = "2026-11-23T03:12:00Z".parse().unwrap();
    let look = Look { region: Some("us-east-1"), onset, end: None, now: onset + SignedDuration::from_mins(2) };
    let query = "filter level = \"ERROR\"\n| sort @timestamp desc";
    // By hand, after links that the console itself has made.
    let expected = |start: &str, end: &str| {
        format!(
            "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:logs-insights$3FqueryDetail$3D\
             ~(end~'2026-11-23T{end}*3a00.000Z~start~'2026-11-23T{start}*3a00.000Z~timeType~'ABSOLUTE~tz~'UTC\
             ~editorString~'filter*20level*20*3d*20*22ERROR*22*0a*7c*20sort*20*40timestamp*20desc\
             ~source~(~'*2faws*2flambda*2fai-nutritionist-api~'*2faws*2flambda*2fb_c))"
        )
    };
    assert_eq!(links(query, look), [expected("02*3a57", "04*3a14")]);
    // Over since 03:40: until a quarter of an hour later.
    let over = Look { end: Some(onset + SignedDuration::from_mins(28)), ..look };
    assert_eq!(links(query, over), [expected("02*3a57", "03*3a55")]);
}

#[test]
fn a_link_holds_whatever_a_query_holds() {
    for (query, written) in [
        ("a'b(c)~*%", "~editorString~'a*27b*28c*29*7e*2a*25~source~"),
        ("$x", "~editorString~'!x~source~"),
        ("é€😀", "~editorString~'*e9**20ac**d83d**de00~source~"),
    ] {
        let links = links(query, LOOK);
        assert!(links[0].contains(written), "{query}: {links:?}");
        assert!(links[0].is_ascii());
    }
}

#[test]
fn without_a_region_or_with_a_query_too_long_for_a_message_there_is_no_link() {
    assert!(links("a", Look { region: None, ..LOOK }).is_empty());
    assert_eq!(links(&"x".repeat(2000), LOOK).len(), 1);
    assert!(links(&"x".repeat(2400), LOOK).is_empty());
    for (region, start) in [
        ("cn-north-1", "https://cn-north-1.console.amazonaws.cn/"),
        ("us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ] {
        assert!(links("a", Look { region: Some(region), ..LOOK })[0].starts_with(start));
    }
}
