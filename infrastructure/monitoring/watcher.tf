# Who watches the watcher: alarms on the suite itself, to a topic that the suite does not listen to. They need nothing
# of it but CloudWatch and SNS.

locals {
  watched = merge(module.function, module.public_function)
  # Of a function that runs each hour, Lambda's two further attempts are the only ones for an hour.
  tolerated_errors = { action-item-reminder = 1 }
  # Whose throttling is made up for: incident-response waits for the answer of `actions`, tries again, and says so if it is in
  # vain; what `post-mortem` and the reminder are asked waits in Lambda, which tries again for up to six hours.
  answered_for = ["actions", "post-mortem", "action-item-reminder"]

  watcher_alarms = merge(
    {
      heartbeat = {
        description = "The monitoring function has not finished a cycle for ten minutes: nothing is measured, and nobody is called."
        namespace   = "${local.namespace}/Monitoring${local.suffix}"
        metric      = "Cycles"
        dimensions  = {}
        statistic   = "Sum"
        period      = 60 * max(5, 2 * local.minutes)
        periods     = 2
        comparison  = "LessThanThreshold"
        threshold   = 1
        missing     = "breaching"
      }
      dead-letters = {
        description = "Alerts could not be handled and wait in the dead-letter queue: monitorctl dlq list, then monitorctl dlq redrive."
        namespace   = "AWS/SQS"
        metric      = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = aws_sqs_queue.dead_letters.name }
        statistic   = "Maximum"
        period      = 60
        periods     = 1
        comparison  = "GreaterThanThreshold"
        threshold   = 0
        missing     = "notBreaching"
      }
      queue-age = {
        description = "An alert has waited in the queue for five minutes: incident-response does not run, or fails."
        namespace   = "AWS/SQS"
        metric      = "ApproximateAgeOfOldestMessage"
        dimensions  = { QueueName = aws_sqs_queue.events.name }
        statistic   = "Maximum"
        period      = 60
        periods     = 2
        comparison  = "GreaterThanThreshold"
        threshold   = 300
        missing     = "notBreaching"
      }
    },
    # A single failure is made up for by the next minute; three are not.
    {
      for function, made in local.watched : "${function}-errors" => {
        description = "${made.name} fails; its log says why: ${made.log_group}."
        namespace   = "AWS/Lambda"
        metric      = "Errors"
        dimensions  = { FunctionName = made.name }
        statistic   = "Sum"
        period      = 300
        periods     = 1
        comparison  = "GreaterThanOrEqualToThreshold"
        threshold   = lookup(local.tolerated_errors, function, 2) + 1
        missing     = "notBreaching"
      }
    },
    {
      for function, made in local.watched : "${function}-throttles" => {
        description = "Lambda refuses to run ${made.name}: the account's concurrency is used up."
        namespace   = "AWS/Lambda"
        metric      = "Throttles"
        dimensions  = { FunctionName = made.name }
        statistic   = "Sum"
        period      = 300
        periods     = 1
        comparison  = "GreaterThanThreshold"
        threshold   = 0
        missing     = "notBreaching"
      } if !contains(local.answered_for, function)
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "watcher" {
  for_each = local.watcher_alarms

  # Not under the prefix of the catalogue's alarms, which the suite compares with its incidents.
  alarm_name          = "watcher-${local.service}-${each.key}${local.suffix}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.periods
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this["watcher"].arn]
  ok_actions          = [aws_sns_topic.this["watcher"].arn]
}
