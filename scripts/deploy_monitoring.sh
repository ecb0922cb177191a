#!/usr/bin/env bash
# Deploys the suite to an AWS account with Terraform; see --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
configuration=$root/infrastructure/monitoring
# Another program than the `terraform` on the PATH, for what wraps it.
terraform=${TERRAFORM_PROGRAM:-terraform}
export AWS_PAGER='' TF_IN_AUTOMATION=1
if [[ ! -t 1 ]]; then
  export TF_CLI_ARGS_plan=-no-color TF_CLI_ARGS_apply=-no-color TF_CLI_ARGS_destroy=-no-color
fi

usage() {
  cat <<'TEXT'
Usage: scripts/deploy_monitoring.sh [OPTIONS]

Builds the functions, plans and applies infrastructure/monitoring, tries each
new version of a function without calling anybody, and lets it serve only then.
It can be run again at any time, also to complete a run that failed.

  --environment NAME  production (default) keeps the plain names; another name
                      is their suffix, and has a Terraform workspace of its own
  --region REGION     default: AWS_REGION, AWS_DEFAULT_REGION, or us-east-1
  --plan-only         show what would change, and change nothing
  --yes               do not ask
  --destroy           remove everything, the tables with their incidents too
  --architecture A    arm64 (default) or x86_64
  --packages DIR      deploy these zips (scripts/package.sh) instead of building
  --catalogue FILE    the resolved catalogue in those zips (only with --packages;
                      default: monitoring.resolved.json). What Terraform
                      reads beside it is deployment.json in DIR, else
                      monitoring.deployment.json
  --var-file FILE     variables for Terraform; those in
                      infrastructure/monitoring/terraform.tfvars are always read

Needs the AWS CLI (version 1 or 2) with credentials, terraform 1.9 or newer and
python3; to build also Rust and cargo-lambda (https://www.cargo-lambda.info).
TEXT
}

say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
fail() {
  printf 'deploy_monitoring.sh: %s\n' "$*" >&2
  exit 1
}
misuse() {
  printf 'deploy_monitoring.sh: %s; see --help\n' "$*" >&2
  exit 2
}

environment=production
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}
architecture=arm64
plan_only=
assume_yes=
destroy=
packages=
catalogue=
deployment=$root/monitoring.deployment.json
variables=()

read_options() {
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --plan-only) plan_only=yes ;;
      --yes) assume_yes=yes ;;
      --destroy) destroy=yes ;;
      --environment | --region | --architecture | --packages | --catalogue | --var-file)
        [[ ${2-} ]] || misuse "$1 needs a value"
        case $1 in
          --environment) environment=$2 ;;
          --region) region=$2 ;;
          --architecture) architecture=$2 ;;
          --packages) packages=$(realpath -m "$2") ;;
          --catalogue) catalogue=$(realpath -m "$2") ;;
          --var-file) variables+=("-var-file=$(realpath -m "$2")") ;;
        esac
        shift
        ;;
      *) misuse "unknown option $1" ;;
    esac
    shift
  done
  [[ $environment =~ ^[a-z][a-z0-9-]{0,15}$ ]] ||
    misuse "'$environment' is not a name: at most 16 lower-case letters, digits and hyphens"
  # What AWS is asked with it would say that the network is down.
  [[ $region =~ ^[a-z]{2}(-[a-z]+)+-[0-9]$ ]] || misuse "'$region' is not the name of a region, such as us-east-1"
  [[ $architecture == arm64 || $architecture == x86_64 ]] || misuse "there is no architecture '$architecture'"
  [[ ! $catalogue || $packages ]] || misuse "--catalogue goes with --packages; without, the catalogue is resolved anew"
  [[ ! $destroy || ! $plan_only ]] || misuse "--destroy and --plan-only together say nothing"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not on the PATH; $2"
}

check_tools() {
  need aws "install the AWS CLI: https://docs.aws.amazon.com/cli/"
  need "$terraform" "install Terraform: https://developer.hashicorp.com/terraform/install"
  need python3 "install Python 3.10 or newer"
  "$terraform" version -json 2>/dev/null | python3 -c '
import json, sys
version = json.load(sys.stdin)["terraform_version"]
sys.exit(tuple(map(int, version.split("-")[0].split(".")[:2])) < (1, 9))' ||
    fail "Terraform is older than 1.9; install a newer one: https://developer.hashicorp.com/terraform/install"
  if [[ ! $packages ]]; then
    need cargo "install Rust: https://rustup.rs"
    cargo lambda --version >/dev/null 2>&1 ||
      fail "cargo-lambda is not installed and builds for Lambda's processors: https://www.cargo-lambda.info"
  fi
}

