//! What is not known becomes something to do: whatever would have told it.

use super::course::Course;
use super::impact::{Loss, Outcome};
use super::{Phase, Priority, ProposedItem, Statement, Timing, causes, impact};

/// One item for each kind of thing that is not known. The root cause has its own, which the findings ask for.
pub(super) fn items(course: &Course<'_>, timings: &[Timing], owner: &str) -> Vec<ProposedItem> {
    let id = &course.evidence.incident.id;
    let item = |rule: &str, title: &str, why: Statement, done_when: String, priority| ProposedItem {
        rule: rule.to_owned(),
        title: title.to_owned(),
        why,
        done_when,
        priority,
        owner: owner.to_owned(),
        due: None,
    };
    let written_anew = |says: &str| format!("`monitorctl post-mortems write {id}` {says}");
    let timing = |phase| timings.iter().find(|timing| timing.phase == phase).map(|timing| &timing.basis);
    let unknown = |phase| timing(phase).filter(|basis| matches!(basis, Statement::NotKnown { .. })).cloned();
    let mut items = Vec::new();
    items.extend(unmeasured(course.evidence.losses).map(|why| {
        let title = "Make known what an incident costs";
        item("impact-unknown", title, why, written_anew("says what it cost, with figures"), Priority::Medium)
    }));
    items.extend(unknown(Phase::Detect).map(|why| {
        let title = "Make known when an incident of this kind begins to show";
        item("onset-unknown", title, why, written_anew("says when it began, by a metric"), Priority::Low)
    }));
    // What ended by hand while it fired asks for its measurement already.
    items.extend(unknown(Phase::Mitigate).filter(|_| !course.fires_still()).map(|why| {
        let title = "Make known when an incident of this kind is mitigated";
        let done = "the runbook says who sets the status to monitoring, and when".to_owned();
        item("mitigation-unknown", title, why, done, Priority::Low)
    }));
    items.extend(causes::changes_unknown(course).map(|why| {
        let title = "Make known what is deployed and changed";
        item(
            "changes-unknown",
            title,
            why,
            "an investigation says what was deployed and changed, or that nothing was".to_owned(),
            Priority::Low,
        )
    }));
    items
}

/// The first figure that is not known, unless it only waits for hours to be over.
fn unmeasured(losses: &[Loss]) -> Option<Statement> {
    let waits = |loss: &&Loss| !matches!(loss.outcome, Outcome::NotYet {});
    let told: Vec<Loss> = losses.iter().filter(waits).cloned().collect();
    if told.is_empty() && !losses.is_empty() {
        return None;
    }
    impact::statements(&told).into_iter().find(|statement| matches!(statement, Statement::NotKnown { .. }))
}
