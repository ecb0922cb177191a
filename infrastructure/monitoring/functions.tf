# Every function is one entry here: its zip, what runs it, what it is told, and what it may do. What all of them may do
# (write their log, send traces) is in the module.
#
#   name         after the service's; `permissions` are in permissions.tf
#   memory       MB; the functions take 10 to 15 (docs/quality.md), so it buys processor time
#   timeout      seconds; of incident-response and actions shorter than the 60 for which an effect is claimed
#   schedules    EventBridge expressions; one that is `retried` is carried out once, however late, one that is not is
#                dropped when it is more than a minute old, since the next one does the same
#   secrets      settings whose secret it reads, where var.secrets has them
#   encrypted    services that hold what it reads and writes encrypted
#   reserved     concurrent executions that it has for itself, and can have at most; null for none

locals {
  minutes = max(1, floor(local.catalogue.cycle_seconds / 60))

  functions = {
    monitoring = {
      name        = "comprehensive-monitoring"
      role        = "monitoring-lambda-role"
      description = "Collects what the catalogue names, evaluates its rules, publishes what changed."
      memory      = 256
      timeout     = 30
      schedules = {
        cycle = {
          expression = local.minutes == 1 ? "rate(1 minute)" : "rate(${local.minutes} minutes)"
          input      = null
          retried    = false
        }
      }
      secrets        = []
      encrypted      = ["dynamodb", "sns"]
      environment    = {}
      reserved       = null
      retention_days = var.log_retention_days
    }

    incident-response = {
      name        = "incident-response"
      role        = "incident-response-role"
      description = "Decides what an alert means, records it, tells people, escalates."
      memory      = 256
      timeout     = 30
      schedules = {
        minute = { expression = "rate(1 minute)", input = null, retried = false }
        daily  = { expression = var.daily_schedule, input = jsonencode({ task = "daily" }), retried = true }
      }
      secrets   = concat(local.channel_secrets, ["HEARTBEAT_URL"])
      encrypted = ["dynamodb", "sns", "sqs", "ssm"]
      environment = {
        SLACK_API_URL        = var.slack_api_url
        PAGERDUTY_EVENTS_URL = var.pagerduty_events_url
        ACTIONS_FUNCTION     = "${local.service}-actions${local.suffix}:live"
      }
      # A floor in a storm; never so few that one incident waits for another.
      reserved       = 10
      retention_days = var.log_retention_days
    }

    actions = {
      name        = "actions"
      role        = "actions-role"
      description = "Makes the calls that incident-response has planned and recorded, within the allow-list."
      memory      = 256
      # Shorter than incident-response waits for its answer.
      timeout        = 10
      schedules      = {}
      secrets        = []
      encrypted      = ["ssm"]
      environment    = {}
      reserved       = null
      retention_days = max(365, var.log_retention_days)
    }

    # Asked by incident-response when an incident ends, and by hand.
    post-mortem = {
      name        = "post-mortem"
      role        = "post-mortem-role"
      description = "Writes the post-mortem of an incident from its journal and its metrics."
      memory      = 256
      # Reading series may take 20 s, twice, and a model 25.
      timeout        = 90
      schedules      = {}
      secrets        = []
      encrypted      = ["dynamodb"]
      environment    = var.bedrock_model == "" ? {} : { BEDROCK_MODEL = var.bedrock_model }
      reserved       = null
      retention_days = var.log_retention_days
    }

    # Each hour, because people are reminded in their own mornings; a run that finds nobody to remind reads some index pages.
    action-item-reminder = {
      name        = "action-item-reminder"
      role        = "action-item-reminder-role"
      description = "Reminds owners of action items in their working hours, and sends the weekly report."
      memory      = 256
      timeout     = 30
      schedules = {
        hourly = { expression = "cron(0 * * * ? *)", input = jsonencode({ task = "hourly" }), retried = true }
      }
      secrets        = local.slack_secrets
      encrypted      = ["dynamodb", "sns", "ssm"]
      environment    = { SLACK_API_URL = var.slack_api_url }
      reserved       = null
      retention_days = var.log_retention_days
    }
  }

  # Behind a function URL. Apart from the others, because incident-response is told its address.
  public_functions = local.has_interactions ? {
    interactions = {
      name        = "interactions"
      role        = "interactions-role"
      description = "Hears what people do in Slack and PagerDuty, checks the signature, passes it on."
      memory      = 256
      timeout     = 10
      schedules   = {}
      secrets     = local.signing_secrets
      encrypted   = ["ssm"]
      environment = {
        INCIDENT_RESPONSE_FUNCTION = "${local.service}-incident-response${local.suffix}:live"
      }
      # Strangers can make it run; they must not take the concurrency of the others.
      reserved       = 5
      retention_days = max(365, var.log_retention_days)
    }
  } : {}

  environment = {
    ENVIRONMENT = var.environment
    LOG_LEVEL   = var.log_level
    # Relative to the unpacked zip, where Lambda starts a function.
    MONITORING_CATALOGUE = "catalogue.json"
  }

  # What is known only when something else has been made.
  addresses = {
    incident-response = { INTERACTIONS_URL = one(aws_lambda_function_url.interactions[*].function_url) }
  }
}

