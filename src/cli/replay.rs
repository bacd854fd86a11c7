//! `mnvkd replay`: the command line as a configuration of one capture port and one pipeline.

use std::fmt::Write as _;
use std::path::Path;

use super::args::ReplayArgs;
use super::output::Output;
use super::{run, source};
use crate::daemon::{Daemon, ReplayOptions};

/// What the configuration made from the command line is called in messages.
const COMMAND_LINE: &str = "(command line)";

/// Replays captures to their end.
pub(super) fn replay(daemon: &Daemon, args: &ReplayArgs, output: &Output) -> anyhow::Result<u8> {
    let text = configuration(args)?;
    let config = source::load_text(daemon, &text, COMMAND_LINE, &args.changes)?;
    let options = ReplayOptions { threads: args.threads, progress: run::shows_progress(output) };
    let report = daemon.execute_replay(config, &options)?;
    run::hand_out(&report, output)
}

/// The configuration a replay's command line stands for, as TOML.
fn configuration(args: &ReplayArgs) -> anyhow::Result<String> {
    let files = args.captures.iter().map(|path| quoted_path(path)).collect::<anyhow::Result<Vec<_>>>()?;
    let stages: Vec<String> = args.stages.iter().map(|stage| quoted(stage.trim())).collect();
    let mut text = format!("[dataplane]\ncores = 1\narena = \"256MiB\"\nseed = {}\n\n", args.seed);
    let _ =
        write!(text, "[[port]]\nname = \"capture\"\ndriver = \"capture\"\nfile = [{}]\n", files.join(", "));
    if let Some(out) = &args.out {
        let _ = writeln!(text, "out = {}", quoted_path(out)?);
    }
    let _ = write!(text, "loop = {}\n\n[[pipeline]]\nname = \"replay\"\nfrom = [\"capture\"]\n", args.loops);
    let _ = writeln!(text, "stages = [{}]", stages.join(", "));
    Ok(text)
}

/// A string as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn quoted_path(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str();
    let text = text.ok_or_else(|| {
        anyhow::anyhow!("{}: the file's name is not UTF-8; rename it or link to it", path.display())
    })?;
    Ok(quoted(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{Cli, Command};
    use clap::Parser as _;

    fn configured(args: &[&str]) -> String {
        match Cli::try_parse_from(["mnvkd", "replay"].iter().chain(args)).unwrap().command {
            Command::Replay(args) => configuration(&args).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_line_becomes_a_configuration() {
        let text = configured(&[
            "a.pcap",
            "b c.pcap",
            "--stages",
            "flow-meter, sink",
            "--out",
            "o.pcap",
            "--loop",
            "0",
        ]);
        let expected = r#"[dataplane]
cores = 1
arena = "256MiB"
seed = 1

[[port]]
name = "capture"
driver = "capture"
file = ["a.pcap", "b c.pcap"]
out = "o.pcap"
loop = 0

[[pipeline]]
name = "replay"
from = ["capture"]
stages = ["flow-meter", "sink"]
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn names_of_any_characters_survive() {
        for name in ["a\"b", "a'b", "a\\b", "a\nb", "a\tb\u{7f}", "'''\"\"\"", "ü"] {
            let text = configured(&[name, "--stages", "sink"]);
            let table: toml::Table = text.parse().unwrap();
            assert_eq!(table["port"][0]["file"][0].as_str(), Some(name));
        }
    }
}
