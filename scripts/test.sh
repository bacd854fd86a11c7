#!/usr/bin/env bash
# The whole check: formatting, lints, tests, documentation, loom, live tests (as root), and the program itself.
# Installs what it needs. Every step is carried out whatever became of the others; a table says which
# failed. The last line is `N passed, M failed`; the exit code says the same.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'test.sh: %s\n' "$1" >&2; exit 1; }

root() { # run something as root, if that can be
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1; then sudo "$@"
  else die "needs root for: $* (run as root, or install sudo)"; fi
}

# ---- what is needed

if ! command -v cc >/dev/null 2>&1; then
  command -v apt-get >/dev/null 2>&1 || die "no C compiler (cc) to link with, and no apt-get to install one: install gcc"
  echo "installing gcc, which Rust links with"
  root apt-get update -qq
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc libc6-dev >/dev/null
fi
command -v cargo >/dev/null 2>&1 || die "no cargo: install Rust 1.95 or later (https://rustup.rs)"
rust=$(rustc --version | cut -d' ' -f2)
[ "$(printf '1.95.0\n%s\n' "${rust%%-*}" | sort -V | head -n 1)" = 1.95.0 ] || die "Rust $rust is too old: 1.95 or later is needed (rustup update stable)"
cargo fmt --version >/dev/null 2>&1 || die "no rustfmt: rustup component add rustfmt"
cargo clippy --version >/dev/null 2>&1 || die "no clippy: rustup component add clippy"
printf 'rust %s, %s CPUs, user %s\n' "$rust" "$(nproc)" "$(id -un)"

if [ -d ../shared/captures ]; then
  echo "captures: ../shared/captures"
  # Where the captures are, a test that does not find them is broken.
  export CI_REQUIRE_SHARED=1
else
  echo "captures: ../shared/captures is not here; tests over real captures say so and are skipped"
fi
# What live tests talk to mnvkd with: command and Debian package.
live_tools=(ip iproute2 ethtool ethtool ping iputils-ping arping iputils-arping nping nmap sockperf sockperf iperf3 iperf3
  tcpreplay tcpreplay tcpdump tcpdump python3 python3-minimal setpriv util-linux prlimit util-linux
  nsd nsd dig bind9-dnsutils delv bind9-dnsutils dnssec-signzone bind9-utils kdig knot-dnsutils dnsperf dnsperf)
live_packages() { # those whose command is not here
  local i
  for ((i = 0; i < ${#live_tools[@]}; i += 2)); do
    command -v "${live_tools[i]}" >/dev/null 2>&1 || echo "${live_tools[i + 1]}"
  done | sort -u
}
if [ "$(id -u)" = 0 ]; then
  mapfile -t packages < <(live_packages)
  if [ ${#packages[@]} -gt 0 ]; then
    command -v apt-get >/dev/null 2>&1 || die "live tests need ${packages[*]}, and there is no apt-get to install them"
    echo "installing ${packages[*]}, which live tests use"
    apt-get update -qq
    env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${packages[@]}" >/dev/null
    # Tests start a server of their own where they want it; what the package starts is in nobody's interest here.
    case " ${packages[*]} " in *" nsd "*) systemctl disable --now --quiet nsd 2>/dev/null || service nsd stop >/dev/null 2>&1 || true ;; esac
  fi
  export MNVKD_CI_LIVE=1
  echo "live tests: on (root)"
elif [ "${CI:-}" = true ]; then
  die "CI must run as root: live tests may not be skipped"
else
  echo "live tests: skipped (not root)"
fi

# ---- what must be as it was: temporary files, reserved pages

work=$(mktemp -d)
# Some tests have a user without privileges read their configuration.
chmod 755 "$work"
export TMPDIR=$work
log=$work/tests.log
reserved() { grep -H . /sys/devices/system/node/node*/hugepages/hugepages-*/nr_hugepages 2>/dev/null || true; }
reserved > "$work/reserved"
namespaces() { ls /run/netns 2>/dev/null | grep -E '^mnvkd|^xdp|^lab-' || true; }
namespaces > "$work/namespaces"
leave() {
  while IFS=: read -r pool pages; do
    [ "$(cat "$pool")" = "$pages" ] && continue
    echo "test.sh: $pool was $pages and is $(cat "$pool"): put back" >&2
    echo "$pages" > "$pool" || echo "test.sh: it could not be put back" >&2
  done < "$work/reserved"
  rm -rf "$work"
}
trap leave EXIT

# ---- the steps

table=() bad=0
step() { # step NAME COMMAND...: its output, its time, a line in the table
  local name=$1 start=$SECONDS rc=0
  shift
  printf '\n== %s  (at %ss)\n' "$name" "$start"
  # `set -e` holds inside only where the command is no condition: so in a shell of its own.
  set +e
  (set -e; "$@")
  rc=$?
  set -e
  local word=ok
  [ $rc = 0 ] || { word="FAILED ($rc)"; bad=$((bad + 1)); }
  table+=("$(printf '%-16s %5ss  %s' "$name" $((SECONDS - start)) "$word")")
}

lints() { cargo clippy --quiet --workspace --all-targets -- -D warnings; }

tests() { # unit, integration, property and documentation tests
  cargo test --workspace --no-fail-fast 2>&1 | tee -a "$log" | { grep -vE '^test .* \.\.\. ok$|^$|^running ' || true; }
}

loom() {
  RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
    cargo test -p mnvkd-hugepages --test loom --release 2>&1 | tee -a "$log" | tail -n 15
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps; }

licences() {
  if [ -f deny.toml ] && cargo deny --version >/dev/null 2>&1; then cargo deny --offline check licenses
  else echo "skipped: cargo-deny or its deny.toml is not here"; fi
}

program() { # the README's command, for two seconds
  cargo build --quiet --release
  local report
  report=$(timeout 20 ./target/release/mnvkd run --for 2s --json)
  case $report in
    *'"unaccounted": 0'*) echo "run: every packet accounted for" ;;
    *) printf '%s\n' "$report"; echo "mnvkd run --for 2s: packets are unaccounted for"; return 1 ;;
  esac
  ./target/release/mnvkd check
}

: > "$log"
step formatting cargo fmt --all --check
step lints lints
step tests tests
step loom loom
step documentation documentation
step licences licences
step program program
nothing_left() { # of the network namespaces live tests make
  local left
  left=$(namespaces | grep -vxFf "$work/namespaces" || true)
  [ -z "$left" ] || { echo "network namespaces are left behind: $left"; return 1; }
}
step left-behind nothing_left

# ---- the table

passed=$(awk '/^test result:/ { p += $4 } END { print p + 0 }' "$log")
failed=$(awk '/^test result:/ { f += $6 } END { print f + 0 }' "$log")
suites=$(grep -c '^test result:' "$log" || true)
grep -E '^test .* \.\.\. FAILED$' "$log" || true
printf '\n'
printf '%s\n' "${table[@]}"
printf '%s suites, %s s\n' "$suites" "$SECONDS"
[ "$suites" -gt 5 ] || { echo "test.sh: only $suites test suites ran" >&2; bad=$((bad + 1)); }
[ $bad = 0 ] || echo "$bad of ${#table[@]} steps failed"
echo "$passed passed, $failed failed"
[ $bad = 0 ] && [ "$failed" = 0 ]
