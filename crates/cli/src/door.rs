//! Where the state is: in the folder of a local run, or in a deployed suite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use clap::Args;
use jiff::Timestamp;
use monitoring_aws::action_item_reminder::ReminderError;
use monitoring_aws::action_items::{self, ChangeError};
use monitoring_aws::actions::{Answer, KillSwitch, Request};
use monitoring_aws::http::{Http, Timeouts, sdk_config_for};
use monitoring_aws::post_mortem::WriteError;
use monitoring_aws::store::Store;
use monitoring_core::catalogue::{Catalogue, environment_suffix};
use serde_json::Value;

use crate::catalogue;
use crate::command::{Exit, OK, environment, pretty, print};
use crate::local::data::{self, Data, Origin};
use crate::local::engine::Engine;
use crate::local::laptop::Telemetry;
use crate::local::replay::Replay;
use crate::local::story::{Form, Story};
use crate::local::suite::{Notify, Parts, Suite};
use crate::local::{DEFAULT_DATA, DEFAULT_ENVIRONMENT, simulation, stand_in};

/// How long another process may take to end before its folder counts as in use without serving.
const CONNECT: Duration = Duration::from_millis(500);

/// The alias of the versions that serve; the newest one may not have been tried yet.
const LIVE: &str = "live";

/// How long a function may take to answer: longer than the longest time-out of one, the 90 s of post-mortem.
const INVOKE: Duration = Duration::from_secs(100);

/// Which state a command is about.
#[derive(Clone, Debug, Args)]
pub struct DoorArgs {
    /// Folder of a local run
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA, conflicts_with_all = ["aws_profile", "region"])]
    data: PathBuf,
    /// The deployed suite, with this profile
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
    /// The deployed suite, in this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The environment: `local` on a laptop and `production` deployed, unless it is named
    #[arg(long, env = "ENVIRONMENT", value_parser = environment)]
    environment: Option<String>,
    /// The catalogue, as YAML; without it the one that is shipped
    #[arg(long, value_name = "FILE", env = "MONITORING_CATALOGUE")]
    catalogue: Option<PathBuf>,
    /// Send no message anywhere but to the terminal (local only)
    #[arg(long)]
    terminal: bool,
}

impl DoorArgs {
    fn is_deployed(&self) -> bool {
        self.aws_profile.is_some() || self.region.is_some()
    }

    fn environment<'a>(&'a self, default: &'a str) -> &'a str {
        self.environment.as_deref().filter(|name| !name.is_empty()).unwrap_or(default)
    }

    /// Refuses a folder in which nothing was run, instead of making one.
    pub fn must_exist(&self) -> Result<(), Exit> {
        if self.is_deployed() || data::tables(&self.data).is_file() {
            return Ok(());
        }
        let folder = self.data.display();
        Err(Exit::usage(anyhow!(
            "there is no run in {folder}; start a run with `monitorctl local --simulate`, or name its folder with --data"
        )))
    }
}

/// The way to the state.
pub enum Door {
    /// A folder.
    Local(Box<Local>),
    /// A deployed suite.
    Deployed(Box<Deployed>),
}

/// A local run's state.
pub struct Local {
    /// The suite over it.
    pub suite: Suite,
    catalogue: Catalogue,
    /// The run's time: where a simulation or a replay stands, else the real time.
    pub now: Timestamp,
    environment: String,
    engine: Option<Engine>,
    data: Option<Data>,
}

/// A deployed suite.
pub struct Deployed {
    store: Store,
    lambda: aws_sdk_lambda::Client,
    kill_switch: KillSwitch,
    catalogue: Catalogue,
    environment: String,
}

impl Door {
    /// Opens it. `form` is how the steps that a command causes are shown.
    pub async fn open(args: &DoorArgs, form: Form) -> Result<Self, Exit> {
        if args.is_deployed() {
            return Ok(Self::Deployed(Box::new(Deployed::open(args).await?)));
        }
        Ok(Self::Local(Box::new(Local::open(args, form).await?)))
    }

    /// The tables.
    pub fn store(&self) -> &Store {
        match self {
            Self::Local(local) => &local.suite.store,
            Self::Deployed(deployed) => &deployed.store,
        }
    }

    /// The catalogue that the state was made with, as far as is known.
    pub fn catalogue(&self) -> &Catalogue {
        match self {
            Self::Local(local) => &local.catalogue,
            Self::Deployed(deployed) => &deployed.catalogue,
        }
    }

