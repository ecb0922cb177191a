output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "version" {
  description = "The newest version, which its aliases may not have come to yet."
  value       = aws_lambda_function.this.version
}

output "aliases" {
  description = "Its aliases, by name."
  value       = { for name, alias in aws_lambda_alias.this : name => alias.name }
}

output "alias_arns" {
  description = "ARNs of its aliases, by name."
  value       = { for name, alias in aws_lambda_alias.this : name => alias.arn }
}

output "role_name" {
  description = "Name of its role."
  value       = aws_iam_role.this.name
}

output "log_group" {
  description = "Its log group."
  value       = aws_cloudwatch_log_group.this.name
}
