//! Privileges: checked before anything is opened, given up once all is open, raised again for a moment where
//! a port needs them.

use std::fmt::Write as _;

use anyhow::Context as _;
use ffi::capabilities::{self, Capabilities, Capability};

use crate::config::PrivilegePolicy;
use crate::port::{Port, Privilege};
use crate::topology::{Built, Plan};

/// What ports need, what the process has, and what is left of it.
pub(super) struct Privileges {
    policy: PrivilegePolicy,
    /// Every port's, with the port's name; with none of them nothing is ever changed.
    asked: Vec<(String, Privilege)>,
    /// Files are written at the end, of whose folders only root may be able to write some.
    writes_files: bool,
    /// What the control thread can raise, once the rest is given up.
    kept: Capabilities,
    given_up: bool,
}

impl Privileges {
    /// Looks at what the ports of a plan need, and makes it effective; opens nothing.
    ///
    /// # Errors
    /// What is missing, port by port, and the two ways to give it.
    pub(super) fn check(plan: &Plan) -> anyhow::Result<Privileges> {
        let asked = asked(plan.wiring.ports.iter().map(|seat| (&seat.name, &*seat.port)));
        let writes_files = plan.applications.values().any(|configured| configured.writes().is_some());
        if !asked.is_empty() {
            let sets = capabilities::of_this_thread().context("the process's capabilities cannot be read")?;
            let needed: Capabilities = asked.iter().map(|(_, privilege)| privilege.capability).collect();
            let missing = needed.without(sets.permitted);
            if !missing.is_empty() {
                anyhow::bail!("{}", refusal(&asked, missing));
            }
            capabilities::set_effective(sets.effective.or(needed))
                .with_context(|| format!("cannot make {needed} effective"))?;
        }
        let policy = plan.wiring.privileges;
        Ok(Privileges { policy, asked, writes_files, kept: Capabilities::NONE, given_up: false })
    }

    /// Everything is open: the calling thread, which becomes the control thread, gives up what will not be
    /// needed again, and says so. Threads it starts later have no more than it keeps, and nothing effective.
    ///
    /// # Errors
    /// The kernel does not let go of them.
    pub(super) fn give_up(&mut self, built: &mut Built) -> anyhow::Result<()> {
        if self.asked.is_empty() || self.policy == PrivilegePolicy::Keep {
            return Ok(());
        }
        // A port that had several ways to open knows by now which it took, and what that needs again.
        self.asked = asked(built.ports.iter().map(|(name, port)| (name, &**port)));
        let had =
            capabilities::of_this_thread().context("the process's capabilities cannot be read")?.permitted;
        self.kept = self.to_keep().and(had);
        capabilities::keep_only(self.kept).and_then(|()| capabilities::set_no_new_privileges()).context(
            "privileges cannot be given up (a sandbox may forbid capset(2)); privileges = \"keep\" in \
             [dataplane] runs with them",
        )?;
        self.given_up = true;
        built.notes.push(self.note(had));
        Ok(())
    }

    fn to_keep(&self) -> Capabilities {
        if self.policy == PrivilegePolicy::DropAll {
            return Capabilities::NONE;
        }
        // Root without this capability cannot write to the folders of others: `sudo` in a home folder would lose
        // what an application exports at the end.
        let files = Capabilities::NONE.with(Capability::DAC_OVERRIDE);
        if self.writes_files { self.needed_again().or(files) } else { self.needed_again() }
    }

    fn needed_again(&self) -> Capabilities {
        self.asked.iter().filter(|(_, one)| one.again).map(|(_, one)| one.capability).collect()
    }

    fn note(&self, had: Capabilities) -> String {
        let dropped = had.without(self.kept).len();
        let mut note = format!("privileges: polling threads gave up all {} capabilities", had.len());
        if self.kept.is_empty() {
            note.push_str(", and so did the control thread");
            if !self.needed_again().is_empty() {
                note.push_str(": a device that vanishes is not opened again, its settings are not put back");
            }
        } else {
            let _ = write!(
                note,
                "; the control thread gave up {dropped} and keeps {}, in force only while it looks after ports \
                 and at the end",
                self.kept
            );
        }
        note
    }

    /// Does a polling thread have anything to give up?
    pub(super) fn polling_threads_give_up(&self) -> bool {
        self.given_up
    }

