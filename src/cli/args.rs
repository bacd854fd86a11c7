//! Commands and their options, with their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use hugepages::PageSize;

use super::duration::parse_duration;
use crate::config::Cores;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  could not start, or failed
  2  done, but an input file was damaged: all before the damage was read
  3  done, but less came of it than was asked for";

const DOCTOR_EXIT_CODES: &str = "\
Exit codes:
  0  nothing that matters
  1  could not look
  3  findings that matter: faults or warnings";

const EXAMPLES: &str = "\
Examples:
  mnvkd run --for 10s
  mnvkd replay capture.pcap --stages flow-meter,sink --cores 4
  mnvkd config default > mnvkd.toml && mnvkd check mnvkd.toml";

const RUN_EXAMPLES: &str = "\
Examples:
  mnvkd run --for 10s                               synthetic traffic, the embedded configuration
  mnvkd run mnvkd.toml --cores 0,2                  on CPUs 0 and 2
  mnvkd run --set app.flow-meter.export=flows.csv   one key changed
  mnvkd run --for 1s --json | jq .books             the report for machines";

const PRIVILEGES: &str = "\
Privileges:
  Captures, generator and null need none. Ports on devices say what they need; it is checked before anything
  is opened, and a refusal names all that is missing. Give it by sudo, or once: setcap cap_...+ep mnvkd
    CAP_NET_RAW    packet and XDP sockets
    CAP_NET_ADMIN  XDP programs attached, devices set, busy polling
    CAP_BPF        XDP programs and maps loaded (before Linux 5.8: CAP_SYS_ADMIN)
    CAP_IPC_LOCK   memory locked beyond the limit (ulimit -l)
  Once all is open, polling threads have none; see privileges in [dataplane].";

const REPLAY_EXAMPLES: &str = "\
Examples:
  mnvkd replay a.pcap --stages flow-meter,sink --set app.flow-meter.export=flows.csv
  mnvkd replay a.pcap b.pcapng --stages forward --out merged.pcapng
  mnvkd replay a.pcap --stages mac-swap --cores 8 --json | jq .digest
  mnvkd replay a.pcap --stages flow-meter,sink --cores 2 --threads --loop 100";

const HUGEPAGES_EXAMPLES: &str = "\
Examples:
  mnvkd hugepages                          what there is, and who holds it
  sudo mnvkd hugepages reserve 2M 512      1 GiB in pages of 2 MiB
  sudo mnvkd hugepages release 2M --node 0";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  mnvkd doctor                     this machine, for a dataplane in general
  mnvkd doctor mnvkd.toml          for the cores, memory and devices of a configuration
  mnvkd doctor --cores 2,3         for polling cores on these CPUs
  sudo mnvkd doctor mnvkd.toml --fix
  sudo mnvkd doctor --port eth0    every way to drive a device, tried
  mnvkd doctor --json | jq '.findings[] | select(.level != \"well\")'

What --fix does can be taken back by one command, which it prints: huge pages reserved, transparent pages,
governors, interrupts moved, the kernel's clock, the BPF compiler, offloads of the configuration's devices.
Boot parameters, services, queues and other people's threads are left to you; their commands are printed.";

/// A kernel-bypass dataplane: polling cores, registered applications, deterministic replay of captures.
#[derive(Debug, Parser)]
#[command(name = "mnvkd", version, after_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"), max_term_width = 110)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,

    /// One JSON object on stdout instead of text; errors are {"error": "..."}
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the dataplane until a signal, a duration, or the end of all inputs
    #[command(after_help = format!("{RUN_EXAMPLES}\n\n{PRIVILEGES}\n\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Replay captures through applications, on simulated cores in the captures' own time
    #[command(after_help = format!("{REPLAY_EXAMPLES}\n\n{EXIT_CODES}"))]
    Replay(ReplayArgs),
    /// List the applications a pipeline can be made of, with their keys
    Apps,
    /// List the drivers a port can have, with their keys
    Ports,
    /// Check a configuration and draw its wiring, with what memory each core will take
    Check(CheckArgs),
    /// Print a configuration
    Config(ConfigArgs),
    /// Examine the machine: what keeps it from carrying a dataplane well, why it matters, what mends it
    #[command(after_help = format!("{DOCTOR_EXAMPLES}\n\n{DOCTOR_EXIT_CODES}"))]
    Doctor(DoctorArgs),
    /// Show the machine's huge pages and who holds them; reserve or release some
    #[command(after_help = format!("{HUGEPAGES_EXAMPLES}\n\n{EXIT_CODES}"))]
    Hugepages(HugepagesArgs),
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example:\n  mnvkd completions bash > /etc/bash_completion.d/mnvkd")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual pages, or write them to a folder
    #[command(after_help = "Example:\n  mnvkd man --dir /usr/local/share/man/man1")]
    Man {
        /// Folder to write one file a command to
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
}

