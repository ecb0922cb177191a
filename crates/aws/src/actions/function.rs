//! Lambda functions: their configuration and their reserved concurrency.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{Environment, LastUpdateStatus};
use monitoring_core::action::{Observed, RESTARTED};
use ring::digest::{SHA256, digest};

use super::CallFailure;
use crate::collect::failure::Failure;

/// The configuration of a function and its aliases. No value of a variable leaves here.
pub(super) async fn look(client: &Client, name: &str) -> Result<Observed, CallFailure> {
    let (configuration, aliases) = futures_util::try_join!(configuration(client, name), aliases(client, name))?;
    let mut variables = variables(&configuration)?;
    let restarted = variables.remove(RESTARTED);
    Ok(Observed::Function {
        revision: configuration.revision_id.unwrap_or_default(),
        updating: configuration.last_update_status == Some(LastUpdateStatus::InProgress),
        aliases,
        restarted,
        variables: hashed(&variables),
    })
}

async fn configuration(client: &Client, name: &str) -> Result<GetFunctionConfigurationOutput, CallFailure> {
    let answer = client.get_function_configuration().function_name(name).send().await;
    answer.map_err(|error| CallFailure::of("lambda:GetFunctionConfiguration", &Failure::from(error)))
}

/// Whether there is an alias matters, and which; not how many more than a page has.
async fn aliases(client: &Client, name: &str) -> Result<Vec<String>, CallFailure> {
    let answer = client.list_aliases().function_name(name).send().await;
    let answer = answer.map_err(|error| CallFailure::of("lambda:ListAliases", &Failure::from(error)))?;
    Ok(answer.aliases.unwrap_or_default().into_iter().filter_map(|alias| alias.name).collect())
}

/// Its environment. Where Lambda cannot decrypt it, it answers with an error in place of the variables: to take that for none would have
/// a restart remove them all.
fn variables(configuration: &GetFunctionConfigurationOutput) -> Result<HashMap<String, String>, CallFailure> {
    let Some(environment) = &configuration.environment else { return Ok(HashMap::new()) };
    if let Some(error) = environment.error() {
        let code = error.error_code().unwrap_or("no reason given");
        let reason = format!("the variables of the function cannot be read: {code}");
        return Err(CallFailure { reason, retryable: false, certain: true });
    }
    Ok(environment.variables.clone().unwrap_or_default())
}

/// For each variable enough of a hash to see that it is the same, and too little to learn what it is from guesses.
fn hashed(variables: &HashMap<String, String>) -> BTreeMap<String, String> {
    let hash = |value: &String| {
        let digest = digest(&SHA256, value.as_bytes());
        format!("sha256:{}", hex::encode(digest.as_ref().get(..4).unwrap_or_default()))
    };
    variables.iter().map(|(name, value)| (name.clone(), hash(value))).collect()
}

/// What a restart sets.
pub(super) struct Restart<'a> {
    pub(super) function: &'a str,
    pub(super) value: &'a str,
    pub(super) keep: &'a BTreeMap<String, String>,
    pub(super) revision: &'a str,
}

/// Sets the variable of a restart, and every other to what it is.
pub(super) async fn set_restarted(client: &Client, restart: &Restart<'_>) -> Result<(), CallFailure> {
    let configuration = configuration(client, restart.function).await?;
    let mut variables = variables(&configuration)?;
    variables.remove(RESTARTED);
    if hashed(&variables) != *restart.keep || configuration.revision_id.as_deref() != Some(restart.revision) {
        let reason = format!("{} was changed a moment ago", restart.function);
        return Err(CallFailure { reason, retryable: false, certain: true });
    }
    variables.insert(RESTARTED.to_owned(), restart.value.to_owned());
    let request = client
        .update_function_configuration()
        .function_name(restart.function)
        .revision_id(restart.revision)
        .environment(Environment::builder().set_variables(Some(variables)).build());
    let updated = request.send().await;
    updated.map(drop).map_err(|error| CallFailure::of("lambda:UpdateFunctionConfiguration", &Failure::from(error)))
}

/// The reserved concurrency of a function, and what is left to the others.
pub(super) async fn concurrency(client: &Client, name: &str) -> Result<Observed, CallFailure> {
    let reserved = async {
        let answer = client.get_function_concurrency().function_name(name).send().await;
        answer.map_err(|error| CallFailure::of("lambda:GetFunctionConcurrency", &Failure::from(error)))
    };
    let account = async {
        let answer = client.get_account_settings().send().await;
        answer.map_err(|error| CallFailure::of("lambda:GetAccountSettings", &Failure::from(error)))
    };
    let (reserved, account) = futures_util::try_join!(reserved, account)?;
    let unreserved = account.account_limit.and_then(|limit| limit.unreserved_concurrent_executions);
    let count = |number: i32| u32::try_from(number).unwrap_or_default();
    Ok(Observed::Concurrency {
        reserved: reserved.reserved_concurrent_executions.map(count),
        unreserved: unreserved.map(count).unwrap_or_default(),
    })
}

/// Reserves concurrency.
pub(super) async fn reserve(client: &Client, name: &str, reserved: u32) -> Result<(), CallFailure> {
    let reserved = i32::try_from(reserved).unwrap_or(i32::MAX);
    let request = client.put_function_concurrency().function_name(name).reserved_concurrent_executions(reserved);
    let written = request.send().await;
    written.map(drop).map_err(|error| CallFailure::of("lambda:PutFunctionConcurrency", &Failure::from(error)))
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{EnvironmentError, EnvironmentResponse};

    use super::*;

    #[test]
    fn variables_that_cannot_be_decrypted_are_not_none() {
        let refused = EnvironmentError::builder().error_code("AccessDeniedException").message("KMS").build();
        let environment = EnvironmentResponse::builder().error(refused).build();
        let configuration = GetFunctionConfigurationOutput::builder().environment(environment).build();
        assert!(variables(&configuration).unwrap_err().reason.contains("AccessDeniedException"));
        assert!(variables(&GetFunctionConfigurationOutput::builder().build()).unwrap().is_empty());
    }

    #[test]
    fn a_hash_tells_values_apart_and_does_not_have_them() {
        let variables = HashMap::from([("A".to_owned(), "abc".to_owned()), ("B".to_owned(), "abd".to_owned())]);
        let hashes = hashed(&variables);
        // FIPS 180-2: SHA-256 of "abc" begins with ba7816bf.
        assert_eq!(hashes["A"], "sha256:ba7816bf");
        assert_ne!(hashes["A"], hashes["B"]);
    }
}