    /// To look after ports: what they need again is effective until the guard goes.
    pub(super) fn raise_for_ports(&self) -> Raised {
        self.raise(self.kept.and(self.needed_again()))
    }

    /// The run is over: all that was kept is effective until the guard goes.
    pub(super) fn raise_to_end(&self) -> Raised {
        self.raise(self.kept)
    }

    fn raise(&self, wanted: Capabilities) -> Raised {
        let raise = self.given_up && !wanted.is_empty();
        // What is permitted can be made effective; were it not so, what needs it says what it lacks.
        Raised(raise && capabilities::set_effective(wanted).is_ok())
    }
}

/// What each of these ports needs, with its name.
fn asked<'a>(ports: impl Iterator<Item = (&'a String, &'a dyn Port)>) -> Vec<(String, Privilege)> {
    let of = |(name, port): (&String, &dyn Port)| {
        let name = name.clone();
        port.privileges().into_iter().map(move |privilege| (name.clone(), privilege))
    };
    ports.flat_map(of).collect()
}

/// While it lives, what the control thread kept is effective.
#[must_use]
pub(super) struct Raised(bool);

impl Drop for Raised {
    fn drop(&mut self) {
        if self.0 {
            // To have fewer in force is never refused.
            let _ = capabilities::set_effective(Capabilities::NONE);
        }
    }
}

/// A polling thread gives up all it has: packets of strangers are parsed here.
///
/// # Errors
/// In words for the report.
pub(super) fn give_up_all() -> Result<(), String> {
    capabilities::keep_only(Capabilities::NONE)
        .and_then(|()| capabilities::set_no_new_privileges())
        .map_err(|error| format!("privileges cannot be given up: {error}"))
}

fn refusal(asked: &[(String, Privilege)], missing: Capabilities) -> String {
    let mut text = format!("not permitted: {missing}\n");
    for (port, privilege) in asked.iter().filter(|(_, one)| missing.contains(one.capability)) {
        let _ = writeln!(text, "  port {port:?} needs {} {}", privilege.capability, privilege.why);
    }
    let needed: Capabilities = asked.iter().map(|(_, privilege)| privilege.capability).collect();
    let names: Vec<String> = needed.iter().map(|one| one.to_string().to_lowercase()).collect();
    let program = std::env::current_exe().map_or("mnvkd".to_owned(), |path| path.display().to_string());
    let _ = write!(
        text,
        "run it with sudo, or give the program what it needs (each time it was built anew):\n  \
         sudo setcap {}+ep {program}",
        names.join(",")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_all_that_is_missing_and_both_ways_to_give_it() {
        let open = Privilege::to_open(Capability::NET_RAW, "to open a packet socket");
        let set = Privilege::to_the_end(Capability::NET_ADMIN, "to attach an XDP program");
        let asked = [("east".to_owned(), open), ("west".to_owned(), set)];
        let missing = Capabilities::NONE.with(Capability::NET_ADMIN);
        let text = refusal(&asked, missing);
        let program = std::env::current_exe().unwrap();
        let expected = format!(
            "not permitted: CAP_NET_ADMIN\n  port \"west\" needs CAP_NET_ADMIN to attach an XDP program\n\
             run it with sudo, or give the program what it needs (each time it was built anew):\n  \
             sudo setcap cap_net_admin,cap_net_raw+ep {}",
            program.display()
        );
        assert_eq!(text, expected);
        assert!(
            refusal(&asked, missing.with(Capability::NET_RAW)).contains("port \"east\" needs CAP_NET_RAW")
        );
    }

    fn privileges(policy: PrivilegePolicy, writes_files: bool) -> Privileges {
        let asked = vec![
            ("a".to_owned(), Privilege::to_open(Capability::NET_RAW, "")),
            ("a".to_owned(), Privilege::to_the_end(Capability::NET_ADMIN, "")),
        ];
        Privileges { policy, asked, writes_files, kept: Capabilities::NONE, given_up: false }
    }

    #[test]
    fn what_is_kept_is_what_is_needed_again() {
        let kept = |policy, files| privileges(policy, files).to_keep().to_string();
        assert_eq!(kept(PrivilegePolicy::Drop, false), "CAP_NET_ADMIN");
        assert_eq!(kept(PrivilegePolicy::Drop, true), "CAP_DAC_OVERRIDE, CAP_NET_ADMIN");
        assert_eq!(kept(PrivilegePolicy::DropAll, true), "none");
    }
}