module "function" {
  source   = "./modules/function"
  for_each = local.functions

  name         = "${local.service}-${each.value.name}${local.suffix}"
  role_name    = "${local.service}-${each.value.role}${local.suffix}"
  description  = each.value.description
  package      = "${var.packages}/${each.key}.zip"
  architecture = var.architecture
  memory       = each.value.memory
  timeout      = each.value.timeout
  environment = merge(
    local.environment,
    each.value.environment,
    local.secret_settings[each.key],
    lookup(local.addresses, each.key, {}),
  )
  permissions          = concat(local.permissions[each.key], local.permissions_by_setting[each.key])
  scheduled            = length(each.value.schedules) > 0
  reserved_concurrency = var.reserve_concurrency ? each.value.reserved : null
  log_retention_days   = each.value.retention_days
  key_arn              = aws_kms_key.this.arn
}

module "public_function" {
  source   = "./modules/function"
  for_each = local.public_functions

  name                 = "${local.service}-${each.value.name}${local.suffix}"
  role_name            = "${local.service}-${each.value.role}${local.suffix}"
  description          = each.value.description
  package              = "${var.packages}/${each.key}.zip"
  architecture         = var.architecture
  memory               = each.value.memory
  timeout              = each.value.timeout
  environment          = merge(local.environment, each.value.environment, local.secret_settings[each.key])
  permissions          = concat(local.permissions[each.key], local.permissions_by_setting[each.key])
  scheduled            = length(each.value.schedules) > 0
  reserved_concurrency = var.reserve_concurrency ? each.value.reserved : null
  log_retention_days   = each.value.retention_days
  key_arn              = aws_kms_key.this.arn
}

# Neither Slack nor PagerDuty can sign for AWS, so the function checks their own signatures.
resource "aws_lambda_function_url" "interactions" {
  # checkov:skip=CKV_AWS_258: Slack and PagerDuty cannot sign for AWS; the function checks the signatures that they make
  count = local.has_interactions ? 1 : 0

  function_name      = module.public_function["interactions"].name
  qualifier          = module.public_function["interactions"].aliases["live"]
  authorization_type = "NONE"
}

# Both are needed: since October 2025 AWS also asks for the right to invoke the function.
resource "aws_lambda_permission" "interactions_url" {
  # checkov:skip=CKV_AWS_301: the function URL is public, and answers only what is signed
  count = local.has_interactions ? 1 : 0

  statement_id           = "url"
  action                 = "lambda:InvokeFunctionUrl"
  function_name          = module.public_function["interactions"].name
  qualifier              = module.public_function["interactions"].aliases["live"]
  principal              = "*"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "interactions_invoke" {
  # checkov:skip=CKV_AWS_301: the function URL is public, and answers only what is signed
  count = local.has_interactions ? 1 : 0

  statement_id             = "url-invoke"
  action                   = "lambda:InvokeFunction"
  function_name            = module.public_function["interactions"].name
  qualifier                = module.public_function["interactions"].aliases["live"]
  principal                = "*"
  invoked_via_function_url = true
}
