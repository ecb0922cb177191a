# One key for topics, queues, tables, logs and parameters. Its policy is what lets alarms reach the encrypted topics:
# without it CloudWatch's messages vanish without an error anywhere.

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109: a key's policy; "*" is this key
  # checkov:skip=CKV_AWS_111: a key's policy; "*" is this key
  # checkov:skip=CKV_AWS_356: a key's policy; "*" is this key
  statement {
    sid       = "AccountDecides"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  # No condition on the source: EventBridge and Budgets name none to KMS, and the policies of topics and queues say who
  # may send.
  statement {
    sid       = "ServicesPublish"
    actions   = ["kms:GenerateDataKey*", "kms:Decrypt"]
    resources = ["*"]

    principals {
      type = "Service"
      identifiers = [
        "cloudwatch.amazonaws.com",
        "events.amazonaws.com",
        "budgets.amazonaws.com",
        "costalerts.amazonaws.com",
        "sns.amazonaws.com",
      ]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]
    resources = ["*"]

    principals {
      type        = "Service"
      identifiers = ["logs.${var.region}.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${local.service}-*"]
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "${local.catalogue.title} monitoring, ${var.environment}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.service}-monitoring${local.suffix}"
  target_key_id = aws_kms_key.this.key_id
}
