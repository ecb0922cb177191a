use serde_json::{Value, json};

use super::*;
use crate::catalogue::{Catalogue, LogQuery, Metric, Source};
use crate::example_catalogue::catalogue;
use crate::metric::{Sample, Series};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn question() -> Question {
    Question {
        rule: "error-rate".to_owned(),
        group: GroupKey::named("api"),
        onset: at("2026-11-23T11:57:00Z"),
        functions: Vec::new(),
    }
}

/// Each metric reads its first number until it leaves it, at the time given, for its second; whatever is not named is not measured.
fn investigated(catalogue: &Catalogue, readings: &[(&str, f64, f64, &str)], fails: Option<&str>) -> Investigation {
    with_evidence(catalogue, readings, fails, Gathered::default())
}

fn with_evidence(
    catalogue: &Catalogue,
    readings: &[(&str, f64, f64, &str)],
    fails: Option<&str>,
    gathered: Gathered,
) -> Investigation {
    let now = at("2026-11-23T12:00:00Z");
    let question = question();
    let needs = needs(catalogue, &question, now);
    let answers: Vec<_> = needs
        .iter()
        .map(|need| {
            if fails == Some(need.metric.name.as_str()) {
                return Err("it is throttled".to_owned());
            }
            let reading = readings.iter().find(|(name, ..)| *name == need.metric.name);
            let Some((_, before, since, moved)) = reading else { return Ok(Vec::new()) };
            let period = i64::from(need.metric.period_seconds);
            let times = (0..need.count).map(|index| need.start.as_second() + period * i64::try_from(index).unwrap());
            let samples = times.map(|second| {
                let time = Timestamp::from_second(second).unwrap();
                // It is never quite still: a hundredth up or down.
                let wobble = if second / period % 2 == 0 { 1.01 } else { 0.99 };
                Sample { at: time, value: if time < at(moved) { before * wobble } else { *since } }
            });
            Ok(vec![Series::new(need.dimensions.clone(), samples.collect())])
        })
        .collect();
    investigate(catalogue, &question, &needs, answers, gathered, now)
}

fn texts(found: &Investigation, kind: Kind) -> Vec<&str> {
    found.findings.iter().filter(|found| found.kind == kind).map(|found| found.text.as_str()).collect()
}

/// `ErrorRate` is 1 % until 11:55 and 15 % since; what the business earns falls three minutes later; response times stay as they are.
const FAILING: [(&str, f64, f64, &str); 3] = [
    ("ErrorRate", 1.0, 15.0, "2026-11-23T11:55:00Z"),
    ("Revenue", 200.0, 20.0, "2026-11-23T11:56:00Z"),
    ("ResponseTime", 400.0, 400.0, "2026-11-23T11:55:00Z"),
];

#[test]
fn what_left_its_normal_range_is_told_in_its_order_and_the_first_to_do_so_is_the_likeliest_cause() {
    let found = investigated(&catalogue(), &FAILING, None);
    assert!(found.is_news);
    assert!(found.headline.starts_with("likely cause api ("), "{}", found.headline);
    assert!(found.headline.contains("since 11:55 UTC"), "{}", found.headline);
    let moved = texts(&found, Kind::Moved);
    assert!(moved[0].starts_with("ErrorRate of api from ") && moved[0].ends_with(" to 15 %"), "{moved:?}");
    assert!(moved[1].starts_with("Revenue of business from ") && moved[1].ends_with(" to $20/h"), "{moved:?}");
    assert_eq!(moved.len(), 2, "{moved:?}");
    let times: Vec<_> =
        found.findings.iter().filter(|found| found.kind == Kind::Moved).filter_map(|found| found.at).collect();
    assert_eq!(times, [at("2026-11-23T11:55:00Z"), at("2026-11-23T11:56:00Z")]);
}

