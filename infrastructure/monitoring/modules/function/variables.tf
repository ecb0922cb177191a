variable "name" {
  description = "Name of the function."
  type        = string
}

variable "role_name" {
  description = "Name of its role, and of the role's policy."
  type        = string
}

variable "description" {
  description = "What it does, in a sentence."
  type        = string
}

variable "package" {
  description = "The zip with its bootstrap."
  type        = string

  validation {
    condition     = fileexists(var.package)
    error_message = "A function's zip is missing; build all of them with scripts/package.sh."
  }
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "memory" {
  description = "Memory in MB, and processor time with it."
  type        = number
}

variable "timeout" {
  description = "Longest run, in seconds."
  type        = number
}

variable "environment" {
  description = "Environment variables; what is null is left out."
  type        = map(string)
}

variable "permissions" {
  description = "What it may do, beside writing its log and sending traces."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
    condition = optional(object({
      test     = string
      variable = string
      values   = list(string)
    }))
  }))
}

variable "scheduled" {
  description = "Whether a schedule invokes it, and so whether it has the alias `tick`."
  type        = bool
}

variable "reserved_concurrency" {
  description = "Concurrent executions that are its own, and its limit; null for none."
  type        = number
  default     = null
}

variable "log_retention_days" {
  description = "How long its log is kept, in days."
  type        = number
}

variable "key_arn" {
  description = "The KMS key of its log."
  type        = string
}
