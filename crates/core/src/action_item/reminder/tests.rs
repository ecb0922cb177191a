use jiff::civil::date;

use super::*;
use crate::action_item::tests::{document, with_schedule};
use crate::action_item::{Command, of_document};
use crate::catalogue::Severity;

/// A Monday, 15:00 in UTC: 10:00 in New York, and Tuesday, 00:00, in Tokyo.
const MONDAY: &str = "2026-11-23T15:00:00Z";

/// ana leads Platform and lives in New York, ben lives in Tokyo, the team `database` in UTC.
fn team() -> Catalogue {
    let mut catalogue = with_schedule();
    let platform = catalogue.teams.get_mut("platform").unwrap();
    platform.lead = Some("ana".to_owned());
    platform.members = vec!["ana".to_owned(), "ben".to_owned()];
    catalogue
}

/// An item of somebody, due so many days after 23 November.
fn item(name: &str, priority: Priority, owner: &str, due: i64) -> ActionItem {
    let made: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
    let items = of_document(&document(Severity::Sev1, &[(name, priority)]), &[], &team(), made);
    let to = if owner == "database" || owner == "platform" {
        Command::Reassign { team: owner.to_owned(), owner: None }
    } else {
        Command::Reassign { team: "platform".to_owned(), owner: Some(owner.to_owned()) }
    };
    let day = date(2026, 11, 23).saturating_add(jiff::Span::new().days(due));
    let item = items.into_iter().next().unwrap();
    let item = item.apply(&to, "x", None, made).unwrap_or(item);
    item.apply(&Command::Due(day), "x", None, made).unwrap()
}

/// The digests of that time: `user/ana 2026-11-23: overdue a; soon b`.
fn digests(items: &[ActionItem], told: &[(Date, &str)], now: &str) -> Vec<String> {
    let told = told.iter().map(|(day, to)| (*day, Recipient::parse(to).unwrap())).collect();
    let plan = plan(items, &told, &team(), now.parse().unwrap());
    let part = |name: &str, items: &[&ActionItem]| {
        let items: Vec<&str> = items.iter().map(|item| item.item.as_str()).collect();
        if items.is_empty() { String::new() } else { format!(" {name}={}", items.join(",")) }
    };
    let told = plan.digests.iter().map(|digest| {
        let parts = [
            part("overdue", &digest.overdue),
            part("due", &digest.due),
            part("soon", &digest.soon),
            part("escalated", &digest.escalated),
        ];
        format!("{} {}:{}", digest.to, digest.day, parts.concat())
    });
    told.chain(plan.quiet.iter().map(|(to, quiet)| format!("{to} quiet: {}", quiet.as_str()))).collect()
}

#[test]
fn an_owner_hears_of_what_is_overdue_due_and_due_soon_in_one_digest() {
    let low = Priority::Low;
    let items = [
        item("later", low, "ana", 4),
        item("soon", low, "ana", 3),
        item("today", low, "ana", 0),
        item("late", low, "ana", -1),
        item("later-still", low, "ana", -9),
        item("table", low, "database", 1),
    ];
    assert_eq!(
        digests(&items, &[], MONDAY),
        ["user/ana 2026-11-23: overdue=later-still,late due=today soon=soon", "team/database 2026-11-23: soon=table"]
    );
    assert_eq!(digests(&items[..1], &[], MONDAY), Vec::<String>::new(), "nobody is told that there is nothing");
    let done = items.map(|item| item.apply(&Command::Done, "x", Some("y"), Timestamp::UNIX_EPOCH).unwrap());
    assert_eq!(digests(&done, &[], MONDAY), Vec::<String>::new());
}

#[test]
fn a_day_that_was_told_is_not_told_again_and_the_next_one_is() {
    let items = [item("late", Priority::Low, "ana", -1)];
    let monday = [(date(2026, 11, 23), "user/ana")];
    assert_eq!(digests(&items, &monday, MONDAY), ["user/ana quiet: had the digest of this day"]);
    // Of somebody else, or on another day, it says nothing.
    let others = [(date(2026, 11, 23), "user/ben"), (date(2026, 11, 22), "user/ana"), (date(2026, 11, 23), "team/ana")];
    assert_eq!(digests(&items, &others, MONDAY), ["user/ana 2026-11-23: overdue=late"]);
    assert_eq!(digests(&items, &monday, "2026-11-24T15:00:00Z"), ["user/ana 2026-11-24: overdue=late"]);
}

