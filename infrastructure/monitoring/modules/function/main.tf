# A function with its role, its log, and the aliases that everything invokes it by.

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_338: how long is the caller's decision; thirty days of a busy function are dear enough
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.role_name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_iam_policy_document" "this" {
  # checkov:skip=CKV_AWS_356: the calls with "*" know no smaller resource; each says so where it is allowed
  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid = "Traces"
    # X-Ray knows no resources.
    actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.permissions

    content {
      sid       = statement.value.sid
      actions   = statement.value.actions
      resources = statement.value.resources

      dynamic "condition" {
        for_each = statement.value.condition[*]

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

resource "aws_iam_policy" "this" {
  name   = var.role_name
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_iam_role_policy_attachment" "this" {
  role       = aws_iam_role.this.name
  policy_arn = aws_iam_policy.this.arn
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_115: a cap would make an incident wait for another; who may be capped is the caller's decision
  # checkov:skip=CKV_AWS_116: what fails is in a queue with dead letters, or comes again with the next minute
  # checkov:skip=CKV_AWS_117: it talks to AWS, Slack and PagerDuty only; a network of its own would add cost and a way to fail
  # checkov:skip=CKV_AWS_173: the environment has no secret, only the names of parameters
  # checkov:skip=CKV_AWS_272: the zips are built and deployed by the same command
  function_name = var.name
  description   = var.description
  role          = aws_iam_role.this.arn
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = var.memory
  timeout       = var.timeout

  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  publish          = true

  # -1 is the account's unreserved concurrency.
  reserved_concurrent_executions = coalesce(var.reserved_concurrency, -1)

  environment {
    variables = { for name, value in var.environment : name => value if value != null }
  }

  tracing_config {
    mode = "Active"
  }

  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.this.name
    # Lambda drops nothing: LOG_LEVEL decides, and metrics in the log have no level.
    application_log_level = "TRACE"
    system_log_level      = "INFO"
  }

  depends_on = [aws_iam_role_policy_attachment.this]
}

# Each new version is tried before the aliases move to it, by scripts/deploy_monitoring.sh: Terraform makes an alias and
# leaves it alone from then on.
resource "aws_lambda_alias" "this" {
  for_each = local.aliases

  name             = each.key
  description      = each.value
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    ignore_changes = [function_version]
  }
}

# An alias of its own, because how long an event is kept and how often it is tried is a setting of the alias.
resource "aws_lambda_function_event_invoke_config" "tick" {
  count = var.scheduled ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  qualifier                    = aws_lambda_alias.this["tick"].name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

locals {
  aliases = merge(
    { live = "What everything invokes." },
    var.scheduled ? { tick = "What the schedules invoke that make up for a lost event by the next one." } : {},
  )
}
