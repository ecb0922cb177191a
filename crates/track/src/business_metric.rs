use std::{borrow::Cow, time::SystemTime};

use metrique_writer::Unit;

use crate::{
    distinct_names::DistinctNames,
    error::{TrackError, check_number},
    record::{Dimension, Namespace, Record},
};

/// How many metrics a process may create from names that the catalogue does not know. A name
/// beyond it is written as a line with properties only.
pub const MAX_UNCATALOGUED_METRICS: usize = 50;

/// The longest name of a business metric, in characters. CloudWatch takes 255.
const MAX_NAME_CHARS: usize = 128;

/// The values of the dimension `subscription_tier`, beside `other`.
const SUBSCRIPTION_TIERS: [&str; 4] = ["free", "basic", "premium", "enterprise"];

/// Something that matters to the business: a plan generated, a payment, a sign-up.
#[derive(Clone, Debug)]
#[must_use = "a metric is written by `Monitoring::track_business_metric`"]
pub struct BusinessMetric {
    name: String,
    value: f64,
    user_id: Option<String>,
    subscription_tier: Option<String>,
    amount: Option<f64>,
}

impl BusinessMetric {
    /// A metric by its name in `snake_case`, and its value: a count, or US dollars for `revenue`.
    ///
    /// | name | metric | `event` |
    /// |---|---|---|
    /// | `meal_plan_generated` | `MealPlansGenerated` | `MEAL_PLAN_GENERATED` |
    /// | `revenue` | `Revenue` | `SUBSCRIPTION_EVENT` |
    /// | `subscription_started` | `Subscriptions` | `SUBSCRIPTION_EVENT` |
    /// | `user_registered` | `SignUps` | `USER_REGISTERED` |
    /// | `user_active` | `ActiveUsers` | `USER_ACTIVE` |
    /// | `any_other_name` | `AnyOtherName`, without a unit | `ANY_OTHER_NAME` |
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), value, user_id: None, subscription_tier: None, amount: None }
    }

    /// The user concerned. A property of the line, never a dimension.
    pub fn user_id(mut self, user_id: impl Into<String>) -> Self {
        self.user_id = Some(user_id.into());
        self
    }

    /// The user's tier: `free`, `basic`, `premium` or `enterprise`. Any other is written as `other`,
    /// since the tier is a dimension.
    pub fn subscription_tier(mut self, tier: impl Into<String>) -> Self {
        self.subscription_tier = Some(tier.into());
        self
    }

    /// The amount of money that goes with the event, in US dollars. For `revenue` it is the value
    /// unless said otherwise.
    pub fn amount(mut self, usd: f64) -> Self {
        self.amount = Some(usd);
        self
    }

    pub(crate) fn record(self, uncatalogued: &DistinctNames, now: SystemTime) -> Result<Record, TrackError> {
        if !is_metric_name(&self.name) {
            return Err(TrackError::InvalidName { field: "name" });
        }
        let value = check_number("value", self.value)?;
        let amount = self.amount.or((self.name == "revenue").then_some(value));
        let amount = amount.map(|amount| check_number("amount", amount)).transpose()?;

        let mut record = Record::new(Namespace::Business, now);
        if let Some((metric, unit)) = catalogued(&self.name) {
            record.metric(metric, value, unit);
        } else {
            let metric = pascal_case(&self.name);
            if uncatalogued.admit(&metric) {
                record.metric(metric, value, Unit::None);
            }
        }

        record.text("level", "INFO");
        record.text("event", event(&self.name));
        record.text("name", self.name);
        record.number("value", value);
        if let Some(amount) = amount {
            record.number("amount", amount);
        }
        if let Some(user_id) = self.user_id {
            record.text("user_id", user_id);
        }
        if let Some(tier) = self.subscription_tier {
            record.by(Dimension::SubscriptionTier);
            let tier = tier.to_ascii_lowercase();
            let tier = SUBSCRIPTION_TIERS.into_iter().find(|known| *known == tier);
            record.text("subscription_tier", tier.unwrap_or("other"));
        }
        Ok(record)
    }
}

/// The catalogue's metric of a name, and its unit. Revenue is in US dollars, for which CloudWatch
/// has no unit.
fn catalogued(name: &str) -> Option<(&'static str, Unit)> {
    match name {
        "meal_plan_generated" => Some(("MealPlansGenerated", Unit::Count)),
        "revenue" => Some(("Revenue", Unit::None)),
        "subscription_started" => Some(("Subscriptions", Unit::Count)),
        "user_active" => Some(("ActiveUsers", Unit::Count)),
        "user_registered" => Some(("SignUps", Unit::Count)),
        _ => None,
    }
}

/// The event's name in the Logs Insights queries.
fn event(name: &str) -> Cow<'static, str> {
    match name {
        "revenue" | "subscription_started" => Cow::Borrowed("SUBSCRIPTION_EVENT"),
        _ => Cow::Owned(name.to_ascii_uppercase()),
    }
}

fn is_metric_name(name: &str) -> bool {
    name.len() <= MAX_NAME_CHARS
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn pascal_case(snake_case: &str) -> String {
    let mut pascal_case = String::with_capacity(snake_case.len());
    for word in snake_case.split('_') {
        let mut letters = word.chars();
        pascal_case.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        pascal_case.push_str(letters.as_str());
    }
    pascal_case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_pascal_case() {
        assert_eq!(pascal_case("coupon_redeemed"), "CouponRedeemed");
        assert_eq!(pascal_case("b2b__trial_"), "B2bTrial");
        assert_eq!(pascal_case("ChurnRate"), "ChurnRate");
    }

    #[test]
    fn a_name_is_a_letter_then_letters_digits_and_underscores() {
        assert!(is_metric_name("coupon_redeemed"));
        assert!(is_metric_name(&"a".repeat(128)));
        for refused in ["", "_aws", "2nd", "plan.generated", "plän", "a b", &"a".repeat(129)] {
            assert!(!is_metric_name(refused), "{refused:?}");
        }
    }
}