account=
check_account() {
  local said
  if ! said=$(aws sts get-caller-identity --region "$region" --query '[Account,Arn]' --output text 2>&1); then
    said=${said##*$'\n'}
    if [[ $said == *"connect to the endpoint"* ]]; then
      fail "there is no AWS at the end of $region: $said; check --region and the network"
    fi
    fail "AWS does not know these credentials: $said; sign in (aws configure, aws sso login) or set AWS_PROFILE"
  fi
  account=${said%%[[:space:]]*}
  say "Account      $account"
  say "As           ${said##*[[:space:]]}"
  say "Region       $region"
  say "Environment  $environment"
}

# Reserving concurrency fails where it would leave the account's other functions fewer than 100 executions.
concurrency=
check_concurrency() {
  local free
  free=$(aws lambda get-account-settings --region "$region" \
    --query AccountLimit.UnreservedConcurrentExecutions --output text 2>&1) ||
    fail "cannot read Lambda's limits in $region: ${free##*$'\n'}; check the region, and lambda:GetAccountSettings"
  # What an earlier run has set aside is not counted as free any more.
  local needed=115
  if tf state list 2>/dev/null | grep -q aws_lambda_function; then needed=100; fi
  if [[ $free =~ ^[0-9]+$ ]] && ((free < needed)); then
    concurrency=false
    warn "this account has $free concurrent executions to spare, so none are set aside for incident-response, and" \
      "interactions is not capped: other functions can take them all. Ask AWS for a higher quota (Lambda, Concurrent executions)."
  else
    concurrency=true
  fi
}

tf() {
  AWS_REGION=$region "$terraform" -chdir="$configuration" "$@"
}

prepare_terraform() {
  local workspace=$environment
  if [[ $environment == production ]]; then workspace=default; fi
  tf init -input=false >"$work/init.log" 2>&1 || {
    cat "$work/init.log" >&2
    fail "terraform init failed, as above; the provider comes from registry.terraform.io"
  }
  tf workspace select -or-create "$workspace" >/dev/null || fail "cannot select the Terraform workspace $workspace"
}

build() {
  if [[ $packages ]]; then
    catalogue=${catalogue:-$root/monitoring.resolved.json}
    [[ -f $catalogue ]] || fail "there is no catalogue $catalogue; make it with 'monitorctl catalogue resolve --out FILE'"
    [[ -d $packages ]] || fail "there is no folder $packages; fill it with scripts/package.sh --out DIR --catalogue FILE"
    if [[ -f $packages/deployment.json ]]; then deployment=$packages/deployment.json; fi
    check_packages
    return
  fi
  # Kept, because Terraform compares with the zips that it deployed.
  packages=$root/target/lambda
  catalogue=$packages/catalogue.json
  mkdir -p "$packages"
  (cd "$root" && cargo run --quiet --locked -p monitorctl -- catalogue resolve --out "$catalogue" &&
    cargo run --quiet --locked -p monitorctl -- catalogue resolve --deployment --out "$packages/deployment.json") ||
    fail "monitoring.yaml has the mistakes above; nothing was changed"
  deployment=$packages/deployment.json
  "$root/scripts/package.sh" --architecture "$architecture" --out "$packages" --catalogue "$catalogue" ||
    fail "the functions could not be built, as above; nothing was changed"
}

# What was built elsewhere is looked at before anything is made of it.
check_packages() {
  local function
  python3 -c 'import json, sys; sys.exit(not json.load(open(sys.argv[1])).get("service"))' "$catalogue" 2>/dev/null ||
    fail "$catalogue is not a resolved catalogue; make it with 'monitorctl catalogue resolve --out FILE'. Nothing was changed."
  # The functions are the entries of the two maps in functions.tf; interactions is deployed only with a signing secret.
  while read -r function; do
    [[ -s $packages/$function.zip || $function == interactions ]] ||
      fail "there is no $function.zip in $packages; make it with scripts/package.sh --out DIR --catalogue FILE. Nothing was changed."
  done < <(sed -n 's/^    \([a-z-]*\) = {$/\1/p' "$configuration/functions.tf")
}

# A table or function of that name which Terraform did not make stops an apply half-way.
check_names() {
  local known name
  known=$(tf state list 2>/dev/null || true)
  if [[ ! $known ]]; then
    local service suffix=
    service=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["service"])' "$catalogue")
    [[ $environment == production ]] || suffix=-$environment
    for name in "$service-comprehensive-monitoring$suffix" "$service-incident-response$suffix"; do
      if aws lambda get-function --region "$region" --function-name "$name" >/dev/null 2>&1; then
        fail "the function $name exists already, and Terraform did not make it; delete it, or use another --environment." \
          "Nothing was changed."
      fi
    done
    while read -r name; do
      if aws dynamodb describe-table --region "$region" --table-name "$name" >/dev/null 2>&1; then
        fail "the table $name exists already, and Terraform did not make it; let Terraform take it over" \
          "(docs/deployment.md, \"Tables that exist already\"), or use another --environment. Nothing was changed."
      fi
    done < <(python3 - "$root/tests/fixtures/tables.json" "$catalogue" "$environment" <<'PY'
import json, sys
tables, catalogue, environment = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3]
suffix = "" if environment == "production" else f"-{environment}"
for table in tables:
    print(table["TableName"].replace("ai-nutritionist-", f"{catalogue['service']}-", 1) + suffix)
PY
    )
  fi
}

