//! Settings and secrets. A setting is named by an environment variable; a secret's setting holds the secret itself or
//! `ssm:/name` of a parameter in Parameter Store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_config::SdkConfig;
use aws_sdk_ssm::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::operation::get_parameter::GetParameterError;
use secrecy::{ExposeSecret, SecretString};

use crate::http::causes;

/// Marks the value of a setting as the name of a parameter.
const PARAMETER_PREFIX: &str = "ssm:";

/// The environment as it was when the process began, read once at the edge. An empty value is no value.
#[derive(Clone, Default)]
pub struct Settings {
    values: BTreeMap<String, SecretString>,
}

impl fmt::Debug for Settings {
    /// Names only: any value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Settings {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into().trim().to_owned()))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, SecretString::from(value)))
            .collect();
        Self { values }
    }
}

impl Settings {
    /// Reads the environment. What is not Unicode is left out.
    pub fn from_env() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A setting that is not a secret.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }

    /// A setting that is not a secret, and that there is no default for.
    pub fn require(&self, name: &str) -> Result<&str, MissingSetting> {
        self.get(name).ok_or_else(|| MissingSetting { name: name.to_owned() })
    }
}

/// A setting that is needed and not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not set; set the environment variable {name}")]
pub struct MissingSetting {
    name: String,
}

/// Why there is no secret. No variant carries one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The setting is not there.
    #[error(
        "{setting} is not set; set the environment variable {setting} to the secret, or to ssm:/name of a parameter"
    )]
    Missing {
        /// Name of the environment variable.
        setting: String,
    },
    /// The setting names a parameter where there is no Parameter Store.
    #[error("{setting} names a parameter, but this process runs without AWS; set {setting} to the secret itself")]
    NoParameterStore {
        /// Name of the environment variable.
        setting: String,
    },
    /// Parameter Store has no such parameter.
    #[error("{setting} names the parameter {parameter}, which does not exist; create it as a SecureString")]
    NoParameter {
        /// Name of the environment variable.
        setting: String,
        /// Name of the parameter.
        parameter: String,
    },
    /// Parameter Store refuses.
    #[error("{setting}: the role may not read the parameter {parameter}; allow ssm:GetParameter and kms:Decrypt")]
    Refused {
        /// Name of the environment variable.
        setting: String,
        /// Name of the parameter.
        parameter: String,
    },
    /// Parameter Store does not answer.
    #[error("{setting}: cannot read the parameter {parameter}: {reason}")]
    Unavailable {
        /// Name of the environment variable.
        setting: String,
        /// Name of the parameter.
        parameter: String,
        /// What went wrong.
        reason: String,
    },
}

impl SecretError {
    /// Whether the secret may be there later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// The secrets that settings name. Cheap to clone; parameters are read when they are first used, and kept.
#[derive(Clone)]
pub struct Secrets {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    aws: Option<SdkConfig>,
    parameter_store: OnceLock<aws_sdk_ssm::Client>,
    /// By name of the parameter.
    parameters: Mutex<BTreeMap<String, SecretString>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Secrets from these settings; without an AWS configuration, only those that are in the settings themselves.
    pub fn new(settings: Settings, aws: Option<SdkConfig>) -> Self {
        let parameters = Mutex::default();
        Self { inner: Arc::new(Inner { settings, aws, parameter_store: OnceLock::new(), parameters }) }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Whether the setting has a value; the parameter that it may name is not looked at.
    pub fn is_set(&self, setting: &str) -> bool {
        self.inner.settings.get(setting).is_some()
    }

    /// The secret of a setting, if nobody need be asked for it.
    pub fn at_hand(&self, setting: &str) -> Option<SecretString> {
        match self.source(setting).ok()? {
            Source::Itself(secret) => Some(secret),
            Source::Parameter(name) => self.kept(&name),
        }
    }

    /// The secret of a setting.
    pub async fn get(&self, setting: &str) -> Result<SecretString, SecretError> {
        match self.source(setting)? {
            Source::Itself(secret) => Ok(secret),
            Source::Parameter(name) => match self.kept(&name) {
                Some(secret) => Ok(secret),
                None => self.read(setting, name).await,
            },
        }
    }

    /// Reads a secret anew after its receiver refused it. `None` if it is still the one that was refused, so that
    /// trying again is pointless.
    pub async fn reload(&self, setting: &str, refused: &SecretString) -> Result<Option<SecretString>, SecretError> {
        let differs = |secret: &SecretString| secret.expose_secret() != refused.expose_secret();
        match self.source(setting)? {
            Source::Itself(secret) => Ok(Some(secret).filter(differs)),
            Source::Parameter(name) => match self.kept(&name).filter(differs) {
                // Another task has reloaded it already.
                Some(secret) => Ok(Some(secret)),
                None => Ok(Some(self.read(setting, name).await?).filter(differs)),
            },
        }
    }

    fn source(&self, setting: &str) -> Result<Source, SecretError> {
        let Some(value) = self.inner.settings.values.get(setting) else {
            return Err(SecretError::Missing { setting: setting.to_owned() });
        };
        Ok(match value.expose_secret().strip_prefix(PARAMETER_PREFIX) {
            Some(name) => Source::Parameter(name.to_owned()),
            None => Source::Itself(value.clone()),
        })
    }

    fn kept(&self, name: &str) -> Option<SecretString> {
        self.inner.parameters.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    async fn read(&self, setting: &str, name: String) -> Result<SecretString, SecretError> {
        let setting = setting.to_owned();
        let Some(aws) = &self.inner.aws else {
            return Err(SecretError::NoParameterStore { setting });
        };
        let client = self.inner.parameter_store.get_or_init(|| aws_sdk_ssm::Client::new(aws));
        let output = match client.get_parameter().name(&name).with_decryption(true).send().await {
            Ok(output) => output,
            Err(error) => return Err(classify(&error, setting, name)),
        };
        let Some(value) =
            output.parameter.and_then(|parameter| parameter.value).filter(|value| !value.trim().is_empty())
        else {
            return Err(SecretError::NoParameter { setting, parameter: name });
        };
        let secret = SecretString::from(value.trim().to_owned());
        self.inner.parameters.lock().unwrap_or_else(PoisonError::into_inner).insert(name, secret.clone());
        Ok(secret)
    }
}

/// Where the secret of a setting is.
enum Source {
    Itself(SecretString),
    Parameter(String),
}

fn classify(error: &SdkError<GetParameterError>, setting: String, parameter: String) -> SecretError {
    match error.code() {
        Some("ParameterNotFound" | "ParameterVersionNotFound" | "ValidationException") => {
            SecretError::NoParameter { setting, parameter }
        }
        Some("AccessDeniedException" | "AccessDenied") => SecretError::Refused { setting, parameter },
        // Only what the error says of itself: its debug form has the answer, and that may have the secret.
        _ => SecretError::Unavailable { setting, parameter, reason: causes(error) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_names_only() {
        let settings = Settings::from_iter([("SLACK_BOT_TOKEN", "xoxb-secret"), ("EMPTY", " ")]);
        let secrets = Secrets::new(settings.clone(), None);
        assert_eq!(format!("{settings:?}"), r#"{"SLACK_BOT_TOKEN"}"#);
        assert!(!format!("{secrets:?}").contains("xoxb-secret"));
    }

    #[test]
    fn a_missing_setting_is_named() {
        let error = Settings::default().require("ENVIRONMENT").unwrap_err();
        assert_eq!(error.to_string(), "ENVIRONMENT is not set; set the environment variable ENVIRONMENT");
    }
}
