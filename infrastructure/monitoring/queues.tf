locals {
  queue = "${local.service}-incident-events${local.suffix}"
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.service}-incident-events-dlq${local.suffix}"
  kms_master_key_id         = aws_kms_key.this.arn
  message_retention_seconds = 1209600

  # By name: the two queues would each need the other's ARN first.
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["arn:${local.partition}:sqs:${var.region}:${local.account}:${local.queue}"]
  })
}

resource "aws_sqs_queue" "events" {
  name              = local.queue
  kms_master_key_id = aws_kms_key.this.arn
  # The longest there is: an alert that waits for a table to come back must not be lost meanwhile.
  message_retention_seconds = 1209600
  # When a failed message comes back. Lambda takes no less than the function's time-out.
  visibility_timeout_seconds = 2 * local.functions["incident-response"].timeout

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    # Ten minutes of a table that is down, before a message waits for `monitorctl dlq redrive`.
    maxReceiveCount = 10
  })
}

data "aws_iam_policy_document" "events" {
  statement {
    sid       = "TopicsSend"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.events.arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for topic in local.event_topics : aws_sns_topic.this[topic].arn]
    }
  }
}

resource "aws_sqs_queue_policy" "events" {
  queue_url = aws_sqs_queue.events.url
  policy    = data.aws_iam_policy_document.events.json
}

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn        = aws_sqs_queue.events.arn
  function_name           = module.function["incident-response"].alias_arns["live"]
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
}
