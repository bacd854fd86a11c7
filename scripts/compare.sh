#!/usr/bin/env bash
# compare.sh [--json] [NAME...]: ours beside the peers of ../shared/anchors, on the same CPU, in turns,
# ROUNDS times (default 3), medians. Names: mac-swap sink capture-meter capture-mac-swap lane two-cores (all of these
# unless given); timer, which is timer-arm timer-rearm timer-cancel; hash, which is hash-bulk hash-longest; routes, which is
# routes-ipv4-random routes-ipv4-drawn routes-ipv6-random routes-ipv6-drawn; and live, which is xdp-mac-swap xdp-sink packet-mac-swap
# echo-p50 echo-p99 over a veth, and SENDER-RECEIVER-rate with our generator as the sender: xdp-sink-rate xdp-mac-swap-rate
# packet-sink-rate packet-mac-swap-rate; and dns, which is dns-unbound dns-dnsdist dns-p99 over the same veth.
# As root: the peers are DPDK's and their scripts install them and reserve hugepages, which ours get as
# well and which are given back at the end. Without root, or without the scripts, ours alone are measured.
#   ROUNDS=3 SECONDS_EACH=3 MNVKD_ANCHORS=../shared/anchors MNVKD_CAPTURE=.../large_ndpi_interleaved.pcap
set -euo pipefail
cd "$(dirname "$0")/.."

die() { printf 'compare.sh: %s\n' "$1" >&2; exit 1; }
say() { printf '# %s\n' "$1" >&2; }

rounds=${ROUNDS:-3}
each=${SECONDS_EACH:-3}
anchors=$(realpath -m "${MNVKD_ANCHORS:-../shared/anchors}")
capture=$(realpath -m "${MNVKD_CAPTURE:-../shared/captures/large_ndpi_interleaved.pcap}")
json=no
all=(mac-swap sink capture-meter capture-mac-swap lane two-cores)
tables=(hash-bulk hash-longest)
live=(xdp-mac-swap xdp-sink packet-mac-swap echo-p50 echo-p99 xdp-sink-rate xdp-mac-swap-rate packet-sink-rate packet-mac-swap-rate)
timer=(timer-arm timer-rearm timer-cancel)
routes=(routes-ipv4-random routes-ipv4-drawn routes-ipv6-random routes-ipv6-drawn)
dns=(dns-unbound dns-dnsdist dns-p99)
names=()
for arg in "$@"; do
  case $arg in
    --json) json=yes ;;
    -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    live) names+=("${live[@]}") ;;
    dns) names+=("${dns[@]}") ;;
    hash) names+=("${tables[@]}") ;;
    timer) names+=("${timer[@]}") ;;
    routes) names+=("${routes[@]}") ;;
    *)
      known="${all[*]} ${tables[*]} ${live[*]} ${timer[*]} ${routes[*]} ${dns[*]}"
      [[ " $known " = *" $arg "* ]] || die "no row named $arg; there are: $known"
      names+=("$arg") ;;
  esac
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "ROUNDS=$rounds: expected a number from 1 up"

peers=yes
if [ ! -x "$anchors/testpmd-null.sh" ]; then peers=no; say "no peers at $anchors: ours alone"
elif [ "$(id -u)" != 0 ]; then peers=no; say "not root: the peers cannot be run, ours alone"; fi
# testpmd's main thread is on CPU 0 and forwards on CPU 1; so do we.
cpus=$(nproc)
cpu=$((cpus > 1 ? 1 : 0))
[ "$cpus" -gt 1 ] || say "one CPU only: rows that need two are left out, and the peers are not run"
[ "$cpus" -gt 1 ] || peers=no

# ---- what must be as it was: hugepages, DPDK's files in them, the mount

