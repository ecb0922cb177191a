# What each function may do, call by call. docs/security.md says why.

locals {
  table_arn = { for name, table in aws_dynamodb_table.this : name => table.arn }
  topic_arn = { for name, topic in aws_sns_topic.this : name => topic.arn }

  # Secrets that exist and that a function reads: the setting says where, and the role may read that parameter.
  secret_settings = {
    for function, settings in merge(local.functions, local.public_functions) : function => {
      for name in setintersection(settings.secrets, var.secrets) : name => "ssm:${local.parameters[name]}"
    }
  }
  # The log groups that a metric of the catalogue is made from, by name or ARN.
  metric_log_groups = distinct(flatten([for metric in values(local.catalogue.metrics) : try(metric.source.log_groups, [])]))
  # And those that an investigation searches: of the queries that runbooks name.
  queried_log_groups = distinct(concat(local.metric_log_groups, flatten([for query in values(try(local.catalogue.queries, {})) : query.log_groups])))
  queries_logs       = length(local.queried_log_groups) > 0
  # The functions whose versions an investigation reads: those that metrics and log groups name.
  watched_functions = distinct(concat(
    flatten([for metric in values(local.catalogue.metrics) : [for dimensions in metric.dimensions : try(dimensions.FunctionName, [])]]),
    [for group in local.queried_log_groups : trimprefix(group, "/aws/lambda/") if startswith(group, "/aws/lambda/")],
  ))
  measures_logs = length(local.metric_log_groups) > 0
  reads_costs   = anytrue([for metric in values(local.catalogue.metrics) : metric.source.kind == "cost"])
  # What the catalogue lets actions change, by kind.
  kinds_of_action = distinct([for statement in values(local.permissions_by_action) : statement.kind])
  default_actions = toset([for kind in local.kinds_of_action : kind if var.environment == "production" || kind == "circuit_breaker"])
  allowed_actions = var.allowed_actions != null ? var.allowed_actions : local.default_actions

  allowed = try(local.catalogue.actions.allow, [])
  allowed_functions = [
    for target in local.allowed :
    "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${trimprefix(target, "lambda/")}" if startswith(target, "lambda/")
  ]
  parameter_store = "arn:${local.partition}:ssm:${var.region}:${local.account}"
  own_parameters  = "${local.parameter_store}:parameter/${local.service}${local.suffix}"

  # What each kind needs, where the allow-list has something for it.
  permissions_by_action = {
    CircuitBreakers = {
      kind      = "circuit_breaker"
      actions   = ["ssm:GetParameter", "ssm:PutParameter"]
      resources = [for target in local.allowed : "${local.own_parameters}/${target}" if startswith(target, "circuit-breaker/")]
    }
    Failover = {
      kind      = "failover"
      actions   = ["ssm:GetParameter", "ssm:PutParameter"]
      resources = [for target in local.allowed : "${local.parameter_store}:${target}" if startswith(target, "parameter/")]
    }
    Restart = {
      kind      = "restart"
      actions   = ["lambda:GetFunctionConfiguration", "lambda:ListAliases", "lambda:UpdateFunctionConfiguration"]
      resources = local.allowed_functions
    }
    Rollback = {
      kind      = "rollback"
      actions   = ["lambda:GetAlias", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"]
      resources = local.allowed_functions
    }
    Functions = {
      kind      = "scale_out"
      actions   = ["lambda:GetFunctionConcurrency", "lambda:PutFunctionConcurrency"]
      resources = local.allowed_functions
    }
    Concurrency = {
      kind = "scale_out"
      # A setting of the account.
      actions   = ["lambda:GetAccountSettings"]
      resources = length(local.allowed_functions) > 0 ? ["*"] : []
    }
    Tables = {
      kind    = "scale_out"
      actions = ["dynamodb:DescribeTable", "dynamodb:UpdateTable"]
      resources = [
        for target in local.allowed :
        "arn:${local.partition}:dynamodb:${var.region}:${local.account}:${target}" if startswith(target, "table/")
      ]
    }
  }

  # Without the geography of an inference profile: us.amazon.nova-lite-v1:0 is amazon.nova-lite-v1:0 in each region of the US.
  bedrock_model = replace(var.bedrock_model, "/^(us|us-gov|eu|apac|jp|au|ca|global)[.]/", "")

  has_alarms = anytrue([for rule in values(local.catalogue.rules) : rule.engine == "alarm"])

  # What follows from an entry of functions.tf: its secrets, and the key of what is encrypted, through the services that
  # hold it.
  permissions_by_setting = {
    for function, settings in merge(local.functions, local.public_functions) : function => concat(
      length(local.secret_settings[function]) == 0 ? [] : [{
        sid     = "Secrets"
        actions = ["ssm:GetParameter"]
        resources = [
          for name in keys(local.secret_settings[function]) :
          "arn:${local.partition}:ssm:${var.region}:${local.account}:parameter${local.parameters[name]}"
        ]
        condition = null
      }],
      [{
        sid       = "Key"
        actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
        resources = [aws_kms_key.this.arn]
        condition = {
          test     = "StringEquals"
          variable = "kms:ViaService"
          values   = [for service in settings.encrypted : "${service}.${var.region}.amazonaws.com"]
        }
      }],
    )
  }

  # Functions that others ask: by the alias by which they were called themselves, or without one when called by hand.
  invocable = {
    for function in ["comprehensive-monitoring", "incident-response", "post-mortem"] : function => [
      for qualifier in ["", ":live"] :
      "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.service}-${function}${local.suffix}${qualifier}"
    ]
  }

  permissions = {
    monitoring = [for statement in [
      {
        sid = "Series"
        # Neither knows resources smaller than the account.
        actions   = concat(["cloudwatch:GetMetricData"], local.has_alarms ? ["cloudwatch:DescribeAlarms"] : [])
        resources = ["*"]
        condition = null
      },
      local.queries_logs ? {
        sid     = "Queries"
        actions = ["logs:StartQuery"]
        resources = [
          for group in local.queried_log_groups :
          startswith(group, "arn:") ? group : "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:${group}:*"
        ]
        condition = null
      } : null,
      local.queries_logs ? {
        sid = "QueryResults"
        # A query has no ARN.
        actions   = ["logs:GetQueryResults", "logs:StopQuery"]
        resources = ["*"]
        condition = null
      } : null,
      local.reads_costs ? {
        sid       = "Costs"
        actions   = ["ce:GetCostAndUsage"]
        resources = ["*"]
        condition = null
      } : null,
      length(local.watched_functions) > 0 ? {
        sid     = "Versions"
        actions = ["lambda:ListVersionsByFunction", "lambda:ListAliases"]
        resources = [
          for name in local.watched_functions : "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${name}"
        ]
        condition = null
      } : null,
      {
        sid = "Changes"
        # Knows no resource smaller than the account (checkov's CKV_AWS_356 is skipped for such calls, in modules/function).
        actions   = ["cloudtrail:LookupEvents"]
        resources = ["*"]
        condition = null
      },
      {
        sid       = "Alerts"
        actions   = ["dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        resources = [local.table_arn["monitoring-alerts"]]
        condition = null
      },
      {
        sid       = "Cache"
        actions   = ["dynamodb:GetItem", "dynamodb:PutItem"]
        resources = [local.table_arn["monitoring-metrics"]]
        condition = null
      },
      {
        sid       = "OpenIncidents"
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem"]
        resources = [local.table_arn["incidents"]]
        condition = null
      },
      {
        sid       = "OpenIncidentsIndex"
        actions   = ["dynamodb:Query"]
        resources = ["${local.table_arn["incidents"]}/index/by-state"]
        condition = null
      },
      {
        sid       = "Publish"
        actions   = ["sns:Publish"]
        resources = [for topic in local.event_topics : local.topic_arn[topic]]
        condition = null
      },
      {
        sid       = "Answers"
        actions   = ["lambda:InvokeFunction"]
        resources = local.invocable["incident-response"]
        condition = null
      },
    ] : statement if statement != null]

    incident-response = [for statement in [
      {
        sid       = "Events"
        actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        resources = [aws_sqs_queue.events.arn]
        condition = null
      },
      {
        sid       = "Incidents"
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        resources = [local.table_arn["incidents"]]
        condition = null
      },
      {
        sid = "Journal"
        actions = [
          "dynamodb:GetItem",
          "dynamodb:Query",
          "dynamodb:PutItem",
          "dynamodb:UpdateItem",
          "dynamodb:DeleteItem",
        ]
        resources = [local.table_arn["incident-journal"]]
        condition = null
      },
      {
        sid     = "DueWork"
        actions = ["dynamodb:Query"]
        resources = [
          "${local.table_arn["incidents"]}/index/due",
          "${local.table_arn["incidents"]}/index/by-state",
          "${local.table_arn["incident-journal"]}/index/due",
        ]
        condition = null
      },
      {
        sid = "SilencesAndActions"
        # The ledger of what was done by itself is one item.
        actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        resources = [local.table_arn["monitoring-alerts"]]
        condition = null
      },
      {
        sid       = "Actions"
        actions   = ["lambda:InvokeFunction"]
        resources = ["arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.service}-actions${local.suffix}:live"]
        condition = null
      },
      length(local.notify_topics) > 0 ? {
        sid       = "Notify"
        actions   = ["sns:Publish", "sns:ListSubscriptionsByTopic"]
        resources = [for topic in local.notify_topics : local.topic_arn[topic]]
        condition = null
      } : null,
      {
        sid       = "PostMortems"
        actions   = ["lambda:InvokeFunction"]
        resources = local.invocable["post-mortem"]
        condition = null
      },
      {
        sid       = "Investigations"
        actions   = ["lambda:InvokeFunction"]
        resources = local.invocable["comprehensive-monitoring"]
        condition = null
      },
      local.sends_sms ? {
        sid = "SmsLimits"
        # Settings of the account.
        actions   = ["sns:GetSMSSandboxAccountStatus", "sns:GetSMSAttributes"]
        resources = ["*"]
        condition = null
      } : null,
    ] : statement if statement != null]

    # The role is as wide as the catalogue's allow-list, and the function looks at the list itself before each call.
    actions = concat([
      {
        sid       = "KillSwitch"
        actions   = ["ssm:GetParameter"]
        resources = ["${local.own_parameters}/actions/stop"]
        condition = null
      },
      ], [for name, statement in local.permissions_by_action : {
        sid       = name
        actions   = statement.actions
        resources = statement.resources
        condition = null
    } if contains(local.allowed_actions, statement.kind) && length(statement.resources) > 0])

    post-mortem = [for statement in [
      {
        sid = "Series"
        # Knows no resource smaller than the account.
        actions   = ["cloudwatch:GetMetricData"]
        resources = ["*"]
        condition = null
      },
      local.measures_logs ? {
        sid     = "Queries"
        actions = ["logs:StartQuery"]
        resources = [
          for group in local.metric_log_groups :
          startswith(group, "arn:") ? group : "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:${group}:*"
        ]
        condition = null
      } : null,
      local.measures_logs ? {
        sid = "QueryResults"
        # A query has no ARN.
        actions   = ["logs:GetQueryResults", "logs:StopQuery"]
        resources = ["*"]
        condition = null
      } : null,
      local.reads_costs ? {
        sid       = "Costs"
        actions   = ["ce:GetCostAndUsage"]
        resources = ["*"]
        condition = null
      } : null,
      # Answers of Cost Explorer are kept: each question costs a cent.
      local.reads_costs ? {
        sid       = "Cache"
        actions   = ["dynamodb:GetItem", "dynamodb:PutItem"]
        resources = [local.table_arn["monitoring-metrics"]]
        condition = null
      } : null,
      {
        sid       = "Incidents"
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem"]
        resources = [local.table_arn["incidents"]]
        condition = null
      },
      {
        sid       = "IncidentsIndex"
        actions   = ["dynamodb:Query"]
        resources = ["${local.table_arn["incidents"]}/index/by-state"]
        condition = null
      },
      {
        sid       = "Journal"
        actions   = ["dynamodb:Query"]
        resources = [local.table_arn["incident-journal"]]
        condition = null
      },
      {
        sid       = "Documents"
        actions   = ["dynamodb:GetItem", "dynamodb:PutItem"]
        resources = [local.table_arn["postmortems"]]
        condition = null
      },
      {
        sid       = "ActionItems"
        actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [local.table_arn["action-items"]]
        condition = null
      },
      {
        sid       = "ActionItemsIndex"
        actions   = ["dynamodb:Query"]
        resources = ["${local.table_arn["action-items"]}/index/by-state"]
        condition = null
      },
      {
        sid       = "Answers"
        actions   = ["lambda:InvokeFunction"]
        resources = local.invocable["incident-response"]
        condition = null
      },
      var.bedrock_model != "" ? {
        sid     = "Model"
        actions = ["bedrock:InvokeModel"]
        # An inference profile calls its model in each region that it spans.
        resources = local.bedrock_model == var.bedrock_model ? [
          "arn:${local.partition}:bedrock:${var.region}::foundation-model/${local.bedrock_model}",
          ] : [
          "arn:${local.partition}:bedrock:*::foundation-model/${local.bedrock_model}",
          "arn:${local.partition}:bedrock:${var.region}:${local.account}:inference-profile/${var.bedrock_model}",
        ]
        condition = null
      } : null,
    ] : statement if statement != null]

    action-item-reminder = [for statement in [
      {
        sid = "ActionItems"
        # Who was told is in the same table; items themselves are written by post-mortem alone.
        actions   = ["dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"]
        resources = [local.table_arn["action-items"]]
        condition = null
      },
      {
        sid       = "Incidents"
        actions   = ["dynamodb:BatchGetItem"]
        resources = [local.table_arn["incidents"]]
        condition = null
      },
      {
        sid     = "Indexes"
        actions = ["dynamodb:Query"]
        resources = [
          "${local.table_arn["action-items"]}/index/by-state",
          "${local.table_arn["incidents"]}/index/by-state",
        ]
        condition = null
      },
      length(local.email_topics) > 0 ? {
        sid       = "Emails"
        actions   = ["sns:Publish"]
        resources = [for topic in local.email_topics : local.topic_arn[topic]]
        condition = null
      } : null,
    ] : statement if statement != null]

    interactions = [
      {
        sid       = "Commands"
        actions   = ["lambda:InvokeFunction"]
        resources = ["arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.service}-incident-response${local.suffix}:live"]
        condition = null
      },
    ]
  }
}
