#!/usr/bin/env bash
# Checks and tests everything; see --help.
# Some functions are called through `step` and `trap` only, where shellcheck does not see it.
# shellcheck disable=SC2329
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MONITORING_CACHE:-$HOME/.cache/ai-nutritionist-monitoring}
# Absolute, because steps run in several folders.
[[ $cache == /* ]] || cache=$PWD/$cache
# Outside the clone, so that it survives a fresh clone and never ends up in one.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
[[ $CARGO_TARGET_DIR == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR
cd "$root"
export PYTHONDONTWRITEBYTECODE=1

usage() {
  cat <<'TEXT'
Usage: scripts/test.sh [--no-stack | --only-stack]

Checks and tests everything: formatting, lints, Rust and Python tests, the
shell scripts, the Terraform configuration (checkov), the dependencies
(cargo-deny), and the stack test, which deploys the functions' release zips to a
local AWS (MiniStack) with Terraform. Known vulnerabilities of dependencies are
looked for where RustSec's database on GitHub can be reached.

  --no-stack    all but the stack test
  --only-stack  the release build, the zips and the stack test

Needs Rust (rustup), a C compiler and Python 3.10 or newer with pip; for what
is Terraform's also terraform 1.9 or newer and its registry, or the stand-in
for the registry in ../shared/terraform-offline. Without, the configuration is
not checked and the stack test deploys call by call. The rest is installed, in
pinned versions, into the cache:

  MONITORING_CACHE  default ~/.cache/ai-nutritionist-monitoring
  CARGO_TARGET_DIR  default $MONITORING_CACHE/target

Tests run under cargo-nextest where it is installed, else under `cargo test`.
TEXT
}

fail() {
  printf 'test.sh: %s\n' "$*" >&2
  exit 1
}

misuse() {
  printf 'test.sh: %s; see --help\n' "$*" >&2
  exit 2
}

# The running command has a process group of its own, so that all it started can be stopped with it.
running=
work=
stop_running() {
  if [[ $running ]]; then
    kill -TERM -- "-$running" 2>/dev/null || true
    wait "$running" 2>/dev/null || true
    running=
  fi
}
# A stopped test does not wait for the MiniStack it started, so its end is awaited here, and forced if need be.
stop_ministacks() {
  local file pid
  for file in "$work"/tmp/ministack-*/ministack.pid; do
    [[ -f $file ]] || continue
    pid=$(<"$file")
    kill -TERM "$pid" 2>/dev/null || continue
    for _ in {1..50}; do
      sleep 0.2
      kill -0 "$pid" 2>/dev/null || continue 2
    done
    kill -KILL "$pid" 2>/dev/null || true
  done
}
clean_up() {
  stop_running
  if [[ $work ]]; then stop_ministacks; fi
  if [[ $work ]]; then rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Runs a command, announced by its title and followed by the time it took. What it prints is kept in $work/output, too, for
# the look at planted secrets in the end.
step() {
  local title=$1 begin=$SECONDS code=0 keeper
  shift
  printf '\n== %s\n' "$title"
  rm -f "$work/pipe"
  mkfifo "$work/pipe"
  tee -a "$work/output" <"$work/pipe" &
  keeper=$!
  set -m
  "$@" </dev/null >"$work/pipe" 2>&1 &
  running=$!
  set +m
  wait "$running" || code=$?
  running=
  wait "$keeper" || true
  if ((code)); then
    fail "'$title' failed (exit code $code); its output is above. The command was: $*"
  fi
  printf '== %s: ok, %d s\n' "$title" $((SECONDS - begin))
}

skip() {
  printf '\n== %s: skipped, %s\n' "$1" "$2"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not on the PATH; $2"
}

# Fills the folder $1 with a Python environment of the packages that the file $2 pins.
install_python_tools() {
  rm -rf "$1"
  mkdir -p "$(dirname "$1")"
  # Debian ships venv without the pip in it; the pip of the system can fill the environment then.
  if python3 -m venv "$1" >/dev/null 2>&1; then
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
  else
    rm -rf "$1"
    python3 -m venv --without-pip "$1"
    python3 -m pip --python "$1/bin/python" install --quiet --disable-pip-version-check -r "$2"
  fi
  touch "$1/complete"
}

# Sets `tools` to a Python environment of the packages that the file $1 pins.
need_python_tools() {
  # Named after what is in it: a change of a version makes a new one.
  tools=$cache/python-$(cksum <"$1" | cut -d ' ' -f 1)
  if [[ ! -f $tools/complete ]]; then
    step "Python tools of $1" install_python_tools "$tools" "$1"
  fi
}

# Sets `terraform` to a program that runs Terraform and finds its provider; leaves it empty and says why in
# `no_terraform` where there is none.
terraform=
no_terraform=
find_terraform() {
  local stand_in=$root/../shared/terraform-offline
  if ! command -v terraform >/dev/null; then
    no_terraform="terraform is not on the PATH"
  elif python3 -c 'import urllib.request; urllib.request.urlopen("https://registry.terraform.io/.well-known/terraform.json", timeout=10)' 2>/dev/null; then
    terraform=$(command -v terraform)
  elif [[ -x $stand_in/tf.sh ]]; then
    export TFO_CACHE=$cache/terraform-offline
    step "Terraform's stand-in provider (the registry does not answer)" "$stand_in/setup.sh"
    terraform=$(cd "$stand_in" && pwd)/tf.sh
  else
    no_terraform="neither registry.terraform.io nor ../shared/terraform-offline is there"
  fi
}

# In a copy, so that nothing is left in the clone.
check_terraform() {
  mkdir "$work/check"
  cp -r infrastructure tests monitoring.*.json "$work/check"
  cd "$work/check/infrastructure/monitoring"
  AWS_REGION=us-east-1 "$terraform" init -backend=false -input=false -no-color >init.log || { cat init.log; return 1; }
  AWS_REGION=us-east-1 "$terraform" validate -no-color
}

check_scripts() {
  local file
  for file in scripts/*.sh .ci/run; do
    bash -n "$file"
  done
}

# monitorctl reads monitoring.yaml in the folder it is called in.
resolve_catalogue() {
  cd tests/stack
  "$CARGO_TARGET_DIR/debug/monitorctl" catalogue resolve --out "$1"
  "$CARGO_TARGET_DIR/debug/monitorctl" catalogue resolve --deployment --out "$2"
}

# The licences, sources and versions of the dependencies; known vulnerabilities where RustSec's database can be fetched.
check_dependencies() {
  local advisories=https://github.com/rustsec/advisory-db
  step "dependencies" "$tools/bin/cargo-deny" --locked check --hide-inclusion-graph licenses sources bans
  if GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --exit-code "$advisories" HEAD >/dev/null 2>&1; then
    step "advisories" "$tools/bin/cargo-deny" --locked check advisories
  else
    skip "advisories" "the database at $advisories does not answer; known vulnerabilities and yanked versions were not looked for"
  fi
}

# What the stack test needs: the zips, and where things are.
prepare_stack() {
  need_python_tools scripts/requirements-test.txt
  step "catalogue of the stack test" resolve_catalogue "$work/catalogue.json" "$work/deployment.json"
  [[ -s $work/catalogue.json ]] ||
    fail "'monitorctl catalogue resolve' ended without an error and without a catalogue; see crates/cli"
  step "release zips" scripts/package.sh --out "$work/zips" --catalogue "$work/catalogue.json"

  # What a stopped test leaves behind goes with the folder.
  mkdir "$work/tmp"
  export TMPDIR=$work/tmp
  export MINISTACK=$tools/bin/ministack AWS_CLI=$tools/bin/aws STACK_ZIPS=$work/zips STACK_CATALOGUE=$work/catalogue.json
  export STACK_MONITORCTL=$CARGO_TARGET_DIR/debug/monitorctl
  if [[ $terraform ]]; then
    export STACK_TERRAFORM=$terraform STACK_DEPLOYMENT=$work/deployment.json
  else
    skip "stack tests of what Terraform makes" "$no_terraform; the suite is deployed call by call"
  fi
}

# The stack tests are those that are marked as ignored. They run beside the others; see .config/nextest.toml.
test_with_nextest() {
  local checks=$1 stack=$2 which=() threads
  threads=$(($(getconf _NPROCESSORS_ONLN) + 3))
  case $checks-$stack in
    yes-yes) which=(--run-ignored all --test-threads "$threads") ;;
    no-yes) which=(--run-ignored only --test-threads "$threads") ;;
  esac
  if [[ $stack == yes && ! $terraform ]]; then which+=(-E 'not (package(stack) & test(terraform))'); fi
  step "tests" cargo nextest run --workspace --locked --no-fail-fast ${which[@]+"${which[@]}"}
  # nextest does not run the examples in the documentation.
  if [[ $checks == yes ]]; then step "documentation examples" cargo test --workspace --locked --doc --quiet; fi
}

test_with_cargo() {
  local checks=$1 stack=$2 without=()
  if [[ $checks == yes ]]; then step "tests" cargo test --workspace --locked --no-fail-fast --quiet; fi
  if [[ $stack == yes ]]; then
    if [[ ! $terraform ]]; then without=(--skip terraform); fi
    step "stack test" cargo test --workspace --locked --no-fail-fast --test stack -- --ignored ${without[@]+"${without[@]}"}
  fi
}

# What the run has written down: the output of its steps, and of each test, which nextest keeps in the report $1
# (.config/nextest.toml); one that is missing fails.
find_planted_secrets() {
  if [[ $1 ]]; then
    step "planted secrets" scripts/find_planted_secrets.py "$work/output" "$1"
  else
    skip "planted secrets in what each test prints" "cargo-nextest would keep it, and is not installed"
    step "planted secrets" scripts/find_planted_secrets.py "$work/output"
  fi
}

# In a function, so that bash has read all of it before the first step: a run survives an edit of this file.
main() {
  local checks=yes stack=yes nextest=no tools report=
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --no-stack) stack=no ;;
      --only-stack) checks=no ;;
      *) misuse "unknown option $1" ;;
    esac
    shift
  done
  [[ $checks == yes || $stack == yes ]] || misuse "--no-stack and --only-stack together leave nothing to do"

  need cargo "install Rust from https://rustup.rs"
  need cc "install a C compiler (Debian and Ubuntu: apt-get install gcc libc6-dev; macOS: xcode-select --install)"
  need python3 "install Python 3.10 or newer"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    fail "$(python3 --version) is too old for the tools of the checks; install Python 3.10 or newer"

  if cargo nextest --version >/dev/null 2>&1; then nextest=yes; fi

  work=$(mktemp -d)
  # The pipe that keeps the output would take the colours.
  if [[ -t 1 ]]; then export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}; fi
  find_terraform

  if [[ $checks == yes ]]; then
    step "scripts" check_scripts
    step "bad input of the deploy script" python3 -m unittest discover -s scripts -p 'test_*.py'
    step "format" cargo fmt --all --check
    if command -v terraform >/dev/null; then
      step "Terraform format" terraform fmt -check -diff -recursive infrastructure
    fi
    if [[ $terraform ]]; then
      step "Terraform configuration" check_terraform
    else
      skip "Terraform configuration" "$no_terraform"
    fi
    need_python_tools scripts/requirements-checkov.txt
    step "Terraform security" "$tools/bin/checkov" -d infrastructure --framework terraform --quiet --compact --skip-download
    need_python_tools scripts/requirements-deny.txt
    check_dependencies
    step "lints" cargo clippy --workspace --all-targets --locked -- -D warnings
    if [[ ! -d ../shared ]]; then
      skip "tests against reference data" "there is no ../shared beside the clone"
    fi
  fi

  if [[ $nextest == yes ]]; then
    report=$root/target/nextest/default/junit.xml
    rm -f "$report"
  fi
  # This compiles monitorctl, too: its own tests call it.
  if [[ $nextest == yes ]]; then
    step "compile the tests" cargo nextest run --workspace --locked --no-run
  else
    step "compile the tests" cargo test --workspace --locked --no-run --quiet
  fi
  if [[ $stack == yes ]]; then prepare_stack; fi
  if [[ $nextest == yes ]]; then test_with_nextest "$checks" "$stack"; else test_with_cargo "$checks" "$stack"; fi
  if [[ $checks == yes ]]; then
    step "Python tests" python3 -m unittest discover -s crates/track/python -t crates/track/python
  fi

  find_planted_secrets "$report"

  printf '\nAll passed, %d s.\n' "$SECONDS"
  exit
}

# scripts/test_find_planted_secrets.py reads it for its functions.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