# A metric filter on a log group that is not there stops an apply half-way, too. Production makes them; elsewhere they are an exception.
check_log_groups() {
  [[ $environment == production ]] || return 0
  local group found
  while read -r group; do
    found=$(aws logs describe-log-groups --region "$region" --log-group-name-prefix "$group" \
      --query "logGroups[?logGroupName=='$group'].logGroupName" --output text 2>&1) ||
      fail "cannot look for the log group $group: ${found##*$'\n'}; check logs:DescribeLogGroups. Nothing was changed."
    [[ $found == "$group" ]] ||
      fail "there is no log group $group, and the catalogue makes a metric of its lines; let what writes it run once, or make it" \
        "with 'aws logs create-log-group --log-group-name $group'. Nothing was changed."
  done < <(python3 -c 'import json, sys
filters = json.load(open(sys.argv[1])).get("metric_filters", {}).values()
for group in sorted({made["log_group_name"] for made in filters}):
    print(group)' "$deployment")
}

ask() {
  [[ $assume_yes ]] && return
  local answer
  read -r -p "$1 Type yes to go on: " answer || answer=
  [[ $answer == yes ]] || fail "nothing was changed"
}

terraform_variables() {
  variables+=(
    "-var=region=$region" "-var=environment=$environment" "-var=architecture=$architecture"
    "-var=packages=$packages" "-var=catalogue=$catalogue" "-var=deployment=$deployment" "-var=reserve_concurrency=$concurrency"
  )
}

half_way() {
  say
  say "The deployment did not finish. Of it, $(tf state list 2>/dev/null | wc -l) parts are up, and what served before serves on:"
  say "a new version of a function is not used until it was tried. Remove the cause above and run this command again;"
  say "it goes on where this one ended."
  exit 1
}

# Prints a part of the outputs, found by a Python expression over `outputs`.
output() {
  tf output -json | python3 -c "
import json, sys
outputs = {name: output['value'] for name, output in json.load(sys.stdin).items()}
$1"
}

check_secrets() {
  local setting parameter missing=
  while read -r setting parameter; do
    if ! aws ssm get-parameter --region "$region" --name "$parameter" --query Parameter.Version >/dev/null 2>&1; then
      if [[ ! $missing ]]; then
        say
        say "Put these secrets into Parameter Store; until then their channels reach nobody:"
        missing=yes
      fi
      say "  aws ssm put-parameter --region $region --type SecureString --key-id $(output 'print(outputs["key_alias"])') \\"
      say "      --name $parameter --value THE_SECRET     # $setting"
    fi
  done < <(output 'for setting, parameter in outputs["parameters"].items(): print(setting, parameter)')
}

# Tries the newest version of each function; the aliases move to it when all of them are ready.
serve() {
  local function name version aliases alias answer made problems=
  made=$(functions) || fail "cannot read Terraform's outputs; run this again"
  say
  while read -r function name version aliases; do
    answer=$work/$function.json
    printf '{"task":"self-test"}' >"$work/event.json"
    # fileb: both versions of the AWS CLI take it as it is.
    if ! aws lambda invoke --region "$region" --function-name "$name" --qualifier "$version" \
      --payload "fileb://$work/event.json" "$answer" >"$work/invoked.json" 2>"$work/error"; then
      say "$function, version $version: cannot be invoked: $(tail -n 1 "$work/error")"
      problems=yes
    elif ! python3 - "$answer" "$work/invoked.json" "$function, version $version" <<'PY'; then
import json, sys
answer, invoked, name = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3]
if "FunctionError" in invoked or not isinstance(answer, dict) or "ready" not in answer:
    print(f"{name}: it failed: {json.dumps(answer)[:500]}")
    sys.exit(1)
print(f"{name}: {'ready' if answer['ready'] else 'not ready'}")
for problem in answer["problems"]:
    print(f"  problem: {problem}")
for warning in answer["warnings"]:
    print(f"  warning: {warning}")
sys.exit(not answer["ready"])
PY
      problems=yes
    fi
  done <<<"$made"
  if [[ $problems ]]; then
    fail "the new versions do not serve, for the problems above; what served before serves on. Remove the cause and run this again."
  fi
  while read -r function name version aliases; do
    for alias in ${aliases//,/ }; do
      aws lambda update-alias --region "$region" --function-name "$name" --name "$alias" \
        --function-version "$version" >/dev/null ||
        fail "cannot move the alias $alias of $name to version $version; run this again"
    done
    say "$function serves version $version"
  done <<<"$made"
}

functions() {
  output 'for function, made in outputs["functions"].items(): print(function, made["name"], made["version"], ",".join(made["aliases"]))'
}

next_steps() {
  say
  say "Deployed. What is left to do:"
  output 'for url in outputs["dashboard_urls"].values(): print(f"- look at {url}")'
  say "- confirm the subscriptions that AWS has sent by e-mail; subscribe people with the variable \`subscriptions\`;"
  output '
url = outputs["interactions_url"]
print(f"- Slack and PagerDuty: their requests go to {url}slack and {url}pagerduty;" if url else
      "- for buttons in Slack: docs/deployment.md, Buttons;")'
  say "- try it: monitorctl invoke monitoring, or the README's \"Manual testing\" (which calls people);"
  say "- set HEARTBEAT_URL, so that somebody outside this account notices when all of this stops."
}

remove() {
  [[ $(tf state list 2>/dev/null) ]] || fail "there is nothing to remove: Terraform has made nothing for $environment in this state"
  if [[ ! $assume_yes ]]; then
    local answer
    read -r -p "All incidents, alerts and post-mortems of $environment in account $account are lost. Type the environment's name to go on: " answer || answer=
    [[ $answer == "$environment" ]] || fail "nothing was changed"
  fi
  tf apply -input=false -auto-approve "${variables[@]}" -var=deletion_protection=false || half_way
  tf destroy -input=false -auto-approve "${variables[@]}" -var=deletion_protection=false ||
    fail "not everything is gone, for the reason above; run this again"
  say "Removed. The secrets in Parameter Store are left; the key can be restored for 30 days."
}

main() {
  read_options "$@"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  check_tools
  check_account
  prepare_terraform
  check_concurrency
  if [[ $destroy && ! $packages ]]; then
    packages=$root/target/lambda catalogue=$root/target/lambda/catalogue.json
    deployment=$packages/deployment.json
    [[ -f $catalogue ]] || fail "the zips that were deployed are not in $packages; build them with --plan-only first"
  else
    build
  fi
  terraform_variables
  if [[ $destroy ]]; then
    remove
    return
  fi
  check_names
  check_log_groups
  tf plan -input=false -out="$work/plan" "${variables[@]}" ||
    fail "Terraform cannot plan this, for the reason above; nothing was changed"
  if [[ $plan_only ]]; then
    say "Nothing was changed."
    return
  fi
  ask "Apply this to account $account, region $region?"
  tf apply -input=false "$work/plan" || half_way
  check_secrets
  serve
  next_steps
}

main "$@"
