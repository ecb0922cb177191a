//! `monitorctl slo`: what is left of error budgets.

use std::path::PathBuf;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use monitoring_core::backtest::{History, Span, watched};
use monitoring_core::catalogue::{Catalogue, Condition, Rule, Slo};
use monitoring_core::metric::{Dimensions, Sample, Series, format_dimensions};
use monitoring_core::slo::{Spent, burn_windows, spent};
use serde_json::{Value, json};

use crate::backtest::{PastArgs, load, past};
use crate::catalogue::{Duration, burn_metric, burn_rule};
use crate::command::{Exit, OK, pretty, print};

const DAY_SECONDS: u32 = 86_400;

/// Say how much is left of error budgets.
#[derive(Debug, Args)]
#[command(after_help = "\
Of each objective under `slos:` in the catalogue: how many events there were in its period, how many were bad, how many may be, and the
burn rates now. Where less than the whole period is known, the budget is that of the time that is known, which `since` tells; CloudWatch
has 15 days by the minute.

  monitorctl slo --from cloudwatch --catalogue monitoring.yaml
  monitorctl slo --from recorded/ --catalogue monitoring.yaml --json")]
pub struct SloArgs {
    #[command(flatten)]
    past: PastArgs,
    /// The catalogue, as YAML; without it the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
}

/// An objective on one set of dimensions.
struct Line<'a> {
    slo: &'a Slo,
    dimensions: Dimensions,
    /// The first event that is known in its period.
    since: Timestamp,
    spent: Spent,
    /// The newest burn rate of each pair of windows.
    burns: Vec<(&'static str, Option<f64>)>,
}

/// Reads what objectives count and says what is left of their budgets.
pub async fn run(mut args: SloArgs, json: bool) -> Result<u8, Exit> {
    let mut catalogue = load(args.catalogue.as_deref(), &args.past.from)?;
    let Some(longest) = catalogue.slos.values().map(|slo| slo.period_seconds).max() else {
        return Err(Exit::refused("the catalogue has no objective; add one under `slos:`, see docs/catalogue.md"));
    };
    args.past.days.get_or_insert(longest.div_ceil(DAY_SECONDS));
    let rules: Vec<String> = catalogue.slos.keys().flat_map(|slo| rules_of(slo)).collect();
    let (history, span) = past(&args.past, &rules, &mut catalogue, None, json).await?;
    let lines: Vec<Line<'_>> = catalogue.slos.values().flat_map(|slo| lines(&catalogue, slo, &history, span)).collect();
    if json {
        print(&pretty(&json!({ "until": span.to, "slos": lines.iter().map(as_json).collect::<Vec<_>>() }))?);
    } else {
        print(&text(&catalogue, &lines));
    }
    Ok(OK)
}

/// The names of the rules on an objective's burn rates.
fn rules_of(slo: &str) -> [String; 3] {
    burn_windows(30 * DAY_SECONDS, 60).map(|window| burn_rule(slo, window.name))
}

fn lines<'a>(catalogue: &Catalogue, slo: &'a Slo, history: &History, span: Span) -> Vec<Line<'a>> {
    let period = SignedDuration::from_secs(i64::from(slo.period_seconds));
    let from = span.to.saturating_sub(period).unwrap_or(span.from).max(span.from);
    let span = Span { from, to: span.to };
    let names = burn_windows(slo.period_seconds, 60).map(|window| window.name);
    let series_of = |metric: &str| {
        // What a rule on this metric would watch.
        let rule = rules_of(&slo.name).into_iter().find_map(|rule| catalogue.rules.get(&rule)).cloned();
        let rule = rule.map(|rule| Rule { metric: metric.to_owned(), ..rule });
        rule.map(|rule| watched(catalogue, &rule, history, span)).unwrap_or_default()
    };
    let counted = series_of(&slo.counted);
    let burns = names.map(|name| (name, series_of(&burn_metric(&slo.name, name))));
    let totals = series_of(&slo.total).into_iter();
    totals
        .filter_map(|(dimensions, total)| {
            let of = |all: &[(Dimensions, Series)]| {
                all.iter().find(|(known, _)| *known == dimensions).map(|(_, series)| series.clone())
            };
            let sum = |samples: &[Sample]| samples.iter().map(|sample| sample.value).sum();
            let bad: f64 = of(&counted).map_or(0.0, |series| sum(&series.samples));
            let spent = spent(slo, sum(&total.samples), bad)?;
            let newest = |all: &[(Dimensions, Series)]| of(all).and_then(|series| Some(series.samples.last()?.value));
            let burns = burns.iter().map(|(name, all)| (*name, newest(all))).collect();
            Some(Line { slo, since: total.samples.first()?.at, spent, burns, dimensions })
        })
        .collect()
}

fn as_json(line: &Line<'_>) -> Value {
    let Line { slo, dimensions, since, spent, burns } = line;
    let burns: serde_json::Map<String, Value> =
        burns.iter().map(|(name, rate)| ((*name).to_owned(), json!(rate))).collect();
    json!({
        "name": slo.name, "dimensions": dimensions, "objective_percent": slo.objective, "period_seconds": slo.period_seconds,
        "since": since, "events": spent.total, "bad": spent.bad, "allowed": spent.allowed, "good_percent": spent.good_percent,
        "budget_left_percent": spent.left_percent, "burn_rates": burns,
    })
}

fn text(catalogue: &Catalogue, lines: &[Line<'_>]) -> String {
    let mut text = String::new();
    for Line { slo, dimensions, since, spent, burns } in lines {
        let of = if dimensions.is_empty() { String::new() } else { format!(" {}", format_dimensions(dimensions)) };
        let period = Duration { seconds: slo.period_seconds };
        text += &format!("{}{of}: {} % in {period}. {}\n", slo.name, slo.objective, slo.description);
        text += &format!(
            "  budget left  {:>8.1} %   {:.0} bad of {:.0} events, ",
            spent.left_percent, spent.bad, spent.total
        );
        text += &format!("{:.0} may be; {:.4} % good\n", spent.allowed, spent.good_percent);
        for (name, rate) in burns {
            let rate = rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{rate:.2}"));
            let rule = catalogue.rules.get(&burn_rule(&slo.name, name));
            let limit = rule.and_then(|rule| match &rule.condition {
                Condition::Threshold { tiers } => tiers.first().map(|tier| tier.threshold),
                _ => None,
            });
            text += &format!("  burn {name:<9} {rate:>7}     fires above {}\n", limit.unwrap_or_default());
        }
        text += &format!("  since        {since}\n\n");
    }
    let silent = catalogue.slos.keys().filter(|name| lines.iter().all(|line| line.slo.name != **name));
    for name in silent {
        text += &format!("{name}: no event is known\n");
    }
    text
}
