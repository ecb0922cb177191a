variable "region" {
  description = "AWS region of everything."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is not the name of an AWS region, such as us-east-1."
  }
}

variable "environment" {
  description = "production keeps the plain names of tables, topics and functions; any other name is their suffix."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}$", var.environment))
    error_message = "environment is at most 16 lower-case letters, digits and hyphens, and begins with a letter."
  }
}

variable "catalogue" {
  description = "The resolved catalogue, as `monitorctl catalogue resolve` writes it. The zips carry the same one."
  type        = string
  default     = "../../monitoring.resolved.json"

  validation {
    condition     = can(jsondecode(file(var.catalogue)).service)
    error_message = "catalogue is not a resolved catalogue; make one with `monitorctl catalogue resolve --out FILE`."
  }
}

variable "deployment" {
  description = "The catalogue's alarms, queries and dashboards, as `monitorctl catalogue resolve --deployment` writes them."
  type        = string
  default     = "../../monitoring.deployment.json"

  validation {
    condition     = can(jsondecode(file(var.deployment)).alarms)
    error_message = "deployment has no alarms; make it with `monitorctl catalogue resolve --deployment --out FILE`."
  }
}

variable "packages" {
  description = "Folder with a zip for each function, as scripts/package.sh fills it."
  type        = string
  default     = "../../target/lambda"

  validation {
    condition     = length(fileset(var.packages, "*.zip")) > 0
    error_message = "packages is not a folder with zips; run scripts/package.sh --out DIR --catalogue FILE."
  }
}

variable "architecture" {
  description = "Processor of the functions, for which the zips were built: arm64 or x86_64."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture is arm64 or x86_64."
  }
}

variable "secrets" {
  description = "Names of the settings whose secret is in Parameter Store; the output `parameters` says under which name. Terraform never sees a value. With SLACK_SIGNING_SECRET or PAGERDUTY_WEBHOOK_SECRET the public function `interactions` is deployed."
  type        = set(string)
  default     = ["PAGERDUTY_INTEGRATION_KEY", "SLACK_WEBHOOK_URL"]

  validation {
    condition     = alltrue([for name in var.secrets : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "secrets has names of settings, such as SLACK_BOT_TOKEN; the values are put into Parameter Store by hand."
  }
}

variable "bedrock_model" {
  description = "Id of the model of Amazon Bedrock that drafts beside the rules of a post-mortem, such as amazon.nova-lite-v1:0, or of its inference profile, such as us.amazon.nova-lite-v1:0. Empty for none: then nothing is sent to Bedrock, and no function may call it."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^$|^[a-z0-9-]+([.][a-zA-Z0-9-]+)+(:[0-9a-z:]+)?$", var.bedrock_model))
    error_message = "bedrock_model is the id of a model or of an inference profile, such as amazon.nova-lite-v1:0; not an ARN."
  }
}

variable "subscriptions" {
  description = "Who gets what is published, for each topic (alerts, business-alerts, notify-email, notify-sms, watcher): protocol (email, sms, https) and endpoint."
  type = map(list(object({
    protocol = string
    endpoint = string
  })))
  default = {}

  validation {
    condition = alltrue([
      for subscription in flatten(values(var.subscriptions)) :
      contains(["email", "email-json", "sms", "https"], subscription.protocol)
    ])
    error_message = "subscriptions take the protocols email, email-json, sms and https."
  }
}

variable "allowed_actions" {
  description = "Kinds of action that the function `actions` has rights for, on what the catalogue's `actions: allow` names. One that is left out fails, whatever the catalogue says. Default: all in production; elsewhere only circuit_breaker, whose parameters have the environment in their names, since everything else is named in the catalogue as it is in production."
  type        = set(string)
  default     = null

  validation {
    condition     = var.allowed_actions == null ? true : length(setsubtract(var.allowed_actions, ["circuit_breaker", "restart", "scale_out", "rollback", "failover"])) == 0
    error_message = "allowed_actions has circuit_breaker, restart, scale_out, rollback and failover."
  }
}

variable "adopt_log_groups" {
  description = "Whether Terraform takes over the application's log groups of the catalogue, which must exist, and sets their retention. One environment of an account should; they stay when the suite is removed."
  type        = bool
  default     = false
}

variable "metric_filters" {
  description = "Whether this environment makes the catalogue's metric filters; one of an account should. Default: production does."
  type        = bool
  default     = null
}

variable "log_level" {
  description = "What the functions log: error, warn, info, debug or trace."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "log_level is error, warn, info, debug or trace."
  }
}

variable "log_retention_days" {
  description = "How long the functions' logs are kept. Those of functions that strangers or changes reach are kept for a year."
  type        = number
  default     = 30

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days
    )
    error_message = "log_retention_days is a number of days that CloudWatch Logs offers, such as 30 or 90."
  }
}

variable "daily_schedule" {
  description = "When the daily check runs, in UTC, as an EventBridge expression."
  type        = string
  default     = "cron(0 13 * * ? *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.daily_schedule))
    error_message = "daily_schedule is an EventBridge expression: cron(0 13 * * ? *)."
  }
}

variable "reserve_concurrency" {
  description = "Whether concurrency is set aside for incident-response, and interactions capped. AWS refuses that where it would leave the account fewer than 100 unreserved executions; scripts/deploy_monitoring.sh looks."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "Whether the tables refuse to be deleted."
  type        = bool
  default     = true
}

variable "slack_api_url" {
  description = "Base of Slack's Web API, where it is not Slack's own."
  type        = string
  default     = null
}

variable "pagerduty_events_url" {
  description = "Where PagerDuty takes events, in full, where it is not the default (for the EU service region: https://events.eu.pagerduty.com/v2/enqueue)."
  type        = string
  default     = null
}

variable "tags" {
  description = "Further tags of everything."
  type        = map(string)
  default     = {}
}