#[test]
fn nights_and_weekends_are_those_of_whoever_is_told() {
    let items = [item("late", Priority::Low, "ana", -3), item("late-too", Priority::Low, "ben", -3)];
    let (night, weekend) = ("it is outside of working hours there", "it is the weekend there");
    for (now, ana, ben) in [
        // 08:59 in New York; 22:59 in Tokyo.
        ("2026-11-23T13:59:00Z", night, night),
        ("2026-11-23T14:00:00Z", "2026-11-23: overdue=late", night),
        ("2026-11-23T22:59:00Z", "2026-11-23: overdue=late", night),
        ("2026-11-23T23:00:00Z", night, night),
        ("2026-11-24T00:00:00Z", night, "2026-11-24: overdue=late-too"),
        // Friday evening in New York is Saturday morning in Tokyo; Sunday evening is Monday morning.
        ("2026-11-28T00:00:00Z", night, weekend),
        ("2026-11-28T15:00:00Z", weekend, weekend),
        ("2026-11-30T00:30:00Z", weekend, "2026-11-30: overdue=late-too"),
    ] {
        let expected = [("user/ana", ana), ("user/ben", ben)].map(|(who, what)| {
            if what.starts_with("it is") { format!("{who} quiet: {what}") } else { format!("{who} {what}") }
        });
        let mut told = digests(&items, &[], now);
        told.sort();
        assert_eq!(told, expected, "{now}");
    }
}

#[test]
fn what_is_critical_and_overdue_goes_to_the_lead_and_then_to_the_team() {
    let critical = Priority::Critical;
    // It is 10:00 in New York.
    let at = |days_late: i64, owner: &str, priority: Priority| {
        let now = "2026-11-25T15:00:00Z";
        let told = digests(&[item("x", priority, owner, 2 - days_late)], &[], now);
        told.into_iter().filter(|line| line.contains("escalated")).collect::<Vec<_>>()
    };
    assert_eq!(at(0, "database", critical), Vec::<String>::new(), "it is due, and not overdue");
    // In Tokyo, where ben lives, it is the 26th by then, so his are a day later still.
    assert_eq!(at(1, "ben", critical), ["user/ana 2026-11-25: escalated=x"]);
    assert_eq!(at(2, "ben", critical), ["user/ana 2026-11-25: escalated=x", "team/platform 2026-11-25: escalated=x"]);
    assert_eq!(at(9, "ben", Priority::High), Vec::<String>::new());
    // The lead's own goes to the team at once; what belongs to the whole team goes to the lead, and to nobody twice.
    assert_eq!(at(1, "ana", critical), ["team/platform 2026-11-25: escalated=x"]);
    assert_eq!(at(9, "platform", critical), ["user/ana 2026-11-25: escalated=x"]);
    assert_eq!(at(9, "database", critical), Vec::<String>::new(), "a team without a lead has it already");
}

#[test]
fn who_has_left_is_stood_in_for_by_the_team() {
    assert_eq!(digests(&[item("x", Priority::Low, "zoe", -1)], &[], MONDAY), ["team/platform 2026-11-23: overdue=x"]);
}

#[test]
fn a_digest_reads_well_and_stays_short() {
    let mut items: Vec<ActionItem> =
        (0..40).map(|nth| item(&format!("late-{nth:02}"), Priority::Low, "ana", -1)).collect();
    items.push(item("today", Priority::High, "ana", 0));
    items.push(
        item("root-cause", Priority::Critical, "ben", -1)
            .apply(&Command::Start, "ben", None, Timestamp::UNIX_EPOCH)
            .unwrap(),
    );
    let catalogue = team();
    let plan = plan(&items, &BTreeSet::new(), &catalogue, MONDAY.parse().unwrap());
    let digest = &plan.digests[0];
    assert_eq!(digest.len(), 42);
    assert_eq!(digest.subject(&catalogue), "AI Nutritionist: action items of ANA, 41 overdue, 1 due today");
    let lines = digest.lines();
    assert_eq!(lines.len(), 1 + 25 + 1 + 2 + 2 + 1);
    assert_eq!(lines[0], "Overdue: 40");
    assert_eq!(lines[1], "- INC-1/late-00, low, 1 d overdue: See to late-00. Done when late-00 is gone.");
    assert_eq!(lines[26], "- and 15 more; see monitorctl action-items list");
    assert_eq!(lines[28], "- INC-1/today, high, today: See to today. Done when today is gone.");
    assert_eq!(
        lines[30],
        "- INC-1/root-cause, critical, 1 d overdue, of ben, in progress: See to root-cause. Done when root-cause is gone."
    );
}