work=$(mktemp -d)
pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
reserved=$(cat $pool 2>/dev/null || echo none)
mounted=$(mountpoint -q /mnt/huge && echo yes || echo no)
# A network of the peers' that somebody else has up stays up.
veth=$(ip link show dut0 > /dev/null 2>&1 && echo yes || echo no)
# DPDK leaves its pages in files when it ends, where they are nobody's and yet not free.
forget() {
  local file
  for file in /mnt/huge/*map_[0-9]*; do
    [ -e "$file" ] || continue
    flock --exclusive --nonblock "$file" rm -f "$file" || true
  done
}
leave() {
  rm -rf "$work"
  [ $peers = yes ] || return 0
  [ "$veth" = yes ] || "$anchors/veth-lab.sh" down > /dev/null 2>&1 || true
  forget
  [ "$mounted" = yes ] || umount /mnt/huge 2>/dev/null || true
  [ "$reserved" = none ] || echo "$reserved" > $pool || true
}
trap leave EXIT
trap 'exit 130' INT TERM

if [ $peers = yes ] && [ "$reserved" != none ]; then
  [ "$mounted" = no ] || forget
  [ "$reserved" -ge 1024 ] || echo 1024 > $pool
  got=$(cat $pool)
  [ "$got" -ge 1024 ] || say "only $got of 1024 pages of 2 MB could be reserved: a peer may not start"
fi

# ---- ours

say "building"
cargo build --quiet --release
# Benches are built for rows that run one.
case " ${names[*]} " in *" lane "* | *" timer-"* | *" hash-"* | *" routes-"*)
  cargo bench --quiet --no-run --bench lane --bench timer --bench hash --bench routes ;;
esac
mnvkd=$PWD/target/release/mnvkd

config() { # config CORES PORTS STAGES [TO]: a file, and its name
  local file to=""
  file=$(mktemp "$work/XXXXXX.toml")
  [ $# -lt 4 ] || to="to = [\"$4\"]"
  cat > "$file" <<TOML
[dataplane]
cores = $1
idle = "spin"
burst = 32
seed = 1
pages = "prefer"
arena = "256MiB"
$2
[[pipeline]]
name = "p"
from = ["in"]
$to
stages = [$3]
TOML
  echo "$file"
}
null_in='[[port]]
name = "in"
driver = "null"
size = 64'
null_pair="$null_in
[[port]]
name = \"out\"
driver = \"null\""
capture_in="[[port]]
name = \"in\"
driver = \"capture\"
file = '$capture'
loop = 0
preload = true"
capture_pair="$capture_in
out = \"/dev/null\"
format = \"pcap\""

run() { # run KEY CONFIG: the number KEY of the report's rate
  local report=$work/report value
  timeout $((each + 60)) "$mnvkd" run "$2" --for "${each}s" --json > "$report" 2> "$work/stderr" ||
    { cat "$work/stderr" >&2; die "mnvkd run failed with $(cat "$2")"; }
  grep -q '"unaccounted": 0' "$report" || die "packets are unaccounted for: $(cat "$report")"
  grep -q '"obtained": "\(2M\|1G\)"' "$report" || [ $peers = no ] || say "ours had no huge pages: $(grep '"reason"' "$report")"
  value=$(tr -d ' \n' < "$report" | sed -n "s/.*\"rate\":{[^}]*\"$1\":\([0-9.e+-]*\).*/\1/p")
  [ -n "$value" ] || die "no $1 in the report: $(cat "$report")"
  echo "$value"
}
lane() { cargo bench --quiet --bench lane -- --quick ring_32B | awk '$1 == "ring_32B" { print $2 }'; }

# ---- ours over a veth: the peers' network, generator and client, their CPUs too (device under test 0, generator 1)

