//! The crash sweep: a story is told once undisturbed, and then anew for every call that its functions make, with the
//! function dropped at that call; and each time it has to come to the same end.
//!
//! What dies is made up for as in reality: the queue hands a record out again, the next tick and the next cycle come, a
//! command is sent again by whoever got no answer. Points that leave the same world behind are swept once; see
//! [`crashes`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, ToSpan};
use monitoring_core::alert::GroupKey;
use monitoring_core::incident::{Incident, IncidentId};
use monitoring_core::message::NoticeKind;
use serde_json::json;
use tokio::task::JoinSet;

use crate::messages;
use crate::proxy::{Fault, Request, after, before};
use crate::receiver::Kind;
use crate::senders::press;
use crate::world::{Invocation, Options, World};

/// How many worlds of a story live at the same time.
const WORLDS: usize = 4;

/// One step of a story.
#[derive(Clone, Copy)]
pub enum Step {
    /// This minute comes, unless it has passed. Whoever dies has caught up three minutes later, so the next one is at
    /// least four minutes on where something was called.
    At(i64),
    /// A rule reaches a level, and the queue hands its message out.
    Fires(&'static str, &'static str),
    /// A rule was measured OK.
    Recovers(&'static str),
    Tick,
    /// The daily task.
    Daily,
    /// A monitoring cycle, and what it publishes is handed out.
    Cycle,
    /// Somebody sends a command about the incident of a group.
    Command(&'static str, &'static str),
    /// Somebody presses a button under the message about the incident of a group.
    Press(&'static str, &'static str),
    /// Somebody silences a rule for so many minutes.
    Silence(&'static str, u32),
    /// Something happens around the functions.
    Meanwhile(fn(&World)),
}

/// A named list of steps.
#[derive(Clone)]
pub struct Story {
    pub name: &'static str,
    pub options: fn() -> Options,
    pub steps: &'static [Step],
}

/// A page, as the journal has it: group, channel, level, round, severity.
type Page = (String, String, u32, u32, String);

/// How a story ended: what must be the same wherever something died.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    /// Status, severity and who acknowledged, by group.
    incidents: Vec<(String, String, String, Option<String>)>,
    /// Every page that was accepted.
    pages: Vec<Page>,
    /// The keys that were opened at `PagerDuty`, with the group in place of the incident's id.
    keys: BTreeSet<String>,
    /// What people were told that was no page, by channel.
    told: BTreeSet<(&'static str, Kind)>,
}

/// Tells the story, with a function dropped at each of its calls in turn.
pub async fn sweep(story: Story) {
    sweep_with(story, Fault::Crash).await;
}

/// Tells the story with the connection of each of its calls broken in turn. What could not be recorded is paged all the
/// same, without a record; that comes on top.
pub async fn sweep_broken(story: Story) {
    sweep_with(story, Fault::Drop).await;
}

async fn sweep_with(story: Story, fault: Fault) {
    let (expected, calls, begins) = {
        let world = World::with((story.options)()).await;
        let begins = tell(&story, &world, "undisturbed").await;
        let calls = world.calls.seen();
        (end(&world, "undisturbed", false).await, calls, begins)
    };
    let points = if fault == Fault::Crash { crashes(&calls, &begins) } else { breaks(&calls) };
    let (total, swept) = (calls.len(), points.len());
    let expected = std::sync::Arc::new(expected);
    let mut missed = 0;
    let mut worlds: JoinSet<bool> = JoinSet::new();
    for (nth, is_after) in points {
        if worlds.len() >= WORLDS {
            missed += worlds.join_next().await.map_or(0, |told| usize::from(!told.unwrap()));
        }
        let (story, expected) = (story.clone(), std::sync::Arc::clone(&expected));
        worlds.spawn(async move { disturbed(&story, nth, is_after, fault, &expected).await });
    }
    while let Some(told) = worlds.join_next().await {
        missed += usize::from(!told.unwrap());
    }
    println!("{}: {fault:?} at {swept} points of {total} calls; {missed} were not reached", story.name);
    assert!(swept > 0, "{}: nothing was swept", story.name);
    assert!(missed * 10 <= swept, "{}: {missed} of {swept} points were not reached", story.name);
}

/// Where to die so that every death is swept that leaves a world of its own. A function remembers nothing, so only what
/// it has changed outside counts: to die after a read is to die before the call that follows, and of several reads of one
/// function in a row, one stands for all.
fn crashes(calls: &[Request], begins: &[usize]) -> Vec<(usize, bool)> {
    let mut points = Vec::new();
    let mut after_read = false;
    for (index, call) in calls.iter().enumerate() {
        let read = call.is_read();
        if !(read && after_read) || begins.contains(&index) {
            points.push((index + 1, false));
        }
        if !read {
            points.push((index + 1, true));
        }
        after_read = read;
    }
    points
}

/// Where to break a connection. A read that was carried out and whose answer is lost is one that was not carried out.
fn breaks(calls: &[Request]) -> Vec<(usize, bool)> {
    let moments = |(index, call): (usize, &Request)| {
        [Some((index + 1, false)), (!call.is_read()).then_some((index + 1, true))].into_iter().flatten()
    };
    calls.iter().enumerate().flat_map(moments).collect()
}

/// Tells a story in which something dies. Says whether it did.
async fn disturbed(story: &Story, nth: usize, is_after: bool, fault: Fault, expected: &Ending) -> bool {
    let world = World::with((story.options)()).await;
    world.calls.arm(if is_after { after(nth) } else { before(nth) }, fault);
    let moment = if is_after { "after" } else { "before" };
    let what = format!("{}: {fault:?} {moment} call {nth}", story.name);
    tell(story, &world, &what).await;
    let struck = world.calls.struck();
    let operation = struck.as_ref().map_or("none", |call| call.operation.as_str());
    let wound = format!("{what} ({operation})");
    let ending = end(&world, &wound, true).await;
    assert_eq!(ending.incidents, expected.incidents, "{wound}");
    if fault == Fault::Crash {
        assert_eq!(ending.pages, expected.pages, "{wound}");
        assert_eq!(ending.keys, expected.keys, "{wound}");
    } else {
        // What could not be looked at holds nothing back, so there may be more.
        for page in &expected.pages {
            assert!(ending.pages.contains(page), "{wound}: {page:?} is missing from {:?}", ending.pages);
        }
    }
    assert!(ending.told.is_superset(&expected.told), "{wound}: {:?} and not {:?}", ending.told, expected.told);
    struck.is_some()
}

/// Goes through the steps, and lets time pass where something died. Returns the numbers of calls at which functions began.
async fn tell(story: &Story, world: &World, what: &str) -> Vec<usize> {
    let mut begins = Vec::new();
    let mut last = 0;
    let mut caught_up = false;
    for step in story.steps {
        begins.push(world.calls.count());
        if let Step::At(minute) = step {
            last = *minute;
            until(world, last);
            continue;
        }
        let pressed_at = world.now();
        take(world, *step, pressed_at, what).await;
        if world.calls.struck().is_some() && !caught_up {
            caught_up = true;
            world.advance(1.minute());
            // Whoever got no answer asks again; what comes by itself comes again by itself.
            match step {
                Step::Fires(..) | Step::Recovers(_) | Step::Tick | Step::At(_) | Step::Meanwhile(_) => {}
                again => take(world, *again, pressed_at, what).await,
            }
            world.tick().await;
            world.advance(2.minutes());
            if matches!(step, Step::Cycle) {
                world.try_cycle().await;
            }
            world.deliver().await;
            world.tick().await;
        }
    }
    begins.push(world.calls.count());
    until(world, last + 4);
    world.deliver().await;
    world.tick().await;
    begins
}

fn until(world: &World, minute: i64) {
    let at = world.clock.start() + SignedDuration::from_mins(minute);
    if world.now() < at {
        world.advance(at.duration_since(world.now()));
    }
}

async fn take(world: &World, step: Step, pressed_at: jiff::Timestamp, what: &str) {
    match step {
        Step::At(_) => {}
        Step::Fires(rule, level) => {
            world.publish(&world.fires(rule, level, world.now()));
            world.deliver().await;
        }
        Step::Recovers(rule) => {
            world.publish(&world.recovers(rule, world.now()));
            world.deliver().await;
        }
        Step::Tick => drop(world.tick().await),
        Step::Daily => {
            drop(world.send(json!({ "task": "daily" })).await);
        }
        Step::Cycle => {
            if world.try_cycle().await.is_some() {
                world.deliver().await;
            }
        }
        Step::Command(command, group) => {
            let id = of_group(world, group, what).await;
            refused(world.send(messages::command(command, id.as_str(), "alice")).await, what);
        }
        Step::Press(action, group) => {
            let id = of_group(world, group, what).await;
            let pressed = press(action, id.as_str(), "alice", pressed_at, 1);
            refused(world.interact(&pressed).await.1.expect("a signed button is a command"), what);
        }
        Step::Silence(rule, minutes) => {
            let event = json!({ "command": "silence", "match": { "rule": rule }, "minutes": minutes, "by": "alice", "text": "a known fault" });
            refused(world.send(event).await, what);
        }
        Step::Meanwhile(happens) => happens(world),
    }
}

/// A command may die or fail for the store, but is not refused.
fn refused(invocation: Invocation, what: &str) {
    if let Invocation::Failed(error @ monitoring_aws::incident_response::HandleError::Refused(_)) = &invocation {
        panic!("{what}: {error}");
    }
}

async fn of_group(world: &World, group: &str, what: &str) -> IncidentId {
    let latest = world.store().latest(&GroupKey::named(group)).await.unwrap();
    latest.unwrap_or_else(|| panic!("{what}: {group} has no incident")).id
}

/// What holds at the end of every story; and the end.
async fn end(world: &World, what: &str, disturbed: bool) -> Ending {
    assert_eq!(world.outside.queued(), 0, "{what}: records are left on the queue");
    if disturbed {
        word_of_post_mortems(world).await;
    }
    let incidents = world.incidents().await;
    let mut pages: Vec<Page> = Vec::new();
    let mut attempts: BTreeMap<(String, String), (usize, u32)> = BTreeMap::new();
    for incident in &incidents {
        let id = &incident.id;
        assert_eq!(world.store().pending_effects(id).await.unwrap().0, [], "{what}: something is left to do");
        for sent in sent_pages(world, incident).await {
            let (page, tried, done) = sent;
            let count = attempts.entry((page.1.clone(), page.4.clone())).or_default();
            count.1 += tried;
            if done {
                count.0 += 1;
                let arrived = world.told().into_iter().any(|message| {
                    message.kind == Kind::Page && message.channel == page.1 && message.text.contains(id.as_str())
                });
                assert!(arrived, "{what}: {page:?} is said to be done, and did not arrive");
                pages.push(page);
            }
        }
    }
    pages.sort();
    let came_again = |group: &str| {
        incidents.iter().any(|incident| incident.group.as_str() == group && incident.unrecorded_key.is_some())
    };
    let mut arrived: BTreeMap<(String, String), usize> = BTreeMap::new();
    for message in world.told() {
        // What the daily task says and the checks of channels are about no incident.
        if message.kind != Kind::Page || !message.severity.starts_with("SEV") {
            continue;
        }
        // A bot keeps the message of an incident up to date: an edit calls nobody.
        if message.text.contains(r#""ts":"#) {
            continue;
        }
        if message.text.contains("NOT RECORDED") {
            let known = incidents.iter().any(|incident| incident.unrecorded_key.is_some());
            assert!(disturbed && known, "{what}: paged without a record, and the journal does not say so: {message:?}");
            continue;
        }
        *arrived.entry((message.channel.to_owned(), message.severity.clone())).or_default() += 1;
    }
    for ((channel, severity), count) in arrived {
        let (done, tried) = attempts.get(&(channel.clone(), severity.clone())).copied().unwrap_or_default();
        let said = format!("{what}: {count} pages {severity} arrived at {channel}; {done} done in {tried} attempts");
        assert!(count >= done && count <= usize::try_from(tried).unwrap(), "{said}");
    }
    let named = |key: &String| {
        for incident in &incidents {
            let group = incident.group.as_str();
            if let Some(rest) = key.strip_prefix(incident.id.as_str()) {
                return format!("{group}{rest}");
            }
            if *key == format!("ai-nutritionist/{group}") && came_again(group) {
                return group.to_owned();
            }
        }
        panic!("{what}: the key {key} is of no incident: {incidents:#?}")
    };
    let keys = world.pagerduty.keys(Kind::Page).iter().map(named).collect();
    let told = world.told().into_iter().filter(|message| matches!(message.kind, Kind::Acknowledged | Kind::Resolved));
    let told = told.map(|message| (message.channel, message.kind)).collect();
    let mut ends: Vec<_> = incidents
        .iter()
        .map(|incident| {
            let by = incident.acknowledgement.as_ref().map(|acknowledgement| acknowledgement.by.clone());
            let (status, held) = (incident.status.to_string(), if incident.held.is_some() { " (held)" } else { "" });
            (incident.group.to_string(), format!("{status}{held}"), incident.severity.to_string(), by)
        })
        .collect();
    ends.sort();
    everything_is_closed(world, &incidents, what).await;
    Ending { incidents: ends, pages, keys, told }
}

/// Whoever ends what is open ends it on every key.
async fn everything_is_closed(world: &World, incidents: &[Incident], what: &str) {
    for incident in incidents.iter().filter(|incident| incident.is_open()) {
        world.resolve(&incident.id, "bob").await;
        assert_eq!(world.store().pending_effects(&incident.id).await.unwrap().0, [], "{what}: after it was resolved");
    }
    let closed = world.pagerduty.keys(Kind::Resolved);
    for key in world.pagerduty.keys(Kind::Page) {
        assert!(closed.contains(&key), "{what}: {key} was opened and is not closed: {closed:?}");
    }
}

/// Whoever dies while it tells of a post-mortem leaves that to the first tick after its claim has run out.
async fn word_of_post_mortems(world: &World) {
    for incident in world.incidents().await {
        let (pending, _) = world.store().pending_effects(&incident.id).await.unwrap();
        let is_word = |pending: &monitoring_aws::store::PendingEffect| !pending.effect.is_page();
        if !incident.is_open() && !pending.is_empty() && pending.iter().all(is_word) {
            world.wait(2.minutes()).await;
        }
    }
}

/// The pages of an incident, how often each was tried, and whether it arrived.
async fn sent_pages(world: &World, incident: &Incident) -> Vec<(Page, u32, bool)> {
    let mut pages = Vec::new();
    for item in world.journal(&incident.id).await {
        let monitoring_aws::store::JournalItem::Effect { effect, state, attempts, .. } = &item else { continue };
        let Some((channel, notice)) = effect.notice() else { continue };
        let (level, round) = match notice.kind {
            NoticeKind::Page { level, round, .. } => (level, round),
            // A team that no level calls.
            NoticeKind::Team { .. } => (0, 0),
            _ => continue,
        };
        let page = (incident.group.to_string(), channel.to_owned(), level, round, notice.severity.to_string());
        pages.push((page, *attempts, state == "done"));
    }
    pages
}
