#!/usr/bin/env bash
# Builds the Lambda functions for this host and zips each as a deployable package.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${MONITORING_CACHE:-$HOME/.cache/ai-nutritionist-monitoring}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
# Absolute, because cargo is called in the repository.
[[ $CARGO_TARGET_DIR == /* ]] || CARGO_TARGET_DIR=$PWD/$CARGO_TARGET_DIR

usage() {
  cat <<'TEXT'
Usage: scripts/package.sh [--architecture A] [--out DIR] [--catalogue FILE]
                          [FUNCTION...]

Builds each function in release mode and writes DIR/<function>.zip, holding
`bootstrap` and, with --catalogue, the resolved catalogue as `catalogue.json`.
The same sources give the same bytes.

  --architecture A  arm64 or x86_64: build with cargo-lambda, for the Lambda
                    runtime on that processor
  --out DIR         where the zips go (default: $CARGO_TARGET_DIR/lambda)
  --catalogue FILE  a resolved catalogue, from `monitorctl catalogue resolve`
  FUNCTION          names of folders in functions/ (default: all of them)

Without --architecture the binaries are for this host: they run in the stack
test, and on AWS only where the host is no newer than the Lambda runtime's glibc.
TEXT
}

fail() {
  printf 'package.sh: %s\n' "$*" >&2
  exit 1
}

misuse() {
  printf 'package.sh: %s; see --help\n' "$*" >&2
  exit 2
}

out=$CARGO_TARGET_DIR/lambda
catalogue=
architecture=
functions=()
while (($#)); do
  case $1 in
    -h | --help)
      usage
      exit 0
      ;;
    --out | --catalogue | --architecture)
      [[ ${2-} ]] || misuse "$1 needs a value"
      case $1 in
        --out) out=$2 ;;
        --catalogue) catalogue=$2 ;;
        --architecture) architecture=$2 ;;
      esac
      shift
      ;;
    -*) misuse "unknown option $1" ;;
    *) functions+=("$1") ;;
  esac
  shift
done

if ((${#functions[@]} == 0)); then
  for manifest in "$root"/functions/*/Cargo.toml; do
    functions+=("$(basename "$(dirname "$manifest")")")
  done
fi
for function in "${functions[@]}"; do
  [[ -f $root/functions/$function/Cargo.toml ]] ||
    misuse "there is no function '$function'; the functions are: $(cd "$root/functions" && echo *)"
done
if [[ $catalogue && ! -f $catalogue ]]; then
  fail "the catalogue $catalogue does not exist; make it with 'monitorctl catalogue resolve'"
fi
case $architecture in
  '' | arm64 | x86_64) ;;
  *) misuse "there is no architecture '$architecture'; Lambda has arm64 and x86_64" ;;
esac
if [[ $architecture ]] && ! cargo lambda --version >/dev/null 2>&1; then
  fail "cargo-lambda is not installed and builds for Lambda's processors; install it: https://www.cargo-lambda.info"
fi
command -v python3 >/dev/null || fail "python3 is not on the PATH and writes the zips; install Python 3.10 or newer"

mkdir -p "$out"
for function in "${functions[@]}"; do
  # One call for each function: in a joint build Cargo would unify features, and a
  # function would carry what only another one needs.
  # In the repository, where rust-toolchain.toml says which Rust it is.
  if [[ $architecture ]]; then
    (cd "$root" && cargo lambda build --release --locked --package "$function" \
      "--${architecture/_/-}" --lambda-dir "$CARGO_TARGET_DIR/lambda-$architecture")
    binary=$CARGO_TARGET_DIR/lambda-$architecture/$function/bootstrap
  else
    (cd "$root" && cargo build --release --locked -p "$function")
    binary=$CARGO_TARGET_DIR/release/$function
  fi
  python3 - "$binary" "$out/$function.zip" "$catalogue" <<'PY'
import os, sys, zipfile

binary, target, catalogue = sys.argv[1:]
entries = [("bootstrap", binary, 0o755)]
if catalogue:
    entries.append(("catalogue.json", catalogue, 0o644))
# Written beside its place and renamed, so that a reader never sees half a zip.
partial = f"{target}.{os.getpid()}"
with zipfile.ZipFile(partial, "w") as package:
    for name, source, mode in entries:
        # A fixed date and system: the same content gives the same bytes.
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        with open(source, "rb") as content:
            package.writestr(entry, content.read(), compresslevel=9)
os.replace(partial, target)
print(f"{target}: {os.path.getsize(target) / 1e6:.2f} MB zipped, bootstrap {os.path.getsize(binary) / 1e6:.2f} MB")
PY
done
