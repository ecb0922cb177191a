# What the catalogue says of CloudWatch, expanded by `monitorctl catalogue resolve --deployment`: one translator, tested.

locals {
  deployment = jsondecode(replace(replace(replace(replace(
    file(var.deployment),
    "$${region}", var.region),
    "$${account_id}", local.account),
    "$${partition}", local.partition),
    "$${suffix}", local.suffix,
  ))

  adopted_log_groups = var.adopt_log_groups ? local.deployment.log_groups : {}
}

resource "aws_cloudwatch_metric_alarm" "rule" {
  for_each = local.deployment.alarms

  alarm_name          = each.value.alarm_name
  alarm_description   = each.value.alarm_description
  comparison_operator = each.value.comparison_operator
  threshold           = each.value.threshold
  evaluation_periods  = each.value.evaluation_periods
  datapoints_to_alarm = each.value.datapoints_to_alarm
  treat_missing_data  = each.value.treat_missing_data
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  statistic           = each.value.statistic
  extended_statistic  = each.value.extended_statistic
  period              = each.value.period
  dimensions          = each.value.dimensions
  # Only what is OK by measurement ends an incident, so nobody is told of missing data here.
  alarm_actions = [aws_sns_topic.this[each.value.topic].arn]
  ok_actions    = [aws_sns_topic.this[each.value.topic].arn]

  dynamic "metric_query" {
    for_each = each.value.metric_queries

    content {
      id          = metric_query.value.id
      expression  = metric_query.value.expression
      label       = metric_query.value.label
      return_data = metric_query.value.return_data

      dynamic "metric" {
        for_each = metric_query.value.metric[*]

        content {
          namespace   = metric.value.namespace
          metric_name = metric.value.metric_name
          stat        = metric.value.stat
          period      = metric.value.period
          dimensions  = metric.value.dimensions
        }
      }
    }
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  for_each = local.deployment.dashboards

  dashboard_name = each.value.dashboard_name
  dashboard_body = jsonencode(each.value.body)
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = local.deployment.queries

  name            = each.value.name
  log_group_names = each.value.log_group_names
  query_string    = each.value.query_string
}

# The application's log groups are there already, made by Lambda. What the catalogue decides is how long they keep a line; with
# the suite they do not go.
import {
  for_each = local.adopted_log_groups

  to = aws_cloudwatch_log_group.application[each.key]
  id = each.key
}

resource "aws_cloudwatch_log_group" "application" {
  # checkov:skip=CKV_AWS_158: the application's own, whose key is the application's decision
  # checkov:skip=CKV_AWS_338: how long is the catalogue's decision
  for_each = local.adopted_log_groups

  name              = each.key
  retention_in_days = each.value.retention_days
  skip_destroy      = true

  lifecycle {
    ignore_changes = [kms_key_id, log_group_class, tags, tags_all]
  }
}

# A filter of each environment on the same log group would count every line once for each.
resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = coalesce(var.metric_filters, var.environment == "production") ? local.deployment.metric_filters : {}

  name           = each.value.name
  log_group_name = each.value.log_group_name
  pattern        = each.value.pattern

  metric_transformation {
    namespace     = each.value.namespace
    name          = each.value.metric_name
    value         = each.value.value
    default_value = each.value.default_value
    unit          = each.value.unit
    dimensions    = each.value.dimensions
  }
}
