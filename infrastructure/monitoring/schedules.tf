locals {
  schedules = merge([
    for function, settings in local.functions : {
      for schedule, what in settings.schedules :
      "${settings.name}-${schedule}" => merge(what, {
        function = function
        alias    = what.retried ? "live" : "tick"
      })
    }
  ]...)
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.schedules

  name                = "${local.service}-${each.key}${local.suffix}"
  schedule_expression = each.value.expression
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.schedules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = each.value.function
  arn       = module.function[each.value.function].alias_arns[each.value.alias]
  input     = each.value.input

  retry_policy {
    maximum_event_age_in_seconds = each.value.retried ? 3600 : 60
    maximum_retry_attempts       = each.value.retried ? 10 : 0
  }
}

resource "aws_lambda_permission" "schedule" {
  for_each = local.schedules

  statement_id  = each.key
  action        = "lambda:InvokeFunction"
  function_name = module.function[each.value.function].name
  qualifier     = module.function[each.value.function].aliases[each.value.alias]
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
}
