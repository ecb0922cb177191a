# What is published on the event topics becomes incidents. The others tell people; the suite listens to none of them.

locals {
  event_topics  = ["alerts", "business-alerts"]
  notify_topics = sort(distinct(compact([for channel in values(local.catalogue.channels) : try(channel.via.topic, "")])))
  email_topics  = sort(distinct([for channel in values(local.catalogue.channels) : channel.via.topic if channel.via.kind == "email"]))
  topics        = toset(concat(local.event_topics, local.notify_topics, ["watcher"]))
  sends_sms     = anytrue([for channel in values(local.catalogue.channels) : channel.via.kind == "sms"])

  subscriptions = merge([
    for topic, subscriptions in var.subscriptions : {
      for subscription in subscriptions :
      "${topic} ${subscription.protocol} ${subscription.endpoint}" => merge(subscription, { topic = topic })
    }
  ]...)

  # Who may publish beside the roles, which their own policies allow.
  publishers = merge(
    { for topic in local.event_topics : topic => ["cloudwatch.amazonaws.com"] },
    { "business-alerts" = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com", "costalerts.amazonaws.com"] },
    { "watcher" = ["cloudwatch.amazonaws.com"] },
  )
}

resource "aws_sns_topic" "this" {
  for_each = local.topics

  name              = "${local.service}-${each.key}${local.suffix}"
  kms_master_key_id = aws_kms_key.this.arn
}

data "aws_iam_policy_document" "topic" {
  for_each = local.publishers

  statement {
    sid       = "ServicesOfThisAccountPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this[each.key].arn]

    principals {
      type        = "Service"
      identifiers = each.value
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  for_each = local.publishers

  arn    = aws_sns_topic.this[each.key].arn
  policy = data.aws_iam_policy_document.topic[each.key].json
}

resource "aws_sns_topic_subscription" "queue" {
  for_each = toset(local.event_topics)

  topic_arn = aws_sns_topic.this[each.key].arn
  protocol  = "sqs"
  endpoint  = aws_sqs_queue.events.arn

  depends_on = [aws_sqs_queue_policy.events]
}

resource "aws_sns_topic_subscription" "people" {
  for_each = local.subscriptions

  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = each.value.protocol
  endpoint  = each.value.endpoint

  lifecycle {
    precondition {
      condition     = contains(local.topics, each.value.topic)
      error_message = "subscriptions: there is no topic ${each.value.topic}; the topics are ${join(", ", local.topics)}."
    }
  }
}
