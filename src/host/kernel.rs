//! Which kernel it is, and what it was told at boot.

use super::Host;

/// A kernel's release, and its command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// As `uname -r` shows it.
    pub release: String,
    /// Its first two numbers; `(0, 0)` where there are none.
    pub version: (u32, u32),
    /// What it was told at boot.
    pub command_line: String,
}

impl Kernel {
    /// The one that runs.
    pub fn of(host: &Host) -> Kernel {
        let release = host.proc("sys/kernel/osrelease").unwrap_or_default();
        let command_line = host.proc("cmdline").unwrap_or_default();
        Kernel { version: version(&release), release, command_line }
    }

    /// What a parameter was set to: the last time counts, as for the kernel. A parameter alone is set to nothing.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let sets = |word: &&str| {
            word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        // What comes after `--` is for init.
        let words = self.command_line.split_ascii_whitespace().take_while(|word| *word != "--");
        let word = words.filter(sets).last()?;
        Some(word[name.len()..].trim_start_matches('=').trim_matches('"'))
    }

    /// Is it older than this?
    pub fn is_before(&self, major: u32, minor: u32) -> bool {
        self.version < (major, minor)
    }
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_two_numbers_in_front() {
        for (text, expected) in [
            ("6.18.44-fc", (6, 18)),
            ("5.10.0-28-amd64", (5, 10)),
            ("6.1+", (6, 1)),
            ("7", (7, 0)),
            ("", (0, 0)),
            ("linux", (0, 0)),
            ("99999999999.1", (0, 1)),
        ] {
            assert_eq!(version(text), expected, "{text:?}");
        }
        let kernel = Kernel { version: (5, 9), ..Kernel::default() };
        assert!(kernel.is_before(5, 11) && kernel.is_before(6, 0) && !kernel.is_before(5, 9));
    }

    #[test]
    fn the_last_time_a_parameter_is_set_counts() {
        let command_line = "quiet isolcpus=1 nohz_full=\"2-3\" isolcpus=2,3 rcu_nocbs -- nohz_full=9";
        let kernel = Kernel { command_line: command_line.into(), ..Kernel::default() };
        assert_eq!(kernel.parameter("isolcpus"), Some("2,3"));
        assert_eq!(kernel.parameter("nohz_full"), Some("2-3"));
        assert_eq!(kernel.parameter("rcu_nocbs"), Some(""));
        assert_eq!((kernel.parameter("iso"), kernel.parameter("nohz")), (None, None));
    }
}
