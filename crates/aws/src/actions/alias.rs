//! Lambda aliases: which version they name, and which came before.

use aws_sdk_lambda::Client;
use jiff::Timestamp;
use monitoring_core::action::Observed;

use super::CallFailure;
use crate::collect::failure::Failure;
use crate::collect::history::time;

/// The most pages of versions that are read, 50 versions each; who has more keeps what nobody rolls back to.
const MAX_PAGES: usize = 20;

/// A published version of a function.
struct Version {
    number: u64,
    made_at: Option<Timestamp>,
}

/// The version that an alias names, and the published one before it.
pub(super) async fn look(client: &Client, function: &str, alias: &str) -> Result<Observed, CallFailure> {
    let named = async {
        let answer = client.get_alias().function_name(function).name(alias).send().await;
        answer.map_err(|error| CallFailure::of("lambda:GetAlias", &Failure::from(error)))
    };
    let (named, versions) = futures_util::try_join!(named, versions(client, function))?;
    let version = named.function_version.unwrap_or_default();
    let number = version.parse::<u64>().ok();
    let made_at = versions.iter().find(|known| Some(known.number) == number).and_then(|known| known.made_at);
    // `$LATEST` has none before it.
    let before = versions.iter().filter(|known| number.is_some_and(|number| known.number < number));
    let previous = before.max_by_key(|known| known.number);
    let weights = named.routing_config.and_then(|routing| routing.additional_version_weights);
    let split = weights.is_some_and(|weights| !weights.is_empty());
    let (previous, previous_made_at) = previous.map(|known| (known.number.to_string(), known.made_at)).unzip();
    Ok(Observed::Alias { version, made_at, previous, previous_made_at: previous_made_at.flatten(), split })
}

async fn versions(client: &Client, function: &str) -> Result<Vec<Version>, CallFailure> {
    let mut versions = Vec::new();
    let mut marker = None;
    for _ in 0..MAX_PAGES {
        let page = client.list_versions_by_function().function_name(function).set_marker(marker).send().await;
        let page = page.map_err(|error| CallFailure::of("lambda:ListVersionsByFunction", &Failure::from(error)))?;
        versions.extend(page.versions.unwrap_or_default().into_iter().filter_map(|version| {
            let made_at = version.last_modified.as_deref().and_then(time);
            Some(Version { number: version.version?.parse().ok()?, made_at })
        }));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    Ok(versions)
}

/// Has an alias name a version, for all calls.
pub(super) async fn serve(client: &Client, function: &str, alias: &str, version: &str) -> Result<(), CallFailure> {
    let request = client.update_alias().function_name(function).name(alias).function_version(version);
    let updated = request.send().await;
    updated.map(drop).map_err(|error| CallFailure::of("lambda:UpdateAlias", &Failure::from(error)))
}
