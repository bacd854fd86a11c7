#!/usr/bin/env bash
# A test network in namespaces: a device for mnvkd to take, and a host at the other end of its wire.
set -euo pipefail

usage() {
  cat <<'HELP'
scripts/lab.sh: a test network in namespaces

  lab.sh up [OPTIONS]              build it, and leave it
  lab.sh down [--name NAME]        tear it down, with what still runs in it; no error where there is none
  lab.sh shell [OPTIONS]           build it, open a shell in it, tear it down when the shell ends
  lab.sh run [OPTIONS] -- CMD...   build it, run a command in it, tear it down; the exit code is the command's

What is built, NAME being "lab" unless given:

  namespace NAME-dut               namespace NAME-client
  ┌──────────────────┐             ┌──────────────────────────┐
  │ mnvkd  ──  port0 ├── veth ─────┤ eth0  10.9.0.2  fd09::2  │
  └──────────────────┘             └──────────────────────────┘

Nobody has 10.9.0.1 and fd09::1: mnvkd answers for them (stages = ["echo"]). With --ports 2 there is port1 too, and at
its other end NAME-client1 with 10.9.0.3 and fd09::3, and so on. Duplicate address detection is off; IPv6 is off on
mnvkd's side, where the kernel has no address, unless it is given one.

Options:
  --name NAME              begin the names of all namespaces with this, so that several labs can stand side by side
  --in dut|client|client1  which namespace `shell` and `run` are in (dut); where NAME is up already they join it,
                           and leave it up
  --ports N                ports of the device under test, each with a host of its own (1)
  --queues N               receive and transmit queues of both ends (2)
  --mtu N                  of both ends, bytes (1500)
  --no-offload             both ends leave no checksum and no cutting of segments to the other
  --device-address A/LEN   an address of the kernel's own on port0; may be given twice (IPv4, IPv6)
  --help

Examples:
  scripts/lab.sh shell                                     a shell beside port0; in another: ip netns exec lab-client ...
  scripts/lab.sh up --mtu 9000 && ip netns exec lab-client ping -c 3 10.9.0.1; scripts/lab.sh down
  scripts/lab.sh run --queues 4 -- mnvkd run echo.toml     the network lives as long as the run
  scripts/lab.sh run --name two --ports 2 -- ip -br link   a network of another name
HELP
}

die() { printf 'lab.sh: %s\n' "$1" >&2; exit 1; }

# ---- arguments

[ $# -gt 0 ] || { usage >&2; exit 1; }
what=$1
shift
name=lab inside=dut ports=1 queues=2 mtu=1500 offload=yes addresses=() command=()

number() { # number OPTION VALUE LEAST MOST
  case $2 in '' | *[!0-9]*) die "$1: $2 is no number; expected $3 to $4" ;; esac
  if [ "${#2}" -gt 9 ] || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then die "$1: $2: expected $3 to $4"; fi
}

while [ $# -gt 0 ]; do
  option=$1
  case $option in
    --help | -h) usage; exit 0 ;;
    --no-offload) offload=no; shift; continue ;;
    --) shift; command=("$@"); break ;;
    --*) [ $# -gt 1 ] || die "$option: a value is missing (lab.sh --help)" ;;
    *) die "unknown argument $option (lab.sh --help)" ;;
  esac
  case $option in
    --name) name=$2 ;;
    --in) inside=$2 ;;
    --ports) number --ports "$2" 1 8; ports=$2 ;;
    --queues) number --queues "$2" 1 64; queues=$2 ;;
    --mtu) number --mtu "$2" 1280 65535; mtu=$2 ;;
    --device-address) addresses+=("$2") ;;
    *) die "unknown option $option (lab.sh --help)" ;;
  esac
  shift 2
done
case $name in '' | -* | *[!A-Za-z0-9_-]*) die "--name: $name: expected letters, digits, - and _" ;; esac
[ "${#name}" -le 100 ] || die "--name: too long"

