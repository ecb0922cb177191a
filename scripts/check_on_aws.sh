#!/usr/bin/env bash
# Looks at a deployed suite on AWS for what no emulator shows; see --help.
set -uo pipefail

export AWS_PAGER=''

usage() {
  cat <<'TEXT'
Usage: scripts/check_on_aws.sh [--environment NAME] [--region REGION]
                               [--service NAME] [--alarm]

Checks what docs/quality.md says was never seen on real AWS, in a suite that
scripts/deploy_monitoring.sh deployed. It reads, invokes self-tests, and sends
one unsigned request to the function URL. Nobody is called.

  --environment NAME  default: production
  --region REGION     default: AWS_REGION, AWS_DEFAULT_REGION, or us-east-1
  --service NAME      default: ai-nutritionist
  --deployment FILE   what the catalogue was deployed as; default: the clone's
                      monitoring.deployment.json
  --alarm             also put the watcher's alarm on dead letters into ALARM for
                      a moment, to see CloudWatch publish on an encrypted topic:
                      whoever is subscribed to the watcher's topic is told

Exit code 0: everything is as it should be; 1: something is not; 2: misuse.
TEXT
}

environment=production
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
service=ai-nutritionist
deployment=$(dirname "${BASH_SOURCE[0]}")/../monitoring.deployment.json
with_alarm=
while (($#)); do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --alarm) with_alarm=yes ;;
    --environment | --region | --service | --deployment)
      [[ ${2-} ]] || {
        echo "check_on_aws.sh: $1 needs a value; see --help" >&2
        exit 2
      }
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    *)
      echo "check_on_aws.sh: unknown option $1; see --help" >&2
      exit 2
      ;;
  esac
  shift
done

suffix=
if [[ $environment != production ]]; then suffix=-$environment; fi
wrong=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# check WHAT COMMAND...: the command's success is what should be; what it printed tells why it is not.
check() {
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then
    printf 'ok     %s\n' "$what"
  else
    printf 'WRONG  %s\n' "$what"
    printf '%s\n' "$said" | tail -n 5 | sed 's/^/       /'
    wrong=$((wrong + 1))
  fi
}

account=$(aws sts get-caller-identity --region "$region" --query Account --output text) || {
  echo "check_on_aws.sh: AWS does not know these credentials; sign in or set AWS_PROFILE" >&2
  exit 1
}
partition=$(aws sts get-caller-identity --region "$region" --query Arn --output text | cut -d : -f 2)
echo "account $account, region $region, environment $environment"

is_ready() {
  aws lambda invoke --region "$region" --function-name "$1" --qualifier live \
    --payload "fileb://$work/event" "$work/answer" >/dev/null &&
    python3 -c 'import json, sys
answer = json.load(open(sys.argv[1]))
print("\n".join(answer.get("problems", ["it failed: %s" % answer]) + answer.get("warnings", [])))
sys.exit(not answer.get("ready") or bool(answer["warnings"]))' "$work/answer"
}

# may|may_not ROLE ACTION RESOURCE: what IAM itself says of the role.
decision() {
  aws iam simulate-principal-policy --policy-source-arn "arn:$partition:iam::$account:role/$1" --action-names "$2" \
    --resource-arns "$3" --query 'EvaluationResults[0].EvalDecision' --output text "${@:4}"
}
may() { [[ $(decision "$@") == allowed ]]; }
may_not() { [[ $(decision "$@") == implicitDeny ]]; }

has_datapoints() {
  local count
  count=$(aws cloudwatch get-metric-statistics --region "$region" --namespace "$1" --metric-name "$2" --statistics Sum \
    --period 900 --start-time "$(date -u -d '15 minutes ago' +%FT%TZ)" --end-time "$(date -u +%FT%TZ)" \
    --query 'length(Datapoints)' --output text) && [[ $count -gt 0 ]]
}

is_empty() {
  local url
  url=$(aws sqs get-queue-url --region "$region" --queue-name "$1" --query QueueUrl --output text) &&
    [[ $(aws sqs get-queue-attributes --region "$region" --queue-url "$url" --attribute-names ApproximateNumberOfMessages \
      --query Attributes.ApproximateNumberOfMessages --output text) == 0 ]]
}

is_confirmed() {
  local pending
  pending=$(aws sns list-subscriptions-by-topic --region "$region" --topic-arn "$1" \
    --query "length(Subscriptions) == \`0\` || length(Subscriptions[?SubscriptionArn=='PendingConfirmation']) > \`0\`" --output text) &&
    [[ $pending == False ]]
}

refuses_strangers() {
  local url
  url=$(aws lambda get-function-url-config --region "$region" --function-name "$1" --qualifier live --query FunctionUrl --output text) &&
    [[ $(curl -s -o /dev/null -w '%{http_code}' -X POST --data 'payload={}' "${url}slack") == 401 ]]
}

# deployed EXPRESSION: a line for each item of what the catalogue is deployed as, which is `d` in the Python expression.
deployed() {
  python3 -c '
import json, sys
text = open(sys.argv[1]).read().replace("${suffix}", sys.argv[2]).replace("${region}", sys.argv[3])
d = json.loads(text)
print("\n".join(eval(sys.argv[4])))' "$deployment" "$suffix" "$region" "$1"
}

# are_there WANTED COMMAND...: every line of the first is a word of what the command prints.
are_there() {
  local wanted=$1 found missing
  shift
  found=$("$@") || return 1
  missing=$(comm -23 <(sort <<<"$wanted") <(tr '\t' '\n' <<<"$found" | sort))
  [[ ! $missing ]] || {
    echo "not there: $missing"
    return 1
  }
}