    /// The time of the state: where a simulation or a replay stands, else the real time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Local(local) => local.now,
            Self::Deployed(_) => Timestamp::now(),
        }
    }

    /// Gives an event to incident-response and returns its answer. A command that it refuses is an [`Exit`].
    pub async fn respond(&mut self, event: &Value) -> Result<Value, Exit> {
        match self {
            Self::Local(local) => {
                let now = local.now;
                let response = local.suite.respond(event, now).await.map_err(|error| {
                    use monitoring_aws::incident_response::HandleError;
                    match error.downcast::<HandleError>() {
                        Ok(HandleError::Refused(reason)) => Exit::refused(reason),
                        Ok(error) => anyhow::Error::from(error).into(),
                        Err(error) => error.into(),
                    }
                })?;
                Ok(serde_json::to_value(response).context("cannot write the answer as JSON")?)
            }
            Self::Deployed(deployed) => deployed.invoke("incident-response", event).await,
        }
    }

    /// `production`, `local`.
    pub fn environment(&self) -> &str {
        match self {
            Self::Local(local) => &local.environment,
            Self::Deployed(deployed) => &deployed.environment,
        }
    }

    /// Gives a request to the actions function.
    pub async fn apply(&self, request: &Request) -> Result<Answer, Exit> {
        match self {
            Self::Local(local) => Ok(local.suite.apply(request).await),
            Self::Deployed(deployed) => {
                let event = serde_json::to_value(request).context("cannot write the request as JSON")?;
                let answer = deployed.invoke("actions", &event).await?;
                Ok(serde_json::from_value(answer).context("the actions function gave an answer that cannot be read")?)
            }
        }
    }

    /// What stops every action: of the run's stand-in for AWS, or with the user's own credentials, past every function.
    pub fn kill_switch(&self) -> KillSwitch {
        match self {
            Self::Local(local) => local.suite.kill_switch(),
            Self::Deployed(deployed) => deployed.kill_switch.clone(),
        }
    }

    /// Gives an event to the post-mortem function, which keeps action items too, and returns its answer. What it refuses is an
    /// [`Exit`].
    pub async fn post_mortem(&mut self, event: &Value) -> Result<Value, Exit> {
        match self {
            Self::Local(local) if action_items::is_meant(event) => {
                let now = local.now;
                let item = local.suite.change_action_item(event, now).await.map_err(|error| match error {
                    ChangeError::Refused(reason) => Exit::refused(reason),
                    error @ ChangeError::Store(_) => anyhow::Error::from(error).into(),
                })?;
                Ok(serde_json::to_value(item).context("cannot write the answer as JSON")?)
            }
            Self::Local(local) => {
                let now = local.now;
                let written = local.suite.write_post_mortem(event, now).await.map_err(|error| match error {
                    WriteError::Refused(reason) => Exit::refused(reason),
                    error => anyhow::Error::from(error).into(),
                })?;
                Ok(serde_json::to_value(written).context("cannot write the answer as JSON")?)
            }
            Self::Deployed(deployed) => deployed.invoke("post-mortem", event).await,
        }
    }

    /// Gives an event to the post-mortem function, ends, and prints its answer: as JSON, or as the line that `said` makes of it.
    pub async fn ask_post_mortem(
        mut self,
        event: Result<Value, Exit>,
        json: bool,
        said: impl FnOnce(&Value) -> String,
    ) -> Result<u8, Exit> {
        let answer = match event {
            Ok(event) => self.post_mortem(&event).await,
            Err(error) => Err(error),
        };
        self.close().await?;
        let answer = answer?;
        print(&if json { pretty(&answer)? } else { said(&answer) });
        Ok(OK)
    }

    /// Gives an event to the reminder function and returns its answer. What it refuses is an [`Exit`].
    pub async fn remind(&mut self, event: &Value) -> Result<Value, Exit> {
        match self {
            Self::Local(local) => {
                let reminded = local.suite.remind(event, local.now).await.map_err(|error| match error {
                    ReminderError::Refused(reason) => Exit::refused(reason),
                    error @ ReminderError::Store(_) => anyhow::Error::from(error).into(),
                })?;
                Ok(serde_json::to_value(reminded).context("cannot write the answer as JSON")?)
            }
            Self::Deployed(deployed) => deployed.invoke("action-item-reminder", event).await,
        }
    }

    /// Releases what was opened.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self::Local(local) = self else { return Ok(()) };
        let Local { suite, engine, data, .. } = *local;
        drop(suite);
        if let Some(data) = &data {
            data.set_endpoint(None)?;
        }
        match engine {
            Some(engine) => engine.stop().await,
            None => Ok(()),
        }
    }
}