# The config of a driver on the network's device, as it is unless told otherwise; QUEUES as the peers' drivers, which take one.
# (DPDK's net_af_xdp asks for busy polling by default. On Linux 6.18 a veth cannot be polled: its calls come back at once.)
live_config() { # live_config DRIVER STAGE [QUEUES]
  config "[${DUT_CPU:-0}]" "[[port]]
name = \"in\"
driver = \"$1\"
device = \"dut0\"
${3:+queues = $3}
[app.echo]
addresses = [\"10.9.0.1/24\"]
others = \"drop\"" "\"$2\""
}
live_start() { # live_start CONFIG SECONDS: in the background, polling when this returns
  "$anchors/veth-lab.sh" up > /dev/null
  timeout $(($2 + 60)) "$mnvkd" run "$1" --for "$2s" --json > "$work/report" 2> "$work/stderr" &
  daemon=$!
  for ((tries = 0; tries < 100; tries++)); do
    ! grep -q '^running:' "$work/stderr" || return 0
    sleep 0.1
  done
  cat "$work/stderr" >&2
  die "mnvkd does not run on the veth"
}
field() { tr -d ' \n' < "$work/report" | sed -n "s/.*$1.*/\1/p"; }
first() { grep -m 1 "\"$1\"" "$work/report" | tr -dc 0-9; }
live_run() { # live_run DRIVER STAGE: cycles a packet
  local value sent
  live_start "$(live_config "$1" "$2" 1)" 10
  sent=$("$anchors/testpmd-generator.sh" 5 2>/dev/null | awk '{ print $2 }')
  forget
  wait "$daemon" || { cat "$work/stderr" >&2; die "mnvkd run failed over the veth"; }
  grep -q '"unaccounted": 0' "$work/report" || die "packets are unaccounted for: $(cat "$work/report")"
  value=$(field '"rate":{[^}]*"cycles_per_packet":\([0-9.e+-]*\)')
  [ -n "$value" ] || die "no cycles in the report: $(cat "$work/report")"
  say "ours, $1 $2: $sent sent, $(first received) received, $(first forwarded) forwarded"
  echo "$value"
}
# Our generator at the far end, sending by DRIVER from one queue, as fast as it can, RATE_SECONDS long: packets it sent.
rate_seconds=5
live_sender() { # live_sender DRIVER
  local sender sent
  sender=$(config "[${GEN_CPU:-1}]" "[[port]]
name = \"in\"
driver = \"generator\"
flows = 1
size = 64
duration = \"${rate_seconds}s\"
[[port]]
name = \"out\"
driver = \"$1\"
device = \"gen0\"
queues = 1" '"forward"' out)
  ip netns exec gen ethtool -L gen0 tx 1 2> /dev/null || true
  timeout $((rate_seconds + 30)) ip netns exec gen "$mnvkd" run "$sender" --for $((rate_seconds + 3))s --json > "$work/sent" 2> "$work/stderr" ||
    { cat "$work/stderr" >&2; die "our generator does not send by $1"; }
  ip netns exec gen ethtool -L gen0 tx 2 2> /dev/null || true
  tr -d ' \n' < "$work/sent" | sed -n 's/.*"out":{[^}]*}[^}]*"transmitted":\([0-9]*\).*/\1/p'
}
rate_of() { awk -v n="$1" -v s=$rate_seconds 'BEGIN { printf "%.0f", n / s }'; }
live_rate() { # live_rate SENDER STAGE: packets a second that came
  local sent
  live_start "$(live_config af_xdp "$2" 1)" $((rate_seconds + 6))
  sent=$(live_sender "$1")
  wait "$daemon" || { cat "$work/stderr" >&2; die "mnvkd run failed over the veth"; }
  grep -q '"unaccounted": 0' "$work/report" || die "packets are unaccounted for: $(cat "$work/report")"
  say "ours, our generator by $1: $sent sent, $(first received) received, $(field '"rate":{[^}]*"cycles_per_packet":\([0-9]*\)') cycles/packet"
  rate_of "$(first received)"
}
percentile() { # percentile P: sockperf's half round trips in, the round trip in µs out
  sed 's/\x1b\[[0-9;]*m//g' | awk -v p="percentile $1.000" 'index($0, p) { print 2 * $NF }'
}
live_echo() { # live_echo PERCENTILE
  local value client=(ip netns exec gen taskset -c "${GEN_CPU:-1}" sockperf ping-pong -i 10.9.0.1 -p 11111 -t 5 -m 64)
  live_start "$(live_config af_xdp echo)" 9
  value=$("${client[@]}" 2>&1 | percentile "$1")
  wait "$daemon" || { cat "$work/stderr" >&2; die "mnvkd run failed over the veth"; }
  [ -n "$value" ] || die "sockperf had no answer; $(cat "$work/report")"
  echo "$value"
}

# ---- DNS over the veth: two names, answered from memory; kxdpgun offers 300,000 queries/s, benches/clients/dns_latency.rs 50,000

stub() { # stub ADDRESS PORT COMMAND...: unbound that answers a.example. and b.example. there, in the background
  local dir address=$1 port=$2
  dir=$(mktemp -d "$work/XXXXXX")
  shift 2
  cat > "$dir/unbound.conf" <<CONF
server:
  interface: $address@$port
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "$dir"
  pidfile: "$dir/pid"
  access-control: 0.0.0.0/0 allow
  do-not-query-localhost: no
  num-threads: 1
  use-syslog: no
  local-zone: "example." static
  local-data: "a.example. 300 IN A 192.0.2.1"
  local-data: "b.example. 300 IN A 192.0.2.2"
CONF
  "$@" taskset -c "${GEN_CPU:-1}" unbound -c "$dir/unbound.conf" > /dev/null 2>&1 &
  stubs+=($!)
}
unstub() { kill "${stubs[@]}" 2>/dev/null || true; wait "${stubs[@]}" 2>/dev/null || true; stubs=(); }
dns_needs() { (. "$anchors/lib.sh"; need unbound unbound; need kxdpgun knot-dnsutils; need dnsdist dnsdist) > "$work/stderr" 2>&1; }
dns_config() {
  config "[${DUT_CPU:-0}]" '[[port]]
name = "in"
driver = "af_xdp"
device = "dut0"
[app.echo]
addresses = ["10.9.0.1/24"]
[app.dns-cache]
addresses = ["10.9.0.1/24"]
upstreams = ["10.9.0.2:53"]
others = "drop"' '"echo", "dns-cache"'
}
dns_rate() { # answers/s of what kxdpgun offers for as long as each row is measured
  "$anchors/dns-load.sh" 300000 "$each" 2> "$work/stderr" | awk -v s="$each" '$1 == "dns" && $6 > 0 { printf "%.0f", $6 / s }'
}
dns_p99() { # the 99th percentile of latencies at 50,000 queries/s, µs
  local said client=$work/dns_latency
  [ -x "$client" ] || rustc --edition 2024 -O benches/clients/dns_latency.rs -o "$client" || die "benches/clients/dns_latency.rs does not compile"
  said=$(ip netns exec gen taskset -c "${GEN_CPU:-1}" "$client" 10.9.0.1:53 50000 "$each" a.example b.example 2> "$work/stderr")
  say "dns_latency: $said"
  awk '{ for (i = 1; i < NF; i++) if ($i == "p99") print $(i + 1) }' <<< "$said"
}
dns_value() { case $1 in dns-p99) dns_p99 ;; *) dns_rate ;; esac; }
ours_dns() { # ours_dns ROW
  local value
  "$anchors/veth-lab.sh" up > /dev/null
  stub 10.9.0.2 53 ip netns exec gen
  live_start "$(dns_config)" $((each + 6))
  value=$(dns_value "$1")
  wait "$daemon" || { cat "$work/stderr" >&2; die "mnvkd run failed over the veth"; }
  unstub
  grep -q '"unaccounted": 0' "$work/report" || die "packets are unaccounted for: $(cat "$work/report")"
  say "ours, dns-cache: $(first hits) hits, $(first misses) misses, $(first joined) waited for others' answers"
  [ -n "$value" ] || die "dns-cache gave no answer: $(cat "$work/report")"
  echo "$value"
}
theirs_dns() { # theirs_dns ROW
  local value
  "$anchors/veth-lab.sh" up > /dev/null
  if [ "$1" = dns-dnsdist ]; then
    stub 127.0.0.1 5300
    cat > "$work/dnsdist.conf" <<'CONF'
setLocal("10.9.0.1:53", {reusePort = false})
setACL("0.0.0.0/0")
newServer({address = "127.0.0.1:5300", checkName = "a.example."})
getPool(""):setCache(newPacketCache(10000))
setSecurityPollSuffix("")
CONF
    taskset -c "${DUT_CPU:-0}" dnsdist --supervised --disable-syslog -C "$work/dnsdist.conf" > "$work/stderr" 2>&1 < /dev/null &
    stubs+=($!)
  else
    timeout $((each + 20)) "$anchors/dns-peer.sh" unbound $((each + 10)) > /dev/null 2>&1 &
    stubs+=($!)
  fi
  sleep 2
  value=$(dns_value "$1")
  unstub
  [ -n "$value" ] || { cat "$work/stderr" >&2; die "the peer of $1 gave no answer"; }
  echo "$value"
}
stubs=()