#[test]
fn without_dependencies_it_is_less_sure_and_says_so() {
    let mut catalogue = catalogue();
    let without = investigated(&catalogue, &FAILING, None);
    assert!(texts(&without, Kind::Unavailable)[0].contains("noise.dependencies"));
    catalogue.noise.dependencies.insert("business".to_owned(), vec!["api".to_owned()]);
    let with = investigated(&catalogue, &FAILING, None);
    assert!(texts(&with, Kind::Unavailable).is_empty());
    let sure = |found: &Investigation| found.findings[0].certainty.unwrap();
    assert!(sure(&with) > sure(&without), "{} and {}", sure(&with), sure(&without));
}

#[test]
fn a_quiet_hour_is_no_news_and_a_source_that_fails_is_told() {
    let still = [("ErrorRate", 1.0, 1.0, "2026-11-23T11:55:00Z"), ("Revenue", 200.0, 200.0, "2026-11-23T11:55:00Z")];
    let found = investigated(&catalogue(), &still, Some("ResponseTime"));
    assert!(!found.is_news);
    assert_eq!(found.headline, "none of 2 metrics left its normal range");
    assert_eq!(texts(&found, Kind::Unavailable), ["ResponseTime: it is throttled"]);
    let found = investigated(&catalogue(), &[], None);
    assert_eq!(found.headline, "no metric has samples of now and of before to compare");
}

#[test]
fn however_much_is_said_it_fits_into_an_entry() {
    let line = Found { kind: Kind::Cause, text: "\"".repeat(5000), at: Some(Timestamp::MAX), certainty: Some(7.0) };
    let change = Change {
        at: Timestamp::MAX,
        what: "\"".repeat(5000),
        who: Some("\"".repeat(5000)),
        source: ChangeSource::CloudTrail,
    };
    let found = Investigation {
        headline: "h".repeat(5000),
        is_news: true,
        findings: vec![line; 100],
        began: Some(Timestamp::MAX),
        changes: vec![change; 100],
        told_by: vec![ChangeSource::Lambda; 100],
        patterns: vec![Pattern { text: "\"".repeat(5000), count: u64::MAX }; 100],
    };
    let found = found.bounded();
    assert!(serde_json::to_string(&found).unwrap().len() <= 8000);
    assert!(!found.findings.is_empty());
    assert_eq!(found.findings[0].certainty, None, "7 is no probability");
}

/// A record of `CloudTrail`, as far as it is read.
fn call(time: &str, who: &str, name: &str, parameters: &Value, response: &Value) -> Call {
    let record = json!({
        "eventSource": "lambda.amazonaws.com",
        "eventName": name,
        "requestParameters": parameters,
        "responseElements": response,
    });
    Call { at: at(time), who: Some(who.to_owned()), record }
}

fn version(name: &str, time: &str) -> Version {
    Version { name: name.to_owned(), at: at(time) }
}

/// Lambda has these versions of `api`, of which `live` serves 42, and `CloudTrail` these calls.
fn gathered(versions: &[(&str, &str)], calls: Vec<Call>) -> Gathered {
    let versions = versions.iter().map(|(name, time)| version(name, time)).collect();
    let function = Function { versions, aliases: vec![("live".to_owned(), "42".to_owned())] };
    let calls = Some(Ok(Calls { calls, only_since: None }));
    Gathered { functions: vec![("api".to_owned(), Ok(function))], calls, patterns: None }
}

/// What is told of changes, each with who says so.
fn changes(gathered: Gathered) -> Vec<String> {
    let found = with_evidence(&catalogue(), &FAILING, None, gathered);
    found.changes.iter().map(|change| format!("{} ({})", change.sentence(), change.source)).collect()
}

