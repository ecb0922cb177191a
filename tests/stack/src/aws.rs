//! The operator's `aws` command, pointed at `MiniStack` and at nothing else.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::path_from_env;

/// The region of everything in the test.
pub const REGION: &str = "us-east-1";
/// The account that `MiniStack` uses for credentials that name none.
pub const ACCOUNT: &str = "000000000000";

/// Credentials that `MiniStack` takes for the account's root, and nothing of this machine's.
pub const ENVIRONMENT: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")];

/// The `aws` command with an environment of its own.
#[derive(Debug)]
pub struct Aws {
    program: PathBuf,
    endpoint: String,
    folder: PathBuf,
}

impl Aws {
    /// A command line against `endpoint`, working in `folder`.
    #[must_use]
    pub fn new(endpoint: String, folder: PathBuf) -> Self {
        Self { program: path_from_env("AWS_CLI"), endpoint, folder }
    }

    /// Runs `aws <arguments>` and reads its answer, `Null` if there is none.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Value {
        // No closure: its panic would be reported here rather than at the caller.
        match self.try_run(arguments) {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`Aws::run`], for what may fail.
    pub fn try_run(&self, arguments: &[&str]) -> Result<Value, String> {
        let mut command = Command::new(&self.program);
        // Version 1 of the command does not look at AWS_ENDPOINT_URL for SQS.
        command.args(["--endpoint-url", &self.endpoint, "--output", "json"]).args(arguments);
        let answer = self.answer_of(command, &arguments.join(" "))?;
        if answer.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).map_err(|error| format!("aws {}: {error}: {answer}", arguments.join(" ")))
    }

    /// Runs a shell command as a user would type it, and returns what it printed.
    #[must_use]
    #[track_caller]
    pub fn shell(&self, text: &str) -> String {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", text]);
        // No closure: its panic would be reported here rather than at the caller.
        match self.answer_of(command, text) {
            Ok(answer) => answer,
            Err(error) => panic!("{error}"),
        }
    }

    /// The folder that the commands run in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn answer_of(&self, mut command: Command, name: &str) -> Result<String, String> {
        let programs = self.program.parent().unwrap_or(Path::new("/usr/bin"));
        let output = command
            .current_dir(&self.folder)
            // No credential, profile or proxy of the caller may have a part in this.
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", programs.display()))
            .env("HOME", &self.folder)
            .env("LC_ALL", "C.UTF-8")
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_DEFAULT_REGION", REGION)
            .envs(ENVIRONMENT)
            .output()
            .map_err(|error| format!("cannot run {name}: {error}"))?;
        if !output.status.success() {
            return Err(format!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
        }
        String::from_utf8(output.stdout).map_err(|error| format!("{name}: {error}"))
    }
}