impl Local {
    async fn open(args: &DoorArgs, form: Form) -> Result<Self, Exit> {
        let environment = args.environment(DEFAULT_ENVIRONMENT);
        let position = data::position(&args.data)?;
        let origin = position.as_ref().map(|position| position.origin.clone());
        let mut catalogue = match (&args.catalogue, &origin) {
            (Some(path), _) => catalogue::load(path).map_err(Exit::usage)?.0,
            (None, Some(Origin::Replay { .. })) => catalogue::shipped_aws().context("the shipped catalogue")?,
            (None, _) => catalogue::shipped().context("the shipped catalogue")?,
        };
        let telemetry = match &origin {
            // The files may have gone; only `invoke monitoring` needs them, and says so.
            Some(Origin::Replay { path, .. }) if path.exists() => {
                Telemetry::Replay(Replay::load(path, &mut catalogue).map_err(Exit::usage)?)
            }
            _ => Telemetry::Simulation(simulation()?),
        };
        let now = position
            .filter(|position| position.origin != Origin::CloudWatch)
            .map_or_else(Timestamp::now, |position| position.at);
        let (endpoint, engine, held) = connect(&args.data, &catalogue, environment).await?;
        let story = Story::new(form);
        story.set_now(now);
        let parts = Parts {
            catalogue: catalogue.clone(),
            environment: environment.to_owned(),
            dynamodb: Engine::client(&endpoint, &Http::new(Timeouts::default())),
            telemetry,
            targets: stand_in(&data::targets(&args.data)).await?,
            notify: if args.terminal { Notify::Terminal } else { Notify::Configured },
            story,
        };
        let environment = environment.to_owned();
        Ok(Self { suite: Suite::new(parts).await?, catalogue, now, environment, engine, data: held })
    }
}

/// The tables of a folder: served here, or by the process that has the folder open.
async fn connect(
    folder: &Path,
    catalogue: &Catalogue,
    environment: &str,
) -> Result<(String, Option<Engine>, Option<Data>), Exit> {
    if let Some(data) = Data::try_open(folder)? {
        let engine = Engine::start(Some(&data.tables()), &catalogue.service, environment).await?;
        data.set_endpoint(Some(&engine.endpoint()))?;
        return Ok((engine.endpoint(), Some(engine), Some(data)));
    }
    let endpoint = data::endpoint(folder);
    let address = endpoint.as_deref().and_then(|endpoint| endpoint.strip_prefix("http://"));
    if let (Some(endpoint), Some(address)) = (&endpoint, address) {
        let connected = tokio::time::timeout(CONNECT, tokio::net::TcpStream::connect(address)).await;
        if matches!(connected, Ok(Ok(_))) {
            return Ok((endpoint.clone(), None, None));
        }
    }
    Err(Exit::from(anyhow!(
        "{} is in use by another monitorctl that does not answer; try again in a moment",
        folder.display()
    )))
}

impl Deployed {
    async fn open(args: &DoorArgs) -> Result<Self, Exit> {
        let catalogue = match &args.catalogue {
            Some(path) => catalogue::load(path).map_err(Exit::usage)?.0,
            None => catalogue::shipped().context("the shipped catalogue")?,
        };
        let environment = args.environment("production").to_owned();
        let http = Http::new(Timeouts::default());
        let config = sdk_config_for(&http, args.aws_profile.as_deref(), args.region.as_deref()).await;
        let store = Store::new(aws_sdk_dynamodb::Client::new(&config), &catalogue.service, &environment);
        let lambda = aws_sdk_lambda::Config::from(&config).to_builder().timeout_config(invoke_timeouts()).build();
        let lambda = aws_sdk_lambda::Client::from_conf(lambda);
        let kill_switch = KillSwitch::of(&config, &catalogue, &environment);
        Ok(Self { store, lambda, kill_switch, catalogue, environment })
    }

    /// Invokes a function and returns its answer.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<Value, Exit> {
        let name = format!("{}-{function}{}", self.catalogue.service, environment_suffix(&self.environment));
        let payload = aws_sdk_lambda::primitives::Blob::new(event.to_string());
        let answer = self.lambda.invoke().function_name(&name).qualifier(LIVE).payload(payload).send().await;
        let answer = answer.with_context(|| {
            format!("cannot invoke {name}; check the profile, the region and lambda:InvokeFunction")
        })?;
        let body = answer.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).with_context(|| format!("{name} did not answer with JSON"))?;
        if answer.function_error.is_some() {
            let message = value.get("errorMessage").and_then(Value::as_str).unwrap_or("it did not say why");
            return Err(Exit::refused(format!("{name}: {message}")));
        }
        Ok(value)
    }
}

/// Each of the three, since what is not set would be taken from the time-outs of the tables.
fn invoke_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(INVOKE).operation_attempt_timeout(INVOKE).read_timeout(INVOKE).build()
}
