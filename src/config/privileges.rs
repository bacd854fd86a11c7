//! What becomes of the process's privileges once ports are open.

use std::fmt;
use std::str::FromStr;

/// `privileges` of `[dataplane]`. Where no port needs any, nothing changes whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivilegePolicy {
    /// Polling threads have none; the control thread keeps what its ports need again (a device that vanished
    /// and came back, settings to put back), in force only while it sees to that.
    #[default]
    Drop,
    /// No thread keeps any: a device that vanished stays away, settings stay as they are.
    DropAll,
    /// Every thread keeps all it was started with.
    Keep,
}

impl PrivilegePolicy {
    /// Names, as in the configuration.
    pub const NAMES: [&'static str; 3] = ["drop", "drop-all", "keep"];
}

impl fmt::Display for PrivilegePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

impl FromStr for PrivilegePolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = [PrivilegePolicy::Drop, PrivilegePolicy::DropAll, PrivilegePolicy::Keep];
        known.into_iter().find(|policy| policy.to_string() == text).ok_or_else(|| {
            format!(
                "{text:?} is not what can become of privileges: expected one of {}",
                Self::NAMES.join(", ")
            )
        })
    }
}