case $what in
  --help | -h | help) usage; exit 0 ;;
  up | down | shell) [ ${#command[@]} = 0 ] || die "$what takes no command; did you mean: lab.sh run -- ${command[*]}" ;;
  run) [ ${#command[@]} -gt 0 ] || die "run: which command? lab.sh run [OPTIONS] -- CMD..." ;;
  *) die "unknown command $what: expected up, down, shell or run (lab.sh --help)" ;;
esac

command -v ip >/dev/null 2>&1 || die "no ip: install iproute2"
[ "$(id -u)" = 0 ] || die "network namespaces need root: sudo $0 $what ..."

# ---- the network

dut=$name-dut
client() { if [ "$1" = 0 ]; then echo "$name-client"; else echo "$name-client$1"; fi; }
exists() { [ -e "/run/netns/$1" ]; }
sysctl() { ip netns exec "$1" sh -c "echo $3 > /proc/sys/net/$2"; } # sysctl NAMESPACE KEY VALUE

host() { # host NUMBER: a port, the wire, and the host at its end
  local number=$1 host
  host=$(client "$number")
  ip netns add "$host"
  ip link add "port$number" netns "$dut" mtu "$mtu" numrxqueues "$queues" numtxqueues "$queues" type veth \
    peer name eth0 netns "$host" mtu "$mtu" numrxqueues "$queues" numtxqueues "$queues"
  sysctl "$dut" "ipv6/conf/port$number/disable_ipv6" 1
  sysctl "$host" ipv6/conf/eth0/accept_dad 0
  sysctl "$host" ipv6/conf/eth0/router_solicitations 0
  if [ $offload = no ]; then
    command -v ethtool >/dev/null 2>&1 || die "--no-offload: no ethtool: install it"
    local features=(rx off tx off sg off tso off gso off gro off)
    ip netns exec "$dut" ethtool -K "port$number" "${features[@]}" >/dev/null
    ip netns exec "$host" ethtool -K eth0 "${features[@]}" >/dev/null
  fi
  ip -n "$host" addr add "10.9.0.$((number + 2))/24" dev eth0
  ip -n "$host" addr add "fd09::$((number + 2))/64" dev eth0 nodad
  ip -n "$host" link set lo up
  ip -n "$host" link set eth0 up
  ip -n "$dut" link set "port$number" up
}

up() {
  [ -z "$(namespaces)" ] || die "$name is up already: scripts/lab.sh down --name $name, or another --name"
  built=yes
  ip netns add "$dut" || die "no network namespaces to be had: a container needs CAP_SYS_ADMIN and CAP_NET_ADMIN"
  ip -n "$dut" link set lo up
  local number address
  for ((number = 0; number < ports; number++)); do host "$number"; done
  for address in ${addresses[@]+"${addresses[@]}"}; do
    case $address in
      *:*)
        sysctl "$dut" ipv6/conf/port0/accept_dad 0
        sysctl "$dut" ipv6/conf/port0/disable_ipv6 0
        ip -n "$dut" addr add "$address" dev port0 nodad
        ;;
      *) ip -n "$dut" addr add "$address" dev port0 ;;
    esac
  done
  for ((number = 0; number < ports; number++)); do carrier "$number"; done
}

carrier() { # waits until the wire of a port is up: what is sent before is lost
  local try
  for ((try = 0; try < 100; try++)); do
    # Both ends: the kernel looks at them one after the other, in its own time.
    case $(ip -n "$dut" -o link show "port$1")$(ip -n "$(client "$1")" -o link show eth0) in
      *'state UP '*'state UP '*) return ;;
    esac
    sleep 0.02
  done
  die "port$1 and its other end do not come up"
}

namespaces() { # those of this name that are there
  local path
  for path in "/run/netns/$dut" "/run/netns/$name"-client "/run/netns/$name"-client[0-9]; do
    if [ -e "$path" ]; then basename "$path"; fi
  done
}

running() { # what runs in them
  local space
  for space in $(namespaces); do ip netns pids "$space" 2>/dev/null || true; done
}

down() {
  set +e
  local pids space link try
  pids=$(running)
  # shellcheck disable=SC2086 # one word a process
  [ -z "$pids" ] || kill $pids 2>/dev/null
  for ((try = 0; try < 40; try++)); do
    [ -n "$(running)" ] || break
    sleep 0.05
  done
  pids=$(running)
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null
  # A process that will not die keeps a namespace alive, but not a wire with no end.
  for space in $(namespaces); do
    for link in $(ip -n "$space" -o link show type veth | sed 's/^[0-9]*: \([^@:]*\).*/\1/'); do
      ip -n "$space" link del "$link" 2>/dev/null
    done
    ip netns del "$space"
  done
  set -e
}

# What is run may use these.
export MNVKD_LAB_NAME=$name MNVKD_LAB_DUT=$dut MNVKD_LAB_CLIENT=$name-client

built=no child=''
leave() { # ends what was begun
  trap '' HUP INT TERM
  [ -z "$child" ] || kill "$child" 2>/dev/null || true
  [ $built = no ] || down
}
trap leave EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

case $what in
  down) down ;;
  up)
    up
    built=no
    echo "up: ip netns exec $dut ...  (port0$([ "$ports" = 1 ] || echo " to port$((ports - 1))"))"
    for ((number = 0; number < ports; number++)); do
      echo "    ip netns exec $(client "$number") ...  (10.9.0.$((number + 2)), fd09::$((number + 2)))"
    done
    ;;
  shell | run)
    exists "$dut" || up # or else it is joined
    exists "$name-$inside" || die "--in $inside: there is no namespace $name-$inside; expected dut, client, client1..."
    if [ "$what" = shell ]; then
      echo "in $name-$inside; the other ends: $(namespaces | grep -vx "$name-$inside" | tr '\n' ' ')" >&2
      ip netns exec "$name-$inside" "${SHELL:-/bin/sh}"
    else
      # In the background, but with its input: a command in the foreground would hold back what a signal asks for.
      exec 3<&0
      ip netns exec "$name-$inside" "${command[@]}" <&3 &
      child=$! rc=0
      wait "$child" || rc=$?
      child=
      exit $rc
    fi
    ;;
esac
