//! What is found out while people are on their way.

use super::*;
use crate::investigation::{Found, Kind};

fn asked(story: &Story) -> Vec<&Question> {
    let question = |effect| match effect {
        &Effect { kind: EffectKind::Investigate { ref question }, .. } => Some(question),
        _ => None,
    };
    story.effects.iter().filter_map(question).collect()
}

fn answer(headline: &str, is_news: bool) -> Event {
    let cause = Found { kind: Kind::Cause, text: "api".to_owned(), at: None, certainty: Some(0.5) };
    Event::Investigated(Investigation {
        headline: headline.to_owned(),
        is_news,
        findings: vec![cause],
        ..Investigation::default()
    })
}

#[test]
fn it_is_asked_once_with_the_first_call_and_after_its_pages() {
    let mut story = Story::new();
    story.fires("error-rate", Severity::Sev1);
    let expected = Question {
        rule: "error-rate".to_owned(),
        group: GroupKey::named("api"),
        onset: story.now,
        functions: Vec::new(),
    };
    assert_eq!(asked(&story), [&expected]);
    let effect = story.effects.iter().find(|effect| matches!(effect.kind, EffectKind::Investigate { .. })).unwrap();
    let pages = story.effects.iter().filter(|effect| effect.is_page());
    assert!(
        pages.clone().count() > 0
            && pages.clone().all(|page| page.number < effect.number && page.lane() != effect.lane())
    );
    let (function, event) = effect.request(&story.incident().id).unwrap();
    assert_eq!(function, "comprehensive-monitoring");
    let investigate = json!({ "rule": "error-rate", "group": "api", "onset": story.now });
    assert_eq!(event, json!({ "incident_id": story.incident().id, "investigate": investigate }));

    story.pass(30);
    story.wakes();
    story.fires("response-time", Severity::Sev1);
    assert_eq!(asked(&story).len(), 1);
}

#[test]
fn what_no_rule_watches_and_what_calls_nobody_is_not_investigated() {
    let mut story = Story::new();
    story.fires("alarm:somebody-elses", Severity::Sev1);
    assert!(asked(&story).is_empty());

    let mut story = Story::new();
    story.around.storm = IncidentId::parse("INC-20261123-00000001");
    story.fires("error-rate", Severity::Sev2);
    story.said(&[]);
    assert!(asked(&story).is_empty());
}

#[test]
fn the_answer_is_kept_and_told_once() {
    let mut story = Story::new();
    story.fires("error-rate", Severity::Sev1);
    story.decide_all(&[answer("likely cause api (50 %)", true)]);
    story.said(&["slack update INC"]);
    assert_eq!(story.why(), "likely cause api (50 %)");
    assert!(matches!(&story.journal.last().unwrap().fact, Fact::Investigated { found } if found.findings.len() == 1));
    story.pass(1);
    story.decide_all(&[answer("likely cause lambda (90 %)", true)]);
    story.nothing("investigated already");
}

#[test]
fn nobody_is_told_that_nothing_was_found() {
    let mut story = Story::new();
    story.fires("error-rate", Severity::Sev1);
    story.decide_all(&[answer("none of 40 metrics left its normal range", false)]);
    story.said(&[]);
    assert!(story.incident().investigated_at.is_some());
}