#[test]
fn a_version_from_shortly_before_is_named_first_with_who_made_it() {
    // ErrorRate leaves its normal range at 11:55, two minutes before the alert.
    let published = call(
        "2026-11-23T11:51:02Z",
        "alice",
        "UpdateFunctionCode20150331v2",
        &json!({ "functionName": "arn:aws:lambda:us-east-1:123456789012:function:api", "publish": true }),
        &json!({ "functionName": "api", "version": "42" }),
    );
    let lambda = [("$LATEST", "2026-11-23T11:51:00Z"), ("41", "2026-11-20T09:00:00Z"), ("42", "2026-11-23T11:51:01Z")];
    let found = with_evidence(&catalogue(), &FAILING, None, gathered(&lambda, vec![published]));
    assert!(
        found.headline.starts_with("api got version 42 by alice 3 min before it began; likely cause api ("),
        "{}",
        found.headline
    );
    assert!(found.is_news);
    assert_eq!(found.began, Some(at("2026-11-23T11:55:00Z")));
    assert_eq!(found.told_by, [ChangeSource::Lambda, ChangeSource::CloudTrail]);
    let lines: Vec<String> = found.lines().into_iter().map(|(_, line)| line).collect();
    assert!(lines.contains(&"changed: api got version 42 by alice (CloudTrail)".to_owned()), "{lines:?}");
    assert_eq!(found.changes.len(), 1, "Lambda and CloudTrail tell of one deployment: {:?}", found.changes);
}

#[test]
fn what_lambda_alone_knows_has_no_name_of_a_person() {
    let lambda = [("$LATEST", "2026-11-23T11:51:00Z"), ("42", "2026-11-23T11:51:01Z"), ("41", "2026-11-20T09:00:00Z")];
    assert_eq!(changes(gathered(&lambda, Vec::new())), ["api got version 42 (served by live) (Lambda)"]);
    assert_eq!(
        changes(gathered(&[("$LATEST", "2026-11-23T11:40:00Z")], Vec::new())),
        ["api got new code or another configuration (Lambda)"]
    );
}

/// What is told of a call at 11:50, if anything.
#[track_caller]
fn check_call(service: &str, name: &str, parameters: &Value, response: &Value, expected: Option<&str>) {
    let record = json!({
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "requestParameters": parameters,
        "responseElements": response,
    });
    let call = Call { at: at("2026-11-23T11:50:00Z"), who: Some("a".to_owned()), record };
    let expected: Vec<String> = expected.map(|what| format!("{what} by a (CloudTrail)")).into_iter().collect();
    assert_eq!(changes(gathered(&[], vec![call])), expected, "{service}:{name}");
}

#[test]
fn calls_about_a_function_are_told_in_words() {
    let check = |name: &str, parameters: Value, response: Value, expected: Option<&str>| {
        check_call("lambda", name, &parameters, &response, expected);
    };
    let of = |function: &str| json!({ "functionName": function });
    check("PublishVersion20150331", of("api"), json!({ "version": "7" }), Some("api got version 7"));
    check("UpdateFunctionCode20150331v2", of("api:live"), json!({ "version": "$LATEST" }), Some("api got new code"));
    let set = json!({ "functionName": "api", "timeout": 3, "environment": {} });
    let told = "api got another configuration (environment, timeout)";
    check("UpdateFunctionConfiguration20150331v2", set, json!(null), Some(told));
    let moved = json!({ "functionName": "123456789012:function:api", "name": "live", "functionVersion": "9" });
    check("UpdateAlias20150331", moved, json!(null), Some("live of api serves version 9"));
    check("PutFunctionConcurrency20171031", of("api"), json!(null), Some("api: PutFunctionConcurrency"));
    // It changes nothing of how the function works; it is somebody else's; it names none.
    check("TagResource20170331v2", of("api"), json!(null), None);
    check("UpdateFunctionCode20150331v2", of("other"), json!(null), None);
    check("UpdateFunctionCode20150331v2", json!({ "functionName": ["api"] }), json!(null), None);
}

