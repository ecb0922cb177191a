terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }

  # The state is in this folder until a backend is set; docs/deployment.md tells how to keep it in S3.
}
