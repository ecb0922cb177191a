provider "aws" {
  region = var.region

  default_tags {
    tags = merge(
      {
        Project     = local.service
        Component   = "monitoring"
        Environment = var.environment
        ManagedBy   = "terraform"
      },
      var.tags,
    )
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  catalogue = jsondecode(file(var.catalogue))
  service   = local.catalogue.service
  # As core::catalogue::environment_suffix has it.
  suffix    = var.environment == "production" ? "" : "-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # "AI Nutritionist" to "AI-Nutritionist", under which the suite's own metrics are.
  namespace = replace(local.catalogue.title, " ", "-")

  # The settings that the channels of the catalogue take a secret from, and what has no channel.
  pagerduty_secrets = [for channel in values(local.catalogue.channels) : channel.via.routing_key_setting if channel.via.kind == "pagerduty"]
  slack_secrets = distinct(compact(flatten([
    for channel in values(local.catalogue.channels) : [
      try(channel.via.webhook_setting, ""),
      try(channel.via.bot_token_setting, ""),
    ]
  ])))
  channel_secrets = distinct(concat(local.pagerduty_secrets, local.slack_secrets))
  signing_secrets = ["SLACK_SIGNING_SECRET", "PAGERDUTY_WEBHOOK_SECRET"]
  known_secrets   = concat(local.channel_secrets, local.signing_secrets, ["HEARTBEAT_URL"])

  # Parameter of each secret: SLACK_WEBHOOK_URL is /ai-nutritionist/production/monitoring/slack-webhook-url.
  parameters = {
    for name in var.secrets :
    name => "/${local.service}/${var.environment}/monitoring/${lower(replace(name, "_", "-"))}"
  }

  # Nobody could be believed without a secret, and so there is no public surface either.
  has_interactions = length(setintersection(var.secrets, local.signing_secrets)) > 0
}

check "secrets" {
  assert {
    condition     = length(setsubtract(var.secrets, local.known_secrets)) == 0
    error_message = "No function reads ${join(", ", setsubtract(var.secrets, local.known_secrets))}; the secrets are ${join(", ", local.known_secrets)}."
  }
}

check "deployment" {
  assert {
    condition     = local.deployment.service == local.service
    error_message = "The deployment is of ${local.deployment.service} and the catalogue of ${local.service}; resolve both from one monitoring.yaml."
  }
}
