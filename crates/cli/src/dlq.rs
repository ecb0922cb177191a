//! `monitorctl dlq`: the messages that incident-response failed on too often, of the deployed suite.

use anyhow::Context;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use clap::{Args, Subcommand};
use monitoring_aws::http::{Http, Timeouts, sdk_config_for};
use monitoring_core::alert::bounded;
use monitoring_core::catalogue::environment_suffix;
use serde_json::json;

use crate::command::{Exit, OK, environment, pretty, print};
use crate::incidents::show::printable;

/// Look at the dead letters of the deployed suite, and have them tried again.
#[derive(Debug, Args)]
pub struct DlqArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the dead letters. They stay where they are, hidden from others for a few seconds
    List(QueueArgs),
    /// Put all of them back to the queue that they came from
    Redrive(QueueArgs),
}

#[derive(Debug, Args)]
struct QueueArgs {
    /// The profile; without it the usual ways of the AWS CLI
    #[arg(long, value_name = "NAME")]
    aws_profile: Option<String>,
    /// The region; without it that of the profile
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The environment
    #[arg(long, env = "ENVIRONMENT", default_value = "production", value_parser = environment)]
    environment: String,
    /// The queue, where it is not that of the catalogue's service: `ai-nutritionist-incident-events-dlq`
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
}

/// The most messages that a call returns. Source: `ReceiveMessage`.
const MOST: i32 = 10;

/// The most calls for a list; a queue may hold millions.
const CALLS: usize = 10;

/// How long a listed message is hidden, so that one list does not show it twice, in seconds.
const HIDDEN: i32 = 10;

/// The most of a message that is shown, in bytes.
const MAX_BODY: usize = 200;

/// Runs the command.
pub async fn run(args: DlqArgs, json: bool) -> Result<u8, Exit> {
    let (Command::List(of) | Command::Redrive(of)) = &args.command;
    let config = sdk_config_for(&Http::new(Timeouts::default()), of.aws_profile.as_deref(), of.region.as_deref()).await;
    let client = aws_sdk_sqs::Client::new(&config);
    let service = crate::catalogue::shipped().context("the shipped catalogue")?.service;
    let name = of
        .queue
        .clone()
        .unwrap_or_else(|| format!("{service}-incident-events-dlq{}", environment_suffix(&of.environment)));
    let answer = client.get_queue_url().queue_name(&name).send().await;
    let answer = answer.with_context(|| {
        format!("cannot find the queue {name}; check the profile, the region, the name (--queue) and sqs:GetQueueUrl")
    })?;
    let url = answer.queue_url.context("SQS returned no address of the queue")?;
    match args.command {
        Command::List(_) => list(&client, &name, &url, json).await,
        Command::Redrive(_) => redrive(&client, &name, &url, json).await,
    }
}

async fn list(client: &aws_sdk_sqs::Client, name: &str, url: &str, json: bool) -> Result<u8, Exit> {
    let mut messages: Vec<Message> = Vec::new();
    for _ in 0..CALLS {
        let request = client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(MOST)
            .visibility_timeout(HIDDEN)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = request.send().await.with_context(|| format!("cannot read {name}; check sqs:ReceiveMessage"))?;
        let page = answer.messages.unwrap_or_default();
        if page.is_empty() {
            break;
        }
        messages.extend(page);
    }
    if json {
        let rows: Vec<_> = messages
            .iter()
            .map(|message| json!({ "id": message.message_id(), "sent_at": sent_at(message), "body": message.body() }))
            .collect();
        print(&pretty(&rows)?);
    } else if messages.is_empty() {
        print(&format!("no dead letters in {name}\n"));
    } else {
        for message in &messages {
            let body = printable(&bounded(message.body().unwrap_or_default(), MAX_BODY));
            let sent = sent_at(message).unwrap_or_else(|| "at a time that is not known".to_owned());
            print(&format!("{}  sent {sent}\n  {body}\n", message.message_id().unwrap_or("?")));
        }
    }
    Ok(OK)
}

fn sent_at(message: &Message) -> Option<String> {
    let millis = message.attributes.as_ref()?.get(&MessageSystemAttributeName::SentTimestamp)?.parse().ok()?;
    Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_string())
}

async fn redrive(client: &aws_sdk_sqs::Client, name: &str, url: &str, json: bool) -> Result<u8, Exit> {
    let arn = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
    let count = aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessages;
    let answer =
        client.get_queue_attributes().queue_url(url).attribute_names(arn.clone()).attribute_names(count.clone());
    let answer = answer.send().await.with_context(|| format!("cannot look at {name}; check sqs:GetQueueAttributes"))?;
    let attributes = answer.attributes.unwrap_or_default();
    let source = attributes.get(&arn).context("SQS returned no ARN of the queue")?;
    let waiting = attributes.get(&count).cloned().unwrap_or_else(|| "0".to_owned());
    let task = client.start_message_move_task().source_arn(source).send().await;
    task.with_context(|| {
        format!("cannot move the messages of {name}; check sqs:StartMessageMoveTask and sqs:SendMessage, and that no move is under way")
    })?;
    if json {
        print(&pretty(&json!({ "queue": name, "messages": waiting.parse::<u64>().unwrap_or_default() }))?);
    } else {
        print(&format!("about {waiting} messages of {name} go back to the queue that they came from\n"));
    }
    Ok(OK)
}
