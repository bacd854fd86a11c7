//! The command line: arguments in, one call of the daemon, text or JSON out, an exit code.
//!
//! Everything that is printed goes through `output`, so that a closed pipe ends nothing but the printing, and
//! every refusal has the same two forms: words on stderr, and with `--json` one object on stdout.

mod args;
mod check;
mod doctor;
mod duration;
mod hugepages;
mod list;
mod output;
mod replay;
mod run;
mod scripts;
mod self_test;
mod source;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::config::ConfigErrors;
use crate::daemon::Daemon;
use args::{Cli, Command};
use output::Output;

/// It was done.
const DONE: u8 = 0;
/// It could not start, or failed.
const FAILED: u8 = 1;
/// It was done, and less came of it than was asked for.
const NOT_MET: u8 = 3;

impl Daemon {
    /// The whole program: the command line of this process, to its exit code.
    pub fn main(&self) -> ExitCode {
        main(self, std::env::args_os())
    }
}

/// Runs the command line `args`, the program's name first, on a daemon.
pub fn main(daemon: &Daemon, args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let output = Output::new(asks_for_json(&args));
    let parsed = command().try_get_matches_from(&args).and_then(|matches| Cli::from_arg_matches(&matches));
    let code = match parsed {
        Ok(cli) => carry_out(daemon, cli, &output).unwrap_or_else(|error| refuse(&output, &error)),
        Err(error) => usage(&output, &error),
    };
    ExitCode::from(code)
}

/// The commands as clap knows them; also what completions and manual pages are made from.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Errors of usage are found before `--json` is parsed, and want JSON all the same.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}

fn carry_out(daemon: &Daemon, cli: Cli, output: &Output) -> anyhow::Result<u8> {
    match cli.command {
        Command::Run(args) => run::run(daemon, &args, output),
        Command::Replay(args) => replay::replay(daemon, &args, output),
        Command::Apps => list::apps(daemon, output),
        Command::Ports => list::ports(daemon, output),
        Command::Check(args) => check::check(daemon, &args, output),
        Command::Config(args) => check::config(daemon, &args, output),
        Command::Doctor(args) => doctor::doctor(daemon, &args, output),
        Command::Hugepages(args) => hugepages::hugepages(&args, output),
        Command::Completions { shell } => scripts::completions(shell, output),
        Command::Man { dir } => scripts::man(dir.as_deref(), output),
    }
}

/// Says why something could not be done; 1.
fn refuse(output: &Output, error: &anyhow::Error) -> u8 {
    let text = format!("{error:#}");
    let mut object = serde_json::json!({ "error": text });
    if let Some(ConfigErrors(errors)) = error.downcast_ref::<ConfigErrors>() {
        let place = |error: &crate::config::ConfigError| {
            serde_json::json!({
                "file": error.place.source(), "line": error.place.line(), "column": error.place.column(),
                "message": error.message,
            })
        };
        object["errors"] = errors.iter().map(place).collect();
    }
    let words = match error.downcast_ref::<ConfigErrors>() {
        Some(ConfigErrors(errors)) if errors.len() > 1 => {
            format!("error: {} faults in the configuration\n{text}", errors.len())
        }
        _ => format!("error: {text}"),
    };
    output.failure(&words, &object);
    FAILED
}

/// Help and version go to stdout and are no failure; a command line that cannot be read is one, and 1, since 2
/// says that an input was damaged.
fn usage(output: &Output, error: &clap::Error) -> u8 {
    if error.use_stderr() {
        let words = error.render().to_string();
        let plain = words.trim_end().trim_start_matches("error: ");
        output.failure(words.trim_end(), &serde_json::json!({ "error": plain }));
        return FAILED;
    }
    // Help that nobody reads to its end is no failure either.
    let _ = error.print();
    DONE
}
