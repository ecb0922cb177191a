//! Terraform, applying `infrastructure/monitoring` to `MiniStack` from a copy in the test's own folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::{
    aws::{ENVIRONMENT, REGION},
    outside::{MODEL, Outside},
    path_from_env,
};

/// What it deploys, beside this crate.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// What the configuration reads, where it expects it.
const PARTS: [&str; 3] = ["infrastructure/monitoring", "tests/fixtures", "scripts"];
/// The alarms and dashboards of the catalogue that is shipped.
const DEPLOYMENT: &str = "monitoring.deployment.json";

/// The configuration, initialised in a folder of its own, with its state.
#[derive(Debug)]
pub struct Terraform {
    program: PathBuf,
    endpoint: String,
    folder: PathBuf,
}

impl Terraform {
    /// Whether `STACK_TERRAFORM` names a Terraform.
    #[must_use]
    pub fn is_there() -> bool {
        env::var_os("STACK_TERRAFORM").is_some()
    }

    /// Terraform against `endpoint`, in a folder within `folder`.
    #[must_use]
    pub fn new(endpoint: String, folder: &Path) -> Self {
        Self { program: path_from_env("STACK_TERRAFORM"), endpoint, folder: folder.join("terraform") }
    }

    /// Copies the configuration, and writes its variables: Slack and `PagerDuty` are where the test has them.
    pub fn prepare(&self, outside: &Outside) {
        for part in PARTS {
            copy(&Path::new(REPOSITORY).join(part), &self.folder.join(part));
        }
        fs::copy(Path::new(REPOSITORY).join(DEPLOYMENT), self.folder.join(DEPLOYMENT)).expect("a copy of a file");
        let variables = json!({
            "region": REGION,
            "catalogue": path_from_env("STACK_CATALOGUE"),
            "packages": path_from_env("STACK_ZIPS"),
            "architecture": Self::architecture(),
            "secrets": outside.secrets().map(|(setting, _)| setting),
            "slack_api_url": outside.slack_api_url(),
            "pagerduty_events_url": outside.pagerduty_events_url(),
            "bedrock_model": MODEL,
            "deletion_protection": false,
            // The most that operators switch on, of which nothing may show a secret.
            "log_level": "debug",
        });
        fs::write(self.root().join("stack.auto.tfvars.json"), variables.to_string()).expect("a file of variables");
    }

    /// Deploys everything, with the alarms of the test's own catalogue: those of the shipped one would tell stories of theirs.
    pub fn apply(&self) {
        let variables = json!({ "deployment": path_from_env("STACK_DEPLOYMENT"), "adopt_log_groups": true });
        fs::write(self.root().join("own.auto.tfvars.json"), variables.to_string()).expect("a file of variables");
        self.run(&["init", "-input=false"]);
        self.run(&["apply", "-input=false", "-auto-approve"]);
    }

    /// Runs the deploy script with the zips in `packages`. Returns whether it succeeded, and what it said.
    #[must_use]
    pub fn script(&self, packages: &Path, options: &[&str]) -> (bool, String) {
        self.script_as(&[], packages, options)
    }

    /// As [`Terraform::script`], with credentials other than the account's root.
    #[must_use]
    pub fn script_as(
        &self,
        credentials: &[(&'static str, String)],
        packages: &Path,
        options: &[&str],
    ) -> (bool, String) {
        let mut command = Command::new(self.folder.join("scripts/deploy_monitoring.sh"));
        command.args(["--yes", "--architecture", Self::architecture(), "--region", REGION]).args(options);
        command.arg("--packages").arg(packages).arg("--catalogue").arg(path_from_env("STACK_CATALOGUE"));
        let output = self.output_of(command.current_dir(&self.folder), credentials);
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The zips are for this machine.
    fn architecture() -> &'static str {
        if env::consts::ARCH == "aarch64" { "arm64" } else { env::consts::ARCH }
    }

    /// The root module's outputs, by name.
    #[must_use]
    pub fn outputs(&self) -> Value {
        let answer = self.run(&["output", "-json"]);
        let outputs: serde_json::Map<String, Value> = serde_json::from_str(&answer).expect("outputs as JSON");
        outputs.into_iter().map(|(name, mut output)| (name, output["value"].take())).collect()
    }

    /// Fails if Terraform would change anything.
    pub fn plan_shows_no_change(&self) {
        // With this exit code it says so by 2.
        self.run(&["plan", "-input=false", "-detailed-exitcode"]);
    }

    /// Removes everything.
    pub fn destroy(&self) {
        self.run(&["destroy", "-input=false", "-auto-approve"]);
    }

    fn root(&self) -> PathBuf {
        self.folder.join("infrastructure/monitoring")
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        let output = self.output_of(command.current_dir(self.root()).args(arguments).arg("-no-color"), &[]);
        let (printed, complaints) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "terraform {arguments:?}: {}\n{printed}\n{complaints}", output.status);
        printed.into_owned()
    }

    /// Runs a command with nothing of the caller's environment but what Terraform and its provider are found by.
    fn output_of(&self, command: &mut Command, credentials: &[(&'static str, String)]) -> Output {
        command.env_clear();
        for name in ["HOME", "TMPDIR", "TF_CLI_CONFIG_FILE", "TFO_CACHE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
            if let Some(value) = env::var_os(name) {
                command.env(name, value);
            }
        }
        // The pinned `aws` first.
        let aws = path_from_env("AWS_CLI").parent().map(Path::to_owned).unwrap_or_default();
        let programs =
            env::join_paths([aws].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())));
        command.env("PATH", programs.expect("a search path")).env("TERRAFORM_PROGRAM", &self.program);
        command.envs(ENVIRONMENT).envs(credentials.iter().map(|(name, value)| (name, value)));
        command.env("AWS_ENDPOINT_URL", &self.endpoint).env("AWS_REGION", REGION);
        command.output().unwrap_or_else(|error| panic!("cannot run {}: {error}", command.get_program().display()))
    }
}

/// Copies files and folders, but not what an earlier `terraform init` left behind.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder of the repository").flatten() {
        let (name, path) = (entry.file_name(), entry.path());
        let hidden = name.to_string_lossy();
        if hidden.starts_with(".terraform") || hidden.contains(".tfstate") || hidden.contains(".tfvars") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).expect("a copy of a file");
        }
    }
}
