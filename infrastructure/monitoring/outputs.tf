output "functions" {
  description = "Each function: its name, newest version, aliases and role."
  value = {
    for function, made in merge(module.function, module.public_function) : function => {
      name    = made.name
      version = made.version
      aliases = keys(made.aliases)
      role    = made.role_name
    }
  }
}

output "topic_arns" {
  description = "ARNs of the topics, by what follows the service in their names."
  value       = local.topic_arn
}

output "table_names" {
  description = "Names of the tables."
  value       = [for table in aws_dynamodb_table.this : table.name]
}

output "queue_urls" {
  description = "Where alerts wait for incident-response, and where those go that it failed on too often."
  value       = { events = aws_sqs_queue.events.url, dead_letters = aws_sqs_queue.dead_letters.url }
}

output "parameters" {
  description = "Where in Parameter Store each secret has to be, as a SecureString under the suite's key."
  value       = local.parameters
}

output "key_alias" {
  description = "The key that encrypts everything; put the secrets under it."
  value       = aws_kms_alias.this.name
}

output "interactions_url" {
  description = "What Slack and PagerDuty are given, with `slack` or `pagerduty` behind it; null without a signing secret."
  value       = one(aws_lambda_function_url.interactions[*].function_url)
}

output "dashboard_urls" {
  description = "Where the dashboards are."
  value       = { for name, dashboard in local.deployment.dashboards : name => dashboard.url }
}
