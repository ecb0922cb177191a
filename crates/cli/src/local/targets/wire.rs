//! The calls that actions make, as AWS answers them. Source of the forms: the API references of AWS Systems Manager, AWS
//! Lambda and Amazon DynamoDB.

use std::collections::BTreeMap;

use axum::http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Account, Function, Kept, Said, Table};

fn text<'a>(request: &'a Value, name: &str) -> &'a str {
    request.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn units(request: &Value, pointer: &str) -> Option<u32> {
    request.pointer(pointer).and_then(Value::as_u64).and_then(|units| u32::try_from(units).ok())
}

pub(super) fn parameter_store(kept: &Kept, operation: &str, request: &Value) -> anyhow::Result<Said> {
    let name = text(request, "Name").to_owned();
    let missing = || Err(("ParameterNotFound", format!("{name} is not there")));
    match operation {
        "GetParameter" => kept.read().map(|account| match account.parameters.get(&name) {
            Some(value) => Ok(json!({ "Parameter": { "Name": name, "Type": "String", "Value": value, "Version": 1 } })),
            None => missing(),
        }),
        "PutParameter" => kept.change(|account| {
            let known = account.parameters.contains_key(&name);
            if known && request.get("Overwrite") != Some(&json!(true)) {
                return Err(("ParameterAlreadyExists", format!("{name} is there already")));
            }
            account.parameters.insert(name.clone(), text(request, "Value").to_owned());
            Ok(json!({ "Tier": "Standard", "Version": 1 }))
        }),
        "DeleteParameter" => kept.change(|account| match account.parameters.remove(&name) {
            Some(_) => Ok(json!({})),
            None => missing(),
        }),
        other => Ok(unknown(other)),
    }
}

pub(super) fn dynamodb(kept: &Kept, operation: &str, request: &Value) -> anyhow::Result<Said> {
    let name = text(request, "TableName").to_owned();
    let missing = || Err(("ResourceNotFoundException", format!("Requested resource not found: Table: {name}")));
    let description = |table: &Table| {
        json!({
            "TableName": name,
            "TableStatus": "ACTIVE",
            "ProvisionedThroughput": { "ReadCapacityUnits": table.read, "WriteCapacityUnits": table.write },
        })
    };
    match operation {
        "DescribeTable" => kept.read().map(|account| match account.tables.get(&name) {
            Some(table) => Ok(json!({ "Table": description(table) })),
            None => missing(),
        }),
        "UpdateTable" => kept.change(|account| {
            let Some(table) = account.tables.get_mut(&name) else { return missing() };
            let wanted = (
                units(request, "/ProvisionedThroughput/ReadCapacityUnits"),
                units(request, "/ProvisionedThroughput/WriteCapacityUnits"),
            );
            let (Some(read), Some(write)) = wanted else {
                return Err(("ValidationException", "At least one of ProvisionedThroughput is required".to_owned()));
            };
            *table = Table { read, write };
            Ok(json!({ "TableDescription": description(table) }))
        }),
        other => Ok(unknown(other)),
    }
}

pub(super) fn lambda(kept: &Kept, method: &Method, path: &str, request: &Value) -> anyhow::Result<Said> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["2016-08-19", "account-settings"]) => kept.read().map(|account| {
            Ok(json!({ "AccountLimit": { "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": account.unreserved } }))
        }),
        ("GET", ["2015-03-31", "functions", name, "configuration"]) => {
            kept.read().map(|account| function(&account, name).map(|function| configuration(name, function)))
        }
        ("PUT", ["2015-03-31", "functions", name, "configuration"]) => {
            kept.change(|account| update_configuration(account, name, request))
        }
        ("GET", ["2015-03-31", "functions", name, "aliases"]) => kept.read().map(|account| {
            function(&account, name).map(|function| {
                let aliases: Vec<Value> = function.aliases.iter().map(|(name, version)| alias(name, *version)).collect();
                json!({ "Aliases": aliases })
            })
        }),
        ("GET", ["2015-03-31", "functions", name, "aliases", wanted]) => kept.read().map(|account| {
            let version = function(&account, name)?.aliases.get(*wanted).copied();
            version.map(|version| alias(wanted, version)).ok_or_else(|| gone(&format!("{name}:{wanted}")))
        }),
        ("PUT", ["2015-03-31", "functions", name, "aliases", wanted]) => {
            kept.change(|account| update_alias(account, name, wanted, request))
        }
        ("GET", ["2015-03-31", "functions", name, "versions"]) => kept.read().map(|account| {
            let latest = json!({ "Version": "$LATEST", "LastModified": "2020-01-01T00:00:00.000+0000" });
            let made = |(version, at): (&u32, &Timestamp)| {
                json!({ "Version": version.to_string(), "LastModified": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string() })
            };
            let published = function(&account, name)?.versions.iter().map(made);
            Ok(json!({ "Versions": std::iter::once(latest).chain(published).collect::<Vec<Value>>() }))
        }),
        ("GET", ["2019-09-30", "functions", name, "concurrency"]) => kept.read().map(|account| {
            function(&account, name).map(|function| match function.reserved {
                Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
                None => json!({}),
            })
        }),
        ("PUT", ["2017-10-31", "functions", name, "concurrency"]) => {
            kept.change(|account| reserve(account, name, units(request, "/ReservedConcurrentExecutions")))
        }
        _ => Ok(unknown(&format!("{method} {path}"))),
    }
}