#[test]
fn calls_of_other_services_are_told_where_they_change_how_something_works() {
    let check = |service: &str, name: &str, parameters: Value, expected: Option<&str>| {
        check_call(service, name, &parameters, &json!(null), expected);
    };
    let stack = json!({ "stackName": "shop" });
    check("cloudformation", "UpdateStack", stack.clone(), Some("shop: UpdateStack (cloudformation)"));
    check("cloudformation", "SetStackPolicy", stack, None);
    let deployed = json!({ "restApiId": "a1b2", "stageName": "prod" });
    check("apigateway", "CreateDeployment", deployed, Some("a1b2: CreateDeployment (apigateway)"));
    let own = "/ai-nutritionist/model";
    check("ssm", "PutParameter", json!({ "name": own }), Some("/ai-nutritionist/model: PutParameter (ssm)"));
    check("ssm", "PutParameter", json!({ "name": "/elsewhere/x" }), None);
    let scaled = json!({ "resourceId": "function/api", "serviceNamespace": "lambda" });
    let told = "api: PutScalingPolicy (application-autoscaling)";
    check("application-autoscaling", "PutScalingPolicy", scaled, Some(told));
    // Each new process of a function writes so, and names what the catalogue names.
    check("logs", "CreateLogStream", json!({ "logGroupName": "/aws/lambda/api" }), None);
}

#[test]
fn what_is_too_old_failed_or_is_no_record_is_not_told() {
    let published =
        |time| call(time, "a", "PublishVersion20150331", &json!({ "functionName": "api" }), &json!({ "version": "7" }));
    let mut failed = published("2026-11-23T11:50:00Z");
    failed.record["errorCode"] = json!("AccessDenied");
    let odd = Call { at: at("2026-11-23T11:50:00Z"), who: None, record: json!("odd") };
    assert!(changes(gathered(&[], vec![published("2026-11-23T07:00:00Z"), failed, odd])).is_empty());
}

#[test]
fn only_a_change_shortly_before_is_suspected() {
    // It began at 11:55.
    for (time, expected) in [
        ("2026-11-23T11:24:59Z", None),
        ("2026-11-23T11:25:00Z", Some("api got version 7 by a 30 min before it began")),
        ("2026-11-23T11:55:30Z", Some("api got version 7 by a as it began")),
        ("2026-11-23T11:56:00Z", None),
    ] {
        let published =
            call(time, "a", "PublishVersion20150331", &json!({ "functionName": "api" }), &json!({ "version": "7" }));
        let found = with_evidence(&catalogue(), &FAILING, None, gathered(&[], vec![published]));
        let suspect = found.suspect().map(|change| change.before(found.began.unwrap()));
        assert_eq!(suspect.as_deref(), expected, "{time}");
        assert_eq!(found.changes.len(), 1, "{time}: it is told in any case");
    }
}

#[test]
fn of_many_changes_those_nearest_to_the_beginning_are_told() {
    let published = |minute: i64| {
        let time = (at("2026-11-23T11:55:00Z") - jiff::SignedDuration::from_mins(minute)).to_string();
        call(
            &time,
            "a",
            "PublishVersion20150331",
            &json!({ "functionName": "api" }),
            &json!({ "version": minute.to_string() }),
        )
    };
    let told = changes(gathered(&[], (1..100).map(published).collect()));
    let expected: Vec<String> =
        (1..=8).rev().map(|minute| format!("api got version {minute} by a (CloudTrail)")).collect();
    assert_eq!(told, expected);
}

#[test]
fn what_is_refused_is_said_and_the_rest_goes_on() {
    let refused = "the role may not call lambda:ListVersionsByFunction (AccessDeniedException)";
    let functions = ["a", "b", "c", "d"].map(|name| (name.to_owned(), Err(refused.to_owned()))).to_vec();
    let calls = Some(Err("the role may not call cloudtrail:LookupEvents (AccessDeniedException)".to_owned()));
    let patterns = Some(Err("the query took too long".to_owned()));
    let found = with_evidence(&catalogue(), &FAILING, None, Gathered { functions, calls, patterns });
    assert!(found.headline.starts_with("likely cause api ("), "{}", found.headline);
    assert!(found.told_by.is_empty() && found.changes.is_empty());
    let unavailable = texts(&found, Kind::Unavailable);
    let [.., versions, trail, logs] = unavailable.as_slice() else { panic!("{unavailable:?}") };
    assert_eq!(*versions, format!("versions of a, b, c and 1 more are not available: {refused}"));
    assert_eq!(
        *trail,
        "CloudTrail is not available: the role may not call cloudtrail:LookupEvents (AccessDeniedException)"
    );
    assert_eq!(*logs, "patterns of the logs are not available: the query took too long");
}

