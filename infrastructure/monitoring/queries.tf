# Saved queries of CloudWatch Logs Insights: the three of the system's first description over the application's logs,
# and those that answer questions about the suite itself.

locals {
  application_logs = [for group in local.catalogue.log_groups : group.name]

  queries = {
    "Error Analysis" = {
      log_groups = local.application_logs
      query      = <<-QUERY
        fields @timestamp, @message, level, error, stack_trace
        | filter level = "ERROR"
        | sort @timestamp desc
        | limit 100
      QUERY
    }
    "Performance Analysis" = {
      log_groups = local.application_logs
      query      = <<-QUERY
        fields @timestamp, operation, response_time, cache_hit, cost
        | filter response_time > 3000
        | stats avg(response_time), max(response_time), count() by operation
        | sort avg(response_time) desc
      QUERY
    }
    "Business Metrics" = {
      log_groups = local.application_logs
      query      = <<-QUERY
        fields @timestamp, event, user_id, amount, subscription_tier
        | filter event in ["SUBSCRIPTION_EVENT", "MEAL_PLAN_GENERATED", "USER_REGISTERED"]
        | stats count() by event, bin(5m)
        | sort @timestamp desc
      QUERY
    }
    "Slow Runs" = {
      log_groups = local.application_logs
      query      = <<-QUERY
        filter @type = "REPORT"
        | sort @duration desc
        | limit 20
      QUERY
    }
    "What the Suite Did" = {
      log_groups = [for made in values(local.watched) : made.log_group]
      query      = <<-QUERY
        fields @timestamp, level, message, incident, channel, effect, attempt
        | filter ispresent(level)
        | sort @timestamp desc
        | limit 200
      QUERY
    }
  }
}

resource "aws_cloudwatch_query_definition" "this" {
  for_each = { for name, what in local.queries : name => what if length(what.log_groups) > 0 }

  name            = "${local.catalogue.title}${local.suffix}/${each.key}"
  log_group_names = each.value.log_groups
  query_string    = trimspace(each.value.query)
}