# ---- theirs

anchor() { # anchor NAME ARGS...: the last line's second word
  local name=$1 value
  shift
  value=$("$anchors/$name.sh" "$@" 2> "$work/stderr" | awk '{ v = $2 } END { print v }')
  forget
  [[ $value =~ ^[0-9.]+$ ]] || { cat "$work/stderr" >&2; die "$name.sh $* printed no figure"; }
  echo "$value"
}
rte_ring() { # both sides' cycles for an element: 16 bytes, bulks of 32, two cores
  local value
  value=$("$anchors/dpdk-test.sh" ring_perf 2> "$work/stderr" | awk '
    /^###/ { two = /two physical cores/ }
    two && /element size 16B.*SP\/SC.*size: 32/ { print $NF; exit }')
  forget
  [ -n "$value" ] || { cat "$work/stderr" >&2; die "ring_perf has no line for 16 bytes between two cores"; }
  echo "$value"
}

# ---- the rows: what is measured, in what, the goal, ours, theirs

live_peer() { # live_peer DRIVER MODE: cycles a packet
  local out value
  out=$("$anchors/testpmd-veth.sh" "$1" "$2" 2> "$work/stderr")
  forget
  say "theirs: $(paste -sd, <<< "$out")"
  value=$(awk '/cycles\/packet/ { v = $2 } END { print v }' <<< "$out")
  [[ $value =~ ^[0-9.]+$ ]] || { cat "$work/stderr" >&2; die "testpmd-veth.sh $* printed no figure"; }
  echo "$value"
}
peer_rate() { # peer_rate SENDER MODE: packets a second that came to testpmd on net_af_xdp
  local cpu=${DUT_CPU:-0} received sent
  "$anchors/veth-lab.sh" up > /dev/null
  { sleep $((rate_seconds + 7)); echo stop; echo quit; } | timeout 60 dpdk-testpmd --lcores "0@$cpu,1@$cpu" --file-prefix dut --no-pci \
    --vdev=net_af_xdp0,iface=dut0 -m 512 --no-telemetry -- -i --forward-mode="$2" --nb-cores=1 --auto-start --burst=32 \
    --record-core-cycles --total-num-mbufs=16384 > "$work/testpmd" 2>&1 &
  daemon=$!
  sleep 3
  sent=$(live_sender "$1")
  wait "$daemon" || { cat "$work/testpmd" >&2; die "testpmd failed over the veth"; }
  forget
  received=$(awk '/RX-packets:/ { r = $2 } END { print r }' "$work/testpmd")
  say "theirs, our generator by $1: $sent sent, $received received, $(sed -n 's/.*CPU cycles\/packet=\([0-9]*\).*/\1/p' "$work/testpmd") cycles/packet"
  rate_of "${received:-0}"
}
kernel_echo() { # kernel_echo PERCENTILE: the kernel's UDP echo, the same client
  local value
  value=$("$anchors/udp-latency.sh" 5 2> "$work/stderr" | awk -v p="percentile-$1.000" 'index($1, p) { print $2 }')
  [ -n "$value" ] || { cat "$work/stderr" >&2; die "udp-latency.sh printed no percentile $1"; }
  echo "$value"
}
# A peer that is a program of ours, in C against DPDK's libraries (scripts/peers), is built once a run.
peer_program() { # peer_program NAME: its file
  local program=$work/$1
  if [ ! -x "$program" ]; then
    pkg-config --exists libdpdk 2> /dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq dpdk-dev; } > /dev/null
    # shellcheck disable=SC2046
    cc -O3 -march=native $(pkg-config --cflags libdpdk) "scripts/peers/$1.c" -o "$program" $(pkg-config --libs libdpdk) \
      2> "$work/stderr" || { cat "$work/stderr" >&2; die "scripts/peers/$1.c does not compile"; }
  fi
  echo "$program"
}

