//! What `--fix` does: only what can be taken back by one command, and interrupts nobody's traffic.

use std::path::PathBuf;

use anyhow::Context as _;
use hugepages::{PageSize, inventory};

use crate::host::Host;

/// A change of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A setting is written to a file of the kernel's.
    Write {
        /// Which.
        file: PathBuf,
        /// What it is to be.
        value: String,
        /// What it is.
        before: String,
    },
    /// Huge pages are reserved.
    Reserve {
        /// Their size.
        size: PageSize,
        /// Pages the pool is to have.
        count: u64,
        /// Pages it has.
        before: u64,
        /// Of this node; of the whole machine where it has none.
        node: Option<u32>,
    },
    /// A feature of a network device is switched off.
    SwitchOff {
        /// Which device.
        device: String,
        /// Which feature, by the kernel's name.
        feature: &'static str,
    },
}

/// What came of a fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was done, or should have been.
    pub what: String,
    /// The command that takes it back; empty where nothing was done.
    pub undo: String,
    /// Why it was not done.
    pub error: Option<String>,
}

impl Change {
    /// For machines; README documents it.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "what": self.what, "undo": self.undo, "error": self.error })
    }
}

impl Fix {
    /// The command that does the same.
    pub fn command(&self) -> String {
        match self {
            Fix::Write { file, value, .. } => written(file, value),
            Fix::Reserve { size, count, node, .. } => reserved(*size, *count, *node),
            Fix::SwitchOff { device, feature } => format!("sudo ethtool -K {device} {feature} off"),
        }
    }

    /// The command that takes it back.
    pub fn undo(&self) -> String {
        match self {
            Fix::Write { file, before, .. } => written(file, before),
            Fix::Reserve { size, before, node, .. } => reserved(*size, *before, *node),
            Fix::SwitchOff { device, feature } => format!("sudo ethtool -K {device} {feature} on"),
        }
    }

    fn what(&self) -> String {
        match self {
            Fix::Write { file, value, before } => format!("{}: {before} → {value}", file.display()),
            Fix::Reserve { size, count, before, node } => {
                let node = node.map_or(String::new(), |node| format!(" on node {node}"));
                format!("pages of {size}{node}: {before} → {count}")
            }
            Fix::SwitchOff { device, feature } => format!("{device}: {feature}: on → off"),
        }
    }

    /// Does it, and looks whether it came to pass.
    pub fn carry_out(&self, host: &Host) -> Change {
        match self.attempt(host) {
            Ok(()) => Change { what: self.what(), undo: self.undo(), error: None },
            Err(error) => {
                Change { what: self.what(), undo: String::new(), error: Some(format!("{error:#}")) }
            }
        }
    }

    fn attempt(&self, host: &Host) -> anyhow::Result<()> {
        match self {
            Fix::Write { file, value, .. } => std::fs::write(file, value).with_context(|| {
                format!("cannot write {} (this needs root; some interrupts cannot be moved)", file.display())
            }),
            Fix::Reserve { size, count, node, .. } => {
                let pool = inventory::reserve(&host.sys, *size, *count, *node)?;
                anyhow::ensure!(
                    pool.got >= *count,
                    "got {} of {count}: free memory is too fragmented or too small (what it got stays: {})",
                    pool.got,
                    self.undo()
                );
                Ok(())
            }
            Fix::SwitchOff { device, feature } => ffi::offloads::switch(device, feature, false)
                .with_context(|| format!("cannot switch {feature} of {device} off (this needs root)")),
        }
    }
}

fn written(file: &std::path::Path, value: &str) -> String {
    format!("echo {value} | sudo tee {}", file.display())
}

fn reserved(size: PageSize, count: u64, node: Option<u32>) -> String {
    let node = node.map_or(String::new(), |node| format!(" --node {node}"));
    format!("sudo mnvkd hugepages reserve {size} {count}{node}")
}