/// What can be changed of any configuration.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Polling cores: a number, a list of CPUs as "0,2" (one CPU: "0,"), or "all"
    #[arg(long, value_name = "N")]
    pub(super) cores: Option<Cores>,

    /// Change a key: dataplane.KEY, app.NAME.KEY, port.NAME.KEY, pipeline.NAME.KEY; can be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Configuration file; the embedded one unless given (see `mnvkd config default`)
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,

    /// Stop after a time: 500ms, 10s, 2m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(super) for_ns: Option<u64>,

    #[command(flatten)]
    pub(super) changes: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Capture files, pcap or pcapng; several are merged by time
    #[arg(required = true, value_name = "CAPTURE", value_hint = ValueHint::FilePath)]
    pub(super) captures: Vec<PathBuf>,

    /// Applications every packet passes, in order, separated by commas (see `mnvkd apps`)
    #[arg(long, required = true, value_delimiter = ',', value_name = "A,B,C")]
    pub(super) stages: Vec<String>,

    /// Write what is sent to a capture file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,

    /// Real polling cores, as fast as they can, instead of simulated ones in virtual time
    #[arg(long)]
    pub(super) threads: bool,

    /// Read the captures so many times; 0 is without end
    #[arg(long = "loop", value_name = "N", default_value_t = 1)]
    pub(super) loops: u64,

    /// Seed of everything random
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=i64::MAX as u64))]
    pub(super) seed: u64,

    #[command(flatten)]
    pub(super) changes: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Configuration file; the embedded one unless given
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) changes: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Configuration file: its cores, memory, devices and privileges are what the machine is examined for
    #[arg(value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,

    /// Mend what can be taken back by one command, and print that command (needs root)
    #[arg(long)]
    pub(super) fix: bool,

    /// Try every way to drive this network device, best first: what `driver = "auto"` would take, and why not what is
    /// above it (needs root; packets that come meanwhile are dropped)
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["fix", "config", "set", "cores"])]
    pub(super) port: Option<String>,

    #[command(flatten)]
    pub(super) changes: ChangeArgs,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    pub(super) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// The embedded configuration, with comments
    Default,
    /// A configuration as it holds: changes made, defaults filled in
    Show(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct HugepagesArgs {
    #[command(subcommand)]
    pub(super) command: Option<HugepagesCommand>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(super) enum HugepagesCommand {
    /// What the machine has, node by node, and who holds it
    Show,
    /// Make a pool so many pages large (needs root); says how many it got, and exits with 3 if that is fewer
    Reserve {
        /// Size of a page: 2M or 1G
        #[arg(value_parser = pool_size)]
        size: PageSize,
        /// Pages the pool is to have
        count: u64,
        /// Only on this NUMA node
        #[arg(long)]
        node: Option<u32>,
    },
    /// Give a pool's free pages back (needs root); pages in use stay until they are let go of, and it exits with 3
    Release {
        /// Size of a page: 2M or 1G
        #[arg(value_parser = pool_size)]
        size: PageSize,
        /// Only on this NUMA node
        #[arg(long)]
        node: Option<u32>,
    },
}

/// A size the kernel keeps a pool of.
fn pool_size(text: &str) -> Result<PageSize, String> {
    let size = text.parse::<PageSize>().ok().filter(|size| size.hugetlb_bits().is_some());
    size.ok_or_else(|| "pages that can be reserved are 2M or 1G".to_owned())
}