fn function<'a>(account: &'a Account, name: &str) -> Result<&'a Function, (&'static str, String)> {
    account.functions.get(name).ok_or_else(|| gone(name))
}

fn alias(name: &str, version: u32) -> Value {
    json!({ "Name": name, "FunctionVersion": version.to_string() })
}

fn update_alias(account: &mut Account, name: &str, wanted: &str, request: &Value) -> Said {
    let function = account.functions.get_mut(name).ok_or_else(|| gone(name))?;
    let version =
        text(request, "FunctionVersion").parse().ok().filter(|version| function.versions.contains_key(version));
    let version: u32 = version.ok_or_else(|| gone(&format!("{name}, version {request}")))?;
    let named = function.aliases.get_mut(wanted).ok_or_else(|| gone(&format!("{name}:{wanted}")))?;
    *named = version;
    Ok(alias(wanted, version))
}

fn gone(name: &str) -> (&'static str, String) {
    ("ResourceNotFoundException", format!("Function not found: {name}"))
}

fn configuration(name: &str, function: &Function) -> Value {
    json!({
        "FunctionName": name,
        "RevisionId": function.revision.to_string(),
        "LastUpdateStatus": if function.updating { "InProgress" } else { "Successful" },
        "Environment": { "Variables": function.variables },
    })
}

/// Lambda replaces the whole environment by the one of the request.
fn update_configuration(account: &mut Account, name: &str, request: &Value) -> Said {
    let function = account.functions.get_mut(name).ok_or_else(|| gone(name))?;
    if function.updating {
        return Err(("ResourceConflictException", "The operation cannot be performed at this time.".to_owned()));
    }
    let revision = text(request, "RevisionId");
    if !revision.is_empty() && revision != function.revision.to_string() {
        let message = "The Revision Id provided does not match the latest Revision Id.".to_owned();
        return Err(("PreconditionFailedException", message));
    }
    let variables = request.pointer("/Environment/Variables").cloned();
    if let Some(variables) = variables.and_then(|value| serde_json::from_value::<BTreeMap<String, String>>(value).ok())
    {
        function.variables = variables;
    }
    function.revision += 1;
    Ok(configuration(name, function))
}

fn reserve(account: &mut Account, name: &str, reserved: Option<u32>) -> Said {
    let Some(wanted) = reserved else {
        return Err(("InvalidParameterValueException", "ReservedConcurrentExecutions is missing".to_owned()));
    };
    let function = account.functions.get_mut(name).ok_or_else(|| gone(name))?;
    let all = account.unreserved + function.reserved.unwrap_or_default();
    // Lambda keeps 100 for the functions without a reservation.
    let Some(left) = all.checked_sub(wanted).filter(|left| *left >= 100) else {
        let message = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";
        return Err(("InvalidParameterValueException", message.to_owned()));
    };
    account.unreserved = left;
    function.reserved = Some(wanted);
    Ok(json!({ "ReservedConcurrentExecutions": wanted }))
}

fn unknown(operation: &str) -> Said {
    Err(("UnknownOperationException", format!("the stand-in has no {operation}")))
}