# Rows that one run measures together: ours or theirs prints `name value` lines, kept until each has been told in a round.
together() { # together FILE NAME COMMAND...: the figure NAME
  local file=$work/$1 name=$2 value
  shift 2
  if ! grep -q "^$name " "$file" 2> /dev/null; then
    timeout 600 "$@" > "$file" 2> "$work/stderr" || { cat "$work/stderr" >&2; die "$* failed"; }
  fi
  value=$(awk -v name="$name" '$1 == name { print $2 }' "$file")
  [[ $value =~ ^[0-9.]+$ ]] || { cat "$work/stderr" >&2; die "$* printed no $name"; }
  sed -i "/^$name /d" "$file"
  echo "$value"
}
hash_bench() { cargo bench --quiet --bench hash -- --quick "$1" | awk -v name="$1" '$1 == name { print $2 }'; }
rte_hash() { # cycles a key: 2^20 entries, a million keys of 16 bytes, bulks of 64, as benches/hash.rs has them
  local value
  if [ ! -x "$work/rte_hash" ]; then
    (. "$anchors/lib.sh"; need dpdk-test dpdk dpdk-dev; need cc gcc; need pkg-config pkgconf) > "$work/stderr" 2>&1 &&
      cc -O3 scripts/peers/rte_hash.c -o "$work/rte_hash" $(pkg-config --cflags --libs libdpdk) 2> "$work/stderr" ||
      { cat "$work/stderr" >&2; die "scripts/peers/rte_hash.c does not compile"; }
  fi
  value=$(timeout 120 "$work/rte_hash" -l "$cpu" --no-pci --no-telemetry -m 512 -- 0 2> "$work/stderr" |
    awk '$1 == "rte_hash_bulk_1M" { print $2 }')
  forget
  [ -n "$value" ] || { cat "$work/stderr" >&2; die "rte_hash printed no figure"; }
  echo "$value"
}
ours_timer() { together timer.ours "timer_$1_1M" cargo bench --quiet --bench timer -- --quick timer_arm timer_rearm timer_cancel; }
theirs_timer() { together timer.theirs "$1" env PEER_CPU=$cpu "$(peer_program timer)" 1000000 1; }
# The bench leaves the prefixes, the addresses and what it found for the peer, which compares.
ours_routes() { together routes.ours "$1" env MNVKD_ROUTES_DIR="$work" cargo bench --quiet --bench routes -- --quick bulk; }
theirs_routes() { together routes.theirs "$1" env PEER_CPU=$cpu "$(peer_program lpm)" "$work"; }
routes_row() { local row=${1#routes-}; echo "${row%-*}_bulk_${row#*-}"; }

declare -A what unit goal
row() { what[$1]=$2 unit[$1]=$3 goal[$1]=$4; }
row mac-swap "null → mac-swap → null | testpmd macswap" cycles/packet 0.5
row sink "null → sink | testpmd rxonly" cycles/packet 0.7
row capture-meter "capture → flow-meter → sink | testpmd-pcap rxonly" cycles/packet 0.6
row capture-mac-swap "capture → mac-swap → /dev/null | testpmd-pcap macswap" cycles/packet 0.5
row lane "lane's ring, 32 B, bulk 32 | rte_ring, 16 B, bulk 32" cycles/packet 0.5
row two-cores "null → mac-swap → null: two cores | one core" packets/s 1.8

row timer-arm "timer, a million pending: arm | rte_timer_reset, stopped" cycles 0.2
row timer-rearm "timer, a million pending: rearm | rte_timer_reset, pending" cycles 0.2
row timer-cancel "timer, a million pending: cancel | rte_timer_stop" cycles 0.2
row routes-ipv4-random "routes, 900k IPv4, any address | rte_lpm_lookup_bulk" cycles 0.7
row routes-ipv4-drawn "routes, 900k IPv4, of the prefixes | rte_lpm_lookup_bulk" cycles 0.7
row routes-ipv6-random "routes, 200k IPv6, any address | rte_lpm6_lookup_bulk" cycles 0.7
row routes-ipv6-drawn "routes, 200k IPv6, of the prefixes | rte_lpm6_lookup_bulk" cycles 0.7
row hash-bulk "FlowTable, 1M of 16 B: bulk lookup | rte_hash, bulk lookup" cycles 0.6
row hash-longest "FlowTable, 90 % full: longest op | hashbrown, 90 % full" ns 2000
row xdp-mac-swap "veth, af_xdp → mac-swap | testpmd net_af_xdp macswap" cycles/packet 0.8
row xdp-sink "veth, af_xdp → sink | testpmd net_af_xdp rxonly" cycles/packet 0.8
row packet-mac-swap "veth, af_packet → mac-swap | testpmd net_af_packet macswap" cycles/packet 0.6
row xdp-sink-rate "our generator, af_xdp → sink | testpmd net_af_xdp rxonly" packets/s none
row xdp-mac-swap-rate "our generator, af_xdp → mac-swap | testpmd net_af_xdp macswap" packets/s none
row packet-sink-rate "our generator by af_packet → sink | testpmd net_af_xdp rxonly" packets/s none
row packet-mac-swap-rate "our generator by af_packet → mac-swap | testpmd net_af_xdp macswap" packets/s none
row echo-p50 "UDP echo, round trip p50 | kernel's, sockperf" µs 0.6
row echo-p99 "UDP echo, round trip p99 | kernel's, sockperf" µs 0.7

row dns-unbound "dns-cache, 300k queries/s offered | unbound" answers/s 2.5
row dns-dnsdist "dns-cache, 300k queries/s offered | dnsdist" answers/s 2.5
row dns-p99 "dns-cache, 50k queries/s, p99 | unbound" µs 0.5

# One core with one queue and two with two: everything else is the same.
mac_swap=$(config "[$cpu]" "$null_pair" '"mac-swap"' out)
mac_swap_two=$(config "[0, 1]" "$null_pair" '"mac-swap"' out)
sink=$(config "[$cpu]" "$null_in" '"sink"')
meter=$(config "[$cpu]" "$capture_in" '"flow-meter", "sink"')
to_null=$(config "[$cpu]" "$capture_pair" '"mac-swap"')

receiver() { # receiver ROW: the stage in a name of a rate's row
  local stage=${1#*-}
  echo "${stage%-rate}"
}
mode_of() { [ "$(receiver "$1")" = sink ] && echo rxonly || echo macswap; }
ours() {
  case $1 in
    mac-swap) run cycles_per_packet "$mac_swap" ;;
    sink) run cycles_per_packet "$sink" ;;
    capture-meter) run cycles_per_packet "$meter" ;;
    capture-mac-swap) run cycles_per_packet "$to_null" ;;
    lane) lane ;;
    two-cores) run packets_per_second "$mac_swap_two" ;;
    hash-bulk) hash_bench hash_bulk_1M ;;
    hash-longest) hash_bench hash_churn_longest_1M ;;
    timer-*) ours_timer "${1#timer-}" ;;
    routes-*) ours_routes "$(routes_row "$1")" ;;
    xdp-mac-swap) live_run af_xdp mac-swap ;;
    xdp-sink) live_run af_xdp sink ;;
    packet-mac-swap) live_run af_packet mac-swap ;;
    echo-p*) live_echo "${1#echo-p}" ;;
    xdp-*-rate) live_rate af_xdp "$(receiver "$1")" ;;
    packet-*-rate) live_rate af_packet "$(receiver "$1")" ;;
    dns-*) ours_dns "$1" ;;
  esac
}
theirs() {
  case $1 in
    two-cores) run packets_per_second "$mac_swap"; return ;;
    hash-longest) hash_bench hashbrown_churn_longest_1M; return ;;
    *) [ $peers = yes ] || return 0 ;;
  esac
  case $1 in
    mac-swap) anchor testpmd-null macswap ;;
    sink) anchor testpmd-null rxonly ;;
    capture-meter) anchor testpmd-pcap "$capture" rxonly ;;
    capture-mac-swap) anchor testpmd-pcap "$capture" macswap ;;
    lane) rte_ring ;;
    hash-bulk) rte_hash ;;
    timer-*) theirs_timer "${1#timer-}" ;;
    routes-*) theirs_routes "$(routes_row "$1")" ;;
    xdp-mac-swap) live_peer af_xdp macswap ;;
    xdp-sink) live_peer af_xdp rxonly ;;
    packet-mac-swap) live_peer af_packet macswap ;;
    echo-p*) kernel_echo "${1#echo-p}" ;;
    xdp-*-rate) peer_rate af_xdp "$(mode_of "$1")" ;;
    packet-*-rate) peer_rate af_packet "$(mode_of "$1")" ;;
    dns-*) theirs_dns "$1" ;;
  esac
}
possible() {
  case $1 in
    capture-*) [ -f "$capture" ] || { say "$1: no capture at $capture"; return 1; } ;;
    xdp-* | packet-* | echo-* | dns-*)
      [ $peers = yes ] || { say "$1: needs root, two CPUs and the scripts in $anchors, for the network and the sender"; return 1; }
      [[ $1 != dns-* ]] || dns_needs || { say "$1: unbound, dnsdist or knot-dnsutils cannot be installed: $(tail -n 1 "$work/stderr")"; return 1; } ;;
    lane | two-cores) [ "$cpus" -gt 1 ] || { say "$1: needs two CPUs"; return 1; } ;;
  esac
}

