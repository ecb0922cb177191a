//! Who is reminded of which items, and when: one digest a day for each who has something due.
//!
//! An item is told of to its owner from three days before its day on, so that a Friday tells what is due on Monday. One that is
//! critical and overdue goes to the lead of its team too, and two days later to the whole team; at once where the lead is its owner, or where
//! there is no lead. Nobody hears anything outside of working hours, where they live.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{ActionItem, zone};
use crate::catalogue::Catalogue;
use crate::message::OnCallPerson;
use crate::post_mortem::Priority;

/// From how many days before its day on an item is told of.
const SOON_DAYS: i32 = 3;

/// For how many days the lead alone is told of a critical item that is overdue, before the team is.
const LEAD_DAYS: i32 = 2;

/// Working hours: from the first to before the second, Monday to Friday.
const FROM_HOUR: i8 = 9;
const TO_HOUR: i8 = 18;

/// The most items that one part of a digest names; further ones are counted.
const MAX_NAMED: usize = 25;

/// Who gets a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    /// The user with this name.
    User(String),
    /// The team with this name.
    Team(String),
}

impl Recipient {
    /// What [`Recipient`] displays as.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("user", name) => Some(Self::User(name.to_owned())),
            ("team", name) => Some(Self::Team(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "user/{name}"),
            Self::Team(name) => write!(f, "team/{name}"),
        }
    }
}

/// What one recipient is told on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct Digest<'a> {
    /// Who.
    pub to: Recipient,
    /// The day that it is where they live.
    pub day: Date,
    /// What should have been done before this day; the longest overdue first.
    pub overdue: Vec<&'a ActionItem>,
    /// What is due on this day.
    pub due: Vec<&'a ActionItem>,
    /// What is due in the next days.
    pub soon: Vec<&'a ActionItem>,
    /// What is critical and overdue, and belongs to somebody else.
    pub escalated: Vec<&'a ActionItem>,
}

/// Why somebody who has something due is told nothing now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// They have had this day's digest.
    Told,
    /// It is night where they live.
    Night,
    /// It is the weekend where they live.
    Weekend,
}

impl Quiet {
    /// `it is the weekend there`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Told => "had the digest of this day",
            Self::Night => "it is outside of working hours there",
            Self::Weekend => "it is the weekend there",
        }
    }
}

/// What is to be sent now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// In the order of their recipients.
    pub digests: Vec<Digest<'a>>,
    /// Who has something due, and is told nothing now.
    pub quiet: Vec<(Recipient, Quiet)>,
}

/// Which part of a digest an item is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Overdue,
    Due,
    Soon,
    Escalated,
}

/// What is to be sent now. `told` are the digests that were sent: the day at the recipient's, and the recipient.
pub fn plan<'a>(
    items: &'a [ActionItem],
    told: &BTreeSet<(Date, Recipient)>,
    catalogue: &Catalogue,
    now: Timestamp,
) -> Plan<'a> {
    let mut digests: BTreeMap<Recipient, Digest<'a>> = BTreeMap::new();
    for item in items.iter().filter(|item| item.is_open()) {
        for (to, part) in parts(item, catalogue, now) {
            let digest =
                digests.entry(to).or_insert_with_key(|to| Digest::empty(to.clone(), local(to, catalogue, now).date()));
            digest.add(item, part);
        }
    }
    let mut plan = Plan::default();
    for (to, mut digest) in digests {
        let quiet = if told.contains(&(digest.day, to.clone())) {
            Some(Quiet::Told)
        } else {
            off_duty(&local(&to, catalogue, now))
        };
        match quiet {
            Some(quiet) => plan.quiet.push((to, quiet)),
            None => {
                digest.sort();
                plan.digests.push(digest);
            }
        }
    }
    plan
}

/// Why nobody is to be disturbed at this time; `None` in working hours.
pub fn off_duty(local: &Zoned) -> Option<Quiet> {
    if matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday) {
        return Some(Quiet::Weekend);
    }
    (!(FROM_HOUR..TO_HOUR).contains(&local.hour())).then_some(Quiet::Night)
}

/// Who is told of an item, and as what.
fn parts(item: &ActionItem, catalogue: &Catalogue, now: Timestamp) -> Vec<(Recipient, Part)> {
    let owner = item.owner.as_ref().filter(|owner| catalogue.users.contains_key(*owner));
    let team = Recipient::Team(item.team.clone());
    let own = owner.map_or_else(|| team.clone(), |owner| Recipient::User(owner.clone()));
    let left = days_between(local(&own, catalogue, now).date(), item.due);
    let mut parts = Vec::new();
    match left {
        ..0 => parts.push((own.clone(), Part::Overdue)),
        0 => parts.push((own.clone(), Part::Due)),
        1..=SOON_DAYS => parts.push((own.clone(), Part::Soon)),
        _ => {}
    }
    if item.priority == Priority::Critical && left < 0 {
        let lead = catalogue.teams.get(&item.team).and_then(|team| team.lead.as_ref());
        let lead = lead.filter(|lead| Some(*lead) != owner).map(|lead| Recipient::User(lead.clone()));
        let to_team = lead.is_none() || left < -LEAD_DAYS;
        parts.extend(lead.map(|lead| (lead, Part::Escalated)));
        parts.extend((to_team && own != team).then_some((team, Part::Escalated)));
    }
    parts
}

