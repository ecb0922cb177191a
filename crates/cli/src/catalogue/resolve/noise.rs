//! Dependencies, maintenance, storms, flapping, silences.

use jiff::tz::TimeZone;
use monitoring_core::catalogue::{self as resolved, Matcher, Weekly, Window};

use super::super::document::{Document, Maintenance};
use super::people::moment;
use super::weekdays;

pub(super) fn noise(document: &Document) -> resolved::Noise {
    let noise = &document.noise;
    resolved::Noise {
        dependencies: noise.dependencies.clone(),
        maintenance: noise
            .maintenance
            .iter()
            .filter_map(|(name, maintenance)| resolve_maintenance(document, name, maintenance))
            .collect(),
        storm: resolved::Storm { incidents: noise.storm.incidents, within_seconds: noise.storm.within.seconds },
        flapping: resolved::Flapping {
            incidents: noise.flapping.incidents,
            within_seconds: noise.flapping.within.seconds,
            settle_seconds: noise.flapping.settle.seconds,
        },
        silences: resolved::Silences {
            longest_seconds: noise.silences.longest.seconds,
            longest_recurring_seconds: noise.silences.longest_recurring.seconds,
        },
    }
}

fn resolve_maintenance(document: &Document, name: &str, maintenance: &Maintenance) -> Option<resolved::Maintenance> {
    Some(resolved::Maintenance {
        name: name.to_owned(),
        matcher: Matcher {
            group: maintenance.matcher.group.clone(),
            rule: maintenance.matcher.rule.clone(),
            dimensions: maintenance.matcher.dimensions.clone(),
        },
        window: window(document, maintenance)?,
        by: maintenance.by.clone(),
        why: maintenance.why.clone(),
        sev1: maintenance.sev1,
    })
}

/// When a maintenance is; `None` where its times cannot be.
pub(crate) fn window(document: &Document, maintenance: &Maintenance) -> Option<Window> {
    if let Some(once) = &maintenance.once {
        let zone = TimeZone::get(&document.defaults.time_zone).unwrap_or(TimeZone::UTC);
        return Some(Window::Once { from: moment(&once.from, &zone)?, until: moment(&once.to, &zone)? });
    }
    let weekly = maintenance.weekly.as_ref()?;
    let minute = |time: jiff::civil::Time| u16::try_from(i32::from(time.hour()) * 60 + i32::from(time.minute())).ok();
    let (from, to) = (minute(weekly.from.0)?, minute(weekly.to.0)?);
    // What does not end after it begins ends on the next day.
    let minutes = if to > from { to - from } else { to + 1440 - from };
    Some(Window::Weekly(Weekly {
        weekdays: weekdays(weekly.days.as_deref()),
        from_minute: from,
        minutes,
        time_zone: weekly.time_zone.clone().unwrap_or_else(|| document.defaults.time_zone.clone()),
    }))
}
