//! The mnvkd program: the daemon with the applications that come with it.

use std::process::ExitCode;

fn main() -> ExitCode {
    mnvkd::Daemon::new().main()
}