/// The time that it is at a recipient's.
fn local(to: &Recipient, catalogue: &Catalogue, now: Timestamp) -> Zoned {
    now.to_zoned(match to {
        Recipient::Team(team) => zone(catalogue, team, None),
        Recipient::User(user) => {
            let team = catalogue.teams.values().find(|team| team.members.contains(user));
            zone(catalogue, team.map_or("", |team| team.name.as_str()), Some(user))
        }
    })
}

/// The time zone of the team that a SEV1 calls first: where the suite is at home.
pub fn home_zone(catalogue: &Catalogue) -> TimeZone {
    let level = catalogue.policy(crate::catalogue::Severity::Sev1).and_then(|policy| policy.levels.first());
    level.map_or(TimeZone::UTC, |level| zone(catalogue, &level.team, None))
}

/// Negative when the second is earlier.
fn days_between(from: Date, to: Date) -> i32 {
    from.until(to).map_or(0, |span| span.get_days())
}

impl<'a> Digest<'a> {
    fn empty(to: Recipient, day: Date) -> Self {
        Self { to, day, overdue: Vec::new(), due: Vec::new(), soon: Vec::new(), escalated: Vec::new() }
    }

    fn add(&mut self, item: &'a ActionItem, part: Part) {
        match part {
            Part::Overdue => &mut self.overdue,
            Part::Due => &mut self.due,
            Part::Soon => &mut self.soon,
            Part::Escalated => &mut self.escalated,
        }
        .push(item);
    }

    fn sort(&mut self) {
        for part in [&mut self.overdue, &mut self.due, &mut self.soon, &mut self.escalated] {
            part.sort_by_key(|item| (item.due, std::cmp::Reverse(item.priority), item.id()));
        }
    }

    /// How many items it names or counts.
    pub fn len(&self) -> usize {
        self.overdue.len() + self.due.len() + self.soon.len() + self.escalated.len()
    }

    /// Whether it says nothing; the digests of a plan always say something.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the recipient is called, with the mention that Slack knows.
    pub fn addressee(&self, catalogue: &Catalogue) -> OnCallPerson {
        match &self.to {
            Recipient::User(name) => catalogue.users.get(name).map_or_else(
                || OnCallPerson { title: name.clone(), slack_user_id: None },
                |user| OnCallPerson { title: user.title.clone(), slack_user_id: user.slack_user_id.clone() },
            ),
            Recipient::Team(name) => {
                let title = catalogue.teams.get(name).map_or(name, |team| &team.title).clone();
                OnCallPerson { title, slack_user_id: None }
            }
        }
    }

    /// `AI Nutritionist: action items of Ana Torres, 2 overdue, 1 due today`.
    pub fn subject(&self, catalogue: &Catalogue) -> String {
        let counts = [
            (self.overdue.len() + self.escalated.len(), "overdue"),
            (self.due.len(), "due today"),
            (self.soon.len(), "due soon"),
        ];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        format!("{}: action items of {}, {}", catalogue.title, self.addressee(catalogue).title, counts.join(", "))
    }

    /// What it says, a line each, as plain text.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (heading, items, of_others) in [
            ("Overdue", &self.overdue, false),
            ("Due today", &self.due, false),
            ("Due soon", &self.soon, false),
            ("Critical and overdue, of others", &self.escalated, true),
        ] {
            if items.is_empty() {
                continue;
            }
            lines.push(format!("{heading}: {}", items.len()));
            lines.extend(items.iter().take(MAX_NAMED).map(|item| line(item, self.day, of_others)));
            if items.len() > MAX_NAMED {
                lines.push(format!("- and {} more; see monitorctl action-items list", items.len() - MAX_NAMED));
            }
        }
        lines.push(
            "Done, or not worth it: monitorctl action-items done|drop ID 'why'. Another day: due ID DAY.".to_owned(),
        );
        lines
    }
}

/// `- INC-1/root-cause, critical, 2 d overdue: Find the root cause. Done when ...`.
fn line(item: &ActionItem, today: Date, of_others: bool) -> String {
    let left = days_between(today, item.due);
    let when = match left {
        ..0 => format!("{} d overdue", -left),
        0 => "today".to_owned(),
        _ => item.due.strftime("%a %Y-%m-%d").to_string(),
    };
    let owner = item.owner.as_ref().filter(|_| of_others).map_or(String::new(), |owner| format!(", of {owner}"));
    let begun = if item.status == super::Status::InProgress { ", in progress" } else { "" };
    format!(
        "- {}, {}, {when}{owner}{begun}: {}. Done when {}.",
        item.id(),
        item.priority.as_str(),
        item.title,
        item.done_when
    )
}

#[cfg(test)]
mod tests;