median() { sort -g "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
list() { paste -sd, "$1"; }
verdict() { # verdict NAME RATIO OURS: the longest operation has an absolute goal, which its peer is far from
  case $1 in
    hash-longest) awk -v a="$3" -v g="${goal[$1]}" 'BEGIN { print (a + 0 <= g + 0) ? "yes" : "no" }' ;;
    *-rate) echo null ;;
    two-cores | dns-unbound | dns-dnsdist) awk -v r="$2" -v g="${goal[$1]}" 'BEGIN { print (r + 0 >= g + 0) ? "yes" : "no" }' ;;
    *) awk -v r="$2" -v g="${goal[$1]}" 'BEGIN { print (r + 0 <= g + 0) ? "yes" : "no" }' ;;
  esac
}
sign() {
  case $1 in
    *-rate) echo - ;;
    two-cores | dns-unbound | dns-dnsdist) echo "≥ ${goal[$1]}" ;;
    *) echo "≤ ${goal[$1]}" ;;
  esac
}
human() { awk -v v="$1" 'BEGIN { if (v > 1e6) printf "%.1f M", v / 1e6; else printf "%.2f", v }'; }

chosen=()
for name in "${names[@]}"; do if possible "$name"; then chosen+=("$name"); fi; done
for ((round = 1; round <= rounds; round++)); do
  for name in ${chosen[@]+"${chosen[@]}"}; do
    a=$(ours "$name")
    b=$(theirs "$name")
    echo "$a" >> "$work/$name.ours"
    [ -z "$b" ] || echo "$b" >> "$work/$name.theirs"
    say "round $round of $rounds: $name: ours $(human "$a"), peer $([ -z "$b" ] && echo "not run" || human "$b") ${unit[$name]} (load $(cut -d' ' -f1 /proc/loadavg))"
  done