#[test]
fn the_commonest_patterns_are_told_with_how_many_lines_they_have() {
    let pattern = |text: &str, count| Pattern { text: text.to_owned(), count };
    let patterns = vec![
        pattern("b", 2),
        pattern("Task timed out after <*> seconds", 312),
        pattern("no access for ana.torres@example.com with token 0123456789abcdef", 7),
        pattern("a single line as it stands", 1),
        pattern("a", 2),
    ];
    let found =
        with_evidence(&catalogue(), &FAILING, None, Gathered { patterns: Some(Ok(patterns)), ..Gathered::default() });
    let lines: Vec<String> =
        found.lines().into_iter().map(|(_, line)| line).filter(|line| line.starts_with("log: ")).collect();
    assert_eq!(
        lines,
        [
            "log: 312 lines: Task timed out after <*> seconds",
            "log: 7 lines: no access for [e-mail] with token [secret]",
            "log: 2 lines: a",
        ]
    );
}

#[test]
fn functions_and_log_groups_are_those_that_the_alerts_and_the_catalogue_name() {
    let mut catalogue = catalogue();
    let log_groups = vec!["/aws/lambda/worker".to_owned(), "/shop/web".to_owned()];
    let query = LogQuery { title: "Errors".to_owned(), log_groups: log_groups.clone(), query: "limit 1".to_owned() };
    catalogue.queries.insert("errors".to_owned(), query);
    let runbook = catalogue.rules.get("error-rate").and_then(|rule| rule.runbook.clone()).unwrap();
    catalogue.runbooks.get_mut(&runbook).unwrap().queries = vec!["errors".to_owned()];
    // An alarm of somebody else may name anything.
    let functions = ["mailer", "arn:aws:lambda:us-east-1:999999999999:function:x", ""].map(str::to_owned).to_vec();
    let question = Question { functions, ..question() };
    let wanted = wanted(&catalogue, &question, at("2026-11-23T12:00:00Z"));
    assert_eq!(wanted.functions, ["mailer", "api", "worker"]);
    assert_eq!(wanted.log_groups, log_groups);
    assert_eq!(
        (wanted.from, wanted.logs_from, wanted.until),
        (at("2026-11-23T08:57:00Z"), at("2026-11-23T11:42:00Z"), at("2026-11-23T12:00:00Z"))
    );
    // Asked for long after, it reads no more than six hours and what precedes them.
    let late = super::wanted(&catalogue, &question, at("2026-11-30T12:00:00Z"));
    assert_eq!(late.logs_from, at("2026-11-30T05:45:00Z"));
}

#[test]
fn how_fast_a_budget_is_spent_is_no_cause() {
    let mut catalogue = catalogue();
    let mut rule = catalogue.rules["error-rate"].clone();
    (rule.name, rule.metric) = ("api-burn-fast".to_owned(), "ApiBurnFast".to_owned());
    catalogue.rules.insert(rule.name.clone(), rule);
    let told = |catalogue: &mut Catalogue, expression: &str| {
        let source = Source::Formula { expression: expression.to_owned() };
        let metric = Metric { name: "ApiBurnFast".to_owned(), source, ..catalogue.metrics["ErrorRate"].clone() };
        catalogue.metrics.insert(metric.name.clone(), metric);
        let found = investigated(catalogue, &FAILING, None);
        found.lines().iter().any(|(_, line)| line.contains("ApiBurnFast"))
    };
    assert!(told(&mut catalogue, "2 * ErrorRate"), "a formula is a metric like any other");
    assert!(!told(&mut catalogue, "ROLLING_SUM(ErrorRate, 120)"));
}
