locals {
  # The same file makes the tables on a laptop and in the tests.
  tables = {
    for table in jsondecode(file("${path.module}/../../tests/fixtures/tables.json")) :
    trimprefix(table.TableName, "ai-nutritionist-") => table
  }
}

resource "aws_dynamodb_table" "this" {
  # checkov:skip=CKV2_AWS_16: the tables are on demand, which scales by itself
  for_each = local.tables

  name                        = "${local.service}-${each.key}${local.suffix}"
  billing_mode                = each.value.BillingMode
  hash_key                    = one([for key in each.value.KeySchema : key.AttributeName if key.KeyType == "HASH"])
  range_key                   = one([for key in each.value.KeySchema : key.AttributeName if key.KeyType == "RANGE"])
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = each.value.AttributeDefinitions

    content {
      name = attribute.value.AttributeName
      type = attribute.value.AttributeType
    }
  }

  dynamic "global_secondary_index" {
    for_each = try(each.value.GlobalSecondaryIndexes, [])

    content {
      name            = global_secondary_index.value.IndexName
      hash_key        = one([for key in global_secondary_index.value.KeySchema : key.AttributeName if key.KeyType == "HASH"])
      range_key       = one([for key in global_secondary_index.value.KeySchema : key.AttributeName if key.KeyType == "RANGE"])
      projection_type = global_secondary_index.value.Projection.ProjectionType
    }
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = aws_kms_key.this.arn
  }
}