# The query of the main dashboard's table, which uses functions that no emulator has.
query_runs() {
  local query id status
  query=$(deployed '[w["properties"]["query"].split("|", 1)[1] for b in d["dashboards"].values() for w in b["body"]["widgets"] if "query" in w["properties"]][:1]')
  id=$(aws logs start-query --region "$region" --log-group-name "/aws/lambda/$incident_response" --query-string "$query" \
    --start-time "$(date -u -d '1 hour ago' +%s)" --end-time "$(date -u +%s)" --query queryId --output text) || return 1
  for _ in {1..15}; do
    status=$(aws logs get-query-results --region "$region" --query-id "$id" --query status --output text)
    [[ $status == Complete ]] && return 0
    sleep 2
  done
  echo "the query is $status"
  return 1
}

has_traces() {
  local count
  count=$(aws xray get-trace-summaries --region "$region" --start-time "$(date -u -d '15 minutes ago' +%s)" \
    --end-time "$(date -u +%s)" --filter-expression "service(\"$1\")" --query 'length(TraceSummaries)' --output text) && [[ $count -gt 0 ]]
}

# CloudWatch tells in the alarm's history whether the topic took its message.
publishes() {
  aws cloudwatch set-alarm-state --region "$region" --alarm-name "$1" --state-value ALARM \
    --state-reason "scripts/check_on_aws.sh: a test, nothing is wrong" || return 1
  local found
  for _ in {1..12}; do
    sleep 5
    found=$(aws cloudwatch describe-alarm-history --region "$region" --alarm-name "$1" --history-item-type Action \
      --start-date "$(date -u -d '2 minutes ago' +%FT%TZ)" --query 'AlarmHistoryItems[].HistorySummary' --output text)
    [[ $found == *"Successfully executed action"* ]] && return 0
    [[ $found == *"Failed to execute action"* ]] && break
  done
  echo "$found"
  return 1
}

printf '{"task":"self-test"}' >"$work/event"
monitoring=$service-comprehensive-monitoring$suffix
incident_response=$service-incident-response$suffix
interactions=$service-interactions$suffix
has_interactions=
if aws lambda get-function --region "$region" --function-name "$interactions" >/dev/null 2>&1; then has_interactions=yes; fi

check "monitoring is ready, without a warning" is_ready "$monitoring"
check "incident-response is ready, without a warning: every channel would work" is_ready "$incident_response"

# Conditions that no emulator enforces: the key serves through the services that hold the data, and not directly.
key=$(aws kms describe-key --region "$region" --key-id "alias/$service-monitoring$suffix" --query KeyMetadata.Arn --output text)
context="ContextKeyName=kms:ViaService,ContextKeyType=string,ContextKeyValues"
role=$service-monitoring-lambda-role$suffix
check "monitoring may decrypt what DynamoDB holds" may "$role" kms:Decrypt "$key" --context-entries "$context=dynamodb.$region.amazonaws.com"
check "monitoring may not decrypt by itself" may_not "$role" kms:Decrypt "$key"
check "monitoring may not write incidents" may_not "$role" dynamodb:PutItem "arn:$partition:dynamodb:$region:$account:table/$service-incidents$suffix"
role=$service-incident-response-role$suffix
check "incident-response may not publish what it listens to" may_not "$role" sns:Publish "arn:$partition:sns:$region:$account:$service-alerts$suffix"

check "the cycle's metrics come out of its log" has_datapoints "${NAMESPACE:-AI-Nutritionist}/Monitoring$suffix" Cycles
check "its cycles are traced" has_traces "$monitoring"
check "the alarms of the catalogue are there, those of metric math too" are_there "$(deployed '[a["alarm_name"] for a in d["alarms"].values()]')" \
  aws cloudwatch describe-alarms --region "$region" --alarm-name-prefix "$service-" --query 'MetricAlarms[].AlarmName' --output text
check "the dashboards are there" are_there "$(deployed '[b["dashboard_name"] for b in d["dashboards"].values()]')" \
  aws cloudwatch list-dashboards --region "$region" --query 'DashboardEntries[].DashboardName' --output text
check "the saved queries are there" are_there "$(deployed '[q["name"] for q in d["queries"].values()]')" \
  aws logs describe-query-definitions --region "$region" --query 'queryDefinitions[].name' --output text
check "the table of what fires on the main dashboard can be queried" query_runs
filters=$(deployed '[f["name"] for f in d["metric_filters"].values()]')
if [[ $filters ]]; then
  check "the metric filters are there" are_there "$(sort -u <<<"$filters")" \
    aws logs describe-metric-filters --region "$region" --query 'metricFilters[].filterName' --output text
else
  echo "skip   metric filters: the catalogue has none"
fi
check "no alert is among the dead letters" is_empty "$service-incident-events-dlq$suffix"
check "the watcher's topic has subscribers, all confirmed" is_confirmed "arn:$partition:sns:$region:$account:$service-watcher$suffix"
if [[ $has_interactions ]]; then
  check "interactions is ready, without a warning" is_ready "$interactions"
  check "its function URL refuses what is not signed" refuses_strangers "$interactions"
else
  echo "skip   interactions: it is not deployed"
fi
if [[ $with_alarm ]]; then
  check "CloudWatch publishes on an encrypted topic" publishes "watcher-$service-dead-letters$suffix"
else
  echo "skip   CloudWatch publishes on an encrypted topic: with --alarm"
fi

if ((wrong)); then
  echo "$wrong wrong; docs/operations.md and docs/security.md say how it should be"
  exit 1
fi
echo "everything is as it should be"
