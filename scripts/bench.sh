#!/usr/bin/env bash
# Measures the release build against its goals; see --help.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MONITORING_CACHE:-$HOME/.cache/ai-nutritionist-monitoring}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
# Absolute, because cargo is called in the repository.
[[ $CARGO_TARGET_DIR == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR
cd "$root"
export PYTHONDONTWRITEBYTECODE=1

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--runs N] [--strict]

Builds the functions in release mode and prints one table of what the suite
costs, beside its goals: start to the first poll of the Runtime API (against a
hello world), first useful invocation, peak memory, zip size, calls of a cycle
over 500 metrics, the time to evaluate 100,000 series, to try threshold rules on
90 days of 100 metrics, from an SNS record to the page that PagerDuty has
accepted, and for a storm of 10,000 alerts.

  --runs N  starts of each function (default: 25)
  --strict  exit with 1 when a goal is exceeded

Times depend on the machine and on what else it does, so they are printed and
not tested; the ratio to the hello world, started in turn with the functions,
and the processor time, which waiting does not count in, are the figures to
compare. Processor time and memory are measured on Linux only.
TEXT
}

fail() {
  printf 'bench.sh: %s\n' "$*" >&2
  exit 1
}

misuse() {
  printf 'bench.sh: %s; see --help\n' "$*" >&2
  exit 2
}

# A row of the table: figure, measured, goal, and `ok` if the number $4 is at most (or `<`: below) the number $6.
row() {
  local verdict
  verdict=$(awk -v a="$4" -v how="$5" -v b="$6" 'BEGIN { print (how == "<" ? a + 0 < b + 0 : a + 0 <= b + 0) ? "ok" : "over" }')
  printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$verdict"
}

zip_rows() {
  local function size
  for function in monitoring incident-response; do
    size=$(awk -v bytes="$(wc -c <"$1/$function.zip")" 'BEGIN { printf "%.2f", bytes / 1e6 }')
    row "zip, $function" "$size MB" "< 4 MB" "$size" "<" 4
  done
}

evaluation_row() {
  local printed=$1 pattern='median ([0-9.]+) ms, least ([0-9.]+) ms, most ([0-9.]+) ms'
  [[ $printed =~ $pattern ]] || fail "the example bench_rules of crates/core printed no median: $printed"
  row "evaluation, 100,000 series of 5 points" "${BASH_REMATCH[1]} ms (${BASH_REMATCH[2]}-${BASH_REMATCH[3]})" \
    "<= 25 ms" "${BASH_REMATCH[1]}" "<=" 25
}

backtest_row() {
  local printed=$1 pattern='median ([0-9.]+) s, least ([0-9.]+) s, most ([0-9.]+) s'
  [[ $printed =~ $pattern ]] || fail "the example bench_backtest of crates/core printed no median: $printed"
  row "backtest, 90 days of 100 metrics at 5 min" "${BASH_REMATCH[1]} s (${BASH_REMATCH[2]}-${BASH_REMATCH[3]})" \
    "< 3 s" "${BASH_REMATCH[1]}" "<" 3
}

# The tables and the receivers are in the same process, on loopback.
incident_rows() {
  local printed=$1 page='first page.*median ([0-9.]+) ms, least ([0-9.]+) ms, most ([0-9.]+) ms'
  local storm='batches of 10 of one group[^:]*: ([0-9.]+) s'
  [[ $printed =~ $page ]] || fail "the example bench_incidents of tests/scenarios printed no median: $printed"
  row "SNS record to the first page accepted" "${BASH_REMATCH[1]} ms (${BASH_REMATCH[2]}-${BASH_REMATCH[3]})" \
    "< 15 ms" "${BASH_REMATCH[1]}" "<" 15
  [[ $printed =~ $storm ]] || fail "the example bench_incidents of tests/scenarios printed no storm: $printed"
  row "storm of 10,000 alerts of 100 groups" "${BASH_REMATCH[1]} s" "< 5 s" "${BASH_REMATCH[1]}" "<" 5
}

print_table() {
  local format='%-42s  %-29s  %-10s  %s\n' figure measured goal verdict
  # shellcheck disable=SC2059
  printf "$format" figure "measured (median, least-most)" goal "" | sed 's/ *$//'
  # A tab is white space to `read`, which would take two of them, around an empty field, for one.
  while IFS=$'\x1f' read -r figure measured goal verdict; do
    # shellcheck disable=SC2059
    printf "$format" "$figure" "$measured" "$goal" "$verdict" | sed 's/ *$//'
  done < <(tr '\t' '\037' <"$1")
}

work=
measuring=
clean_up() {
  if [[ $measuring ]]; then
    kill -TERM "$measuring" 2>/dev/null || true
    wait "$measuring" 2>/dev/null || true
  fi
  if [[ $work ]]; then rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

main() {
  local runs=25 strict=no printed
  while (($#)); do
    case $1 in
      -h | --help)
        usage
        exit 0
        ;;
      --runs)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || misuse "--runs needs a number of at least 1"
        runs=$2
        shift
        ;;
      --strict) strict=yes ;;
      *) misuse "unknown option $1" ;;
    esac
    shift
  done
  command -v cargo >/dev/null || fail "cargo is not on the PATH; install Rust from https://rustup.rs"
  command -v python3 >/dev/null || fail "python3 is not on the PATH; install Python 3.10 or newer"

  work=$(mktemp -d)
  # Building first: nothing compiles while something is measured.
  scripts/package.sh --out "$work/zips" monitoring incident-response
  cargo build --release --locked -p monitoring --example hello
  cargo build --release --locked -p monitoring-core --example bench_rules --example bench_backtest
  cargo build --release --locked -p scenarios --example bench_incidents

  # The very binaries that were zipped: a build by somebody else does not change them meanwhile.
  local function
  for function in monitoring incident-response; do
    mkdir "$work/$function"
    python3 -m zipfile -e "$work/zips/$function.zip" "$work/$function"
    chmod +x "$work/$function/bootstrap"
  done
  cp "$CARGO_TARGET_DIR/release/examples/hello" "$work/hello"

  printf '\nMeasuring; %s starts of each function.\n\n' "$runs"
  # In the background, so that a signal is handled at once and not after the last run.
  python3 scripts/bench_start.py --runs "$runs" --catalogue monitoring.resolved.json --hello "$work/hello" \
    --monitoring "$work/monitoring/bootstrap" --incident-response "$work/incident-response/bootstrap" >"$work/rows" &
  measuring=$!
  wait "$measuring" || fail "bench_start.py failed; its message is above"
  measuring=
  zip_rows "$work/zips" >>"$work/rows"
  printed=$("$CARGO_TARGET_DIR/release/examples/bench_rules")
  evaluation_row "$printed" >>"$work/rows"
  printed=$("$CARGO_TARGET_DIR/release/examples/bench_backtest")
  backtest_row "$printed" >>"$work/rows"
  printed=$("$CARGO_TARGET_DIR/release/examples/bench_incidents")
  incident_rows "$printed" >>"$work/rows"

  print_table "$work/rows"
  if grep -q $'\tover$' "$work/rows"; then
    printf '\nA goal is exceeded.\n'
    if [[ $strict == yes ]]; then exit 1; fi
  fi
  exit
}

main "$@"