done

# ---- the table

table=$work/table
printf 'what\tpeer\tours\tpeer\tratio\tgoal\tok?\n' > "$table"
objects=()
for name in ${chosen[@]+"${chosen[@]}"}; do
  a=$(median "$work/$name.ours")
  b=null ratio=null ok=null theirs_list=""
  if [ -s "$work/$name.theirs" ]; then
    b=$(median "$work/$name.theirs")
    ratio=$(awk -v a="$a" -v b="$b" 'BEGIN { r = a / b; if (r < 0.001) printf "%.1e", r; else printf "%.3f", r }')
    ok=$(verdict "$name" "$ratio" "$a")
    theirs_list=$(list "$work/$name.theirs")
  fi
  printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "${what[$name]% | *}" "${what[$name]#* | }" "$(human "$a")" \
    "$([ "$b" = null ] && echo - || human "$b")" "${ratio/null/-}" "$(sign "$name")$([ "$name" != hash-longest ] || echo " ns")" "${ok/null/-}" >> "$table"
  objects+=("{\"name\":\"$name\",\"what\":\"${what[$name]% | *}\",\"peer_is\":\"${what[$name]#* | }\",\"unit\":\"${unit[$name]}\",\"ours\":$a,\"peer\":$b,\"ratio\":$ratio,\"goal\":${goal[$name]/none/null},\"ok\":$(case $ok in yes) echo true ;; no) echo false ;; *) echo null ;; esac),\"rounds\":{\"ours\":[$(list "$work/$name.ours")],\"peer\":[$theirs_list]}}")
done
if [ $json = yes ]; then
  (IFS=,; printf '{"rounds":%s,"rows":[%s]}\n' "$rounds" "${objects[*]-}")
else
  # By characters, not bytes, so that arrows do not shift the columns.
  while IFS=$'\t' read -r c1 c2 c3 c4 c5 c6 c7; do
    for cell in "$c1" "$c2"; do printf '%s%*s | ' "$cell" $((34 - ${#cell})) ''; done
    printf '%9s | %9s | %6s | ' "$c3" "$c4" "$c5"
    printf '%s%*s | %s\n' "$c6" $((5 - ${#c6})) '' "$c7"
  done < "$table"
  echo "cycles/packet, two cores and rates in packets/s; medians of $rounds rounds, ours and theirs in turns; lane: both sides' cycles"
fi
