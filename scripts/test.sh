#!/usr/bin/env bash
# The whole check: formatting, lints, tests, documentation, loom, live tests (as root), and the program itself.
# Installs what it needs. The last line is `N passed, M failed`; the exit code says the same.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s  (%ss)\n' "$1" "$SECONDS"; }
die() { printf 'test.sh: %s\n' "$1" >&2; exit 1; }

root() { # run something as root, if that can be
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else die "needs root for: $* (run as root, or install sudo)"; fi
}

say "what is needed"
if ! command -v cc >/dev/null 2>&1; then
  command -v apt-get >/dev/null 2>&1 || die "no C compiler (cc) to link with, and no apt-get to install one: install gcc"
  root apt-get update -qq
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc libc6-dev
fi
command -v cargo >/dev/null 2>&1 || die "no cargo: install Rust 1.95 or later (https://rustup.rs)"
rust=$(rustc --version | cut -d' ' -f2)
[ "$(printf '1.95.0\n%s\n' "$rust" | sort -V | head -n 1)" = 1.95.0 ] || die "Rust $rust is too old: 1.95 or later is needed"
printf 'rust %s, %s CPUs, user %s\n' "$rust" "$(nproc)" "$(id -un)"

if [ -d ../shared/captures ]; then
  echo "captures: ../shared/captures"
  # Where the captures are, a test that does not find them is broken.
  export MNVKD_REQUIRE_CAPTURES=1
else
  echo "captures: ../shared/captures is not here; tests over real captures say so and are skipped"
fi
if [ "$(id -u)" = 0 ]; then
  export MNVKD_CI_LIVE=1
  echo "live tests: on (root)"
elif [ "${CI:-}" = true ]; then
  die "CI must run as root: live tests may not be skipped"
else
  echo "live tests: skipped (not root)"
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

say "formatting"
cargo fmt --all --check

say "lints"
cargo clippy --quiet --workspace --all-targets -- -D warnings

say "tests"
cargo test --workspace --no-fail-fast 2>&1 | tee "$log" | grep -vE '^test .* \.\.\. ok$|^$|^running ' || true

say "loom"
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
  cargo test -p mnvkd-hugepages --test loom --release 2>&1 | tee -a "$log" | tail -n 15

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps

say "the program"
cargo build --quiet --release
report=$(./target/release/mnvkd run --for 2s --json)
case $report in
  *'"unaccounted": 0'*) echo "run: every packet accounted for" ;;
  *) printf '%s\n' "$report"; die "mnvkd run --for 2s: packets are unaccounted for" ;;
esac
./target/release/mnvkd check

say "done"
passed=$(awk '/^test result:/ { p += $4 } END { print p + 0 }' "$log")
failed=$(awk '/^test result:/ { f += $6 } END { print f + 0 }' "$log")
suites=$(grep -c '^test result:' "$log" || true)
broken=$(grep -cE '^error(\[|:)' "$log" || true)
echo "$suites suites, $SECONDS s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$broken" = 0 ] && [ "$suites" -gt 5 ]
