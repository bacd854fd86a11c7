//! The drivers all tests are run with.

use super::{Lab, Traffic};

/// A driver for the lab's ports, and how it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver {
    /// What the test is called.
    pub name: &'static str,
    /// As in the configuration.
    pub driver: &'static str,
    /// Its keys beside the device.
    pub keys: &'static str,
}

/// Packet sockets, a slot a packet.
pub const AF_PACKET: Driver = Driver { name: "af_packet", driver: "af_packet", keys: "" };
/// Packet sockets, packets in blocks.
pub const AF_PACKET_BLOCKS: Driver =
    Driver { name: "af_packet v3", driver: "af_packet", keys: "ring = \"v3\"" };

/// AF_XDP, the best way the device has; on a veth that copies.
pub const AF_XDP: Driver = Driver { name: "af_xdp", driver: "af_xdp", keys: "" };
/// AF_XDP on any device: the program runs where the kernel's stack begins.
pub const AF_XDP_GENERIC: Driver =
    Driver { name: "af_xdp generic", driver: "af_xdp", keys: "mode = \"generic\"" };

/// A device of the daemon's own, which is the client's.
pub const TAP: Driver =
    Driver { name: "tap", driver: "tap", keys: "address = [\"10.9.0.2/24\", \"fd09::2/64\"]\nmtu = 9000" };

impl Driver {
    /// The network it is tested in. A tap has the client at the other end of no wire: it is the client's device, and
    /// the daemon makes it where the client is.
    #[track_caller]
    pub fn lab(&self, options: &[&str]) -> Lab {
        let mut lab = Lab::up(options);
        if *self == TAP {
            lab.move_in();
        }
        lab
    }

    /// Packets the client's kernel gave to its device. A tap counts what could not be queued for us as dropped, a
    /// veth never tells us of it.
    pub fn sent(&self, since: Traffic, now: Traffic) -> u64 {
        let dropped = if *self == TAP { now.unsent - since.unsent } else { 0 };
        now.sent - since.sent + dropped
    }

    /// A port `portN` on the lab's device of that name, or of the client's device.
    pub fn port(&self, number: usize) -> String {
        let Driver { driver, keys, .. } = self;
        let device = if *self == TAP { "eth0".to_owned() } else { format!("port{number}") };
        format!("[[port]]\nname = \"port{number}\"\ndriver = \"{driver}\"\ndevice = {device:?}\n{keys}\n")
    }

    /// A configuration of so many cores with ports 0 to `ports`, exclusive, in one pipeline; `more` is added.
    pub fn config(&self, cores: usize, ports: usize, stages: &[&str], more: &str) -> String {
        let names: Vec<String> = (0..ports).map(|number| format!("port{number}")).collect();
        let ports: String = (0..ports).map(|number| self.port(number)).collect();
        format!(
            "[dataplane]\ncores = {cores}\npages = \"never\"\nidle = \"adaptive\"\n{ports}\
             [[pipeline]]\nname = \"live\"\nfrom = {names:?}\nstages = {stages:?}\n{more}\n"
        )
    }

    /// One that answers for the address nobody has.
    pub fn echo(&self, cores: usize) -> String {
        self.echo_at(cores, &["10.9.0.1/24", "fd09::1/64"])
    }

    /// One that answers for these.
    pub fn echo_at(&self, cores: usize, addresses: &[&str]) -> String {
        self.config(
            cores,
            1,
            &["echo"],
            &format!("[app.echo]\naddresses = {addresses:?}\nothers = \"drop\"\n"),
        )
    }

    /// The same configuration with another key for its ports.
    pub fn with(&self, config: &str, key: &str) -> String {
        let driver = format!("driver = \"{}\"\n", self.driver);
        config.replace(&driver, &format!("{driver}{key}\n"))
    }
}

/// The same tests for every driver of devices that were there before: each function takes a [`Driver`] and becomes a test of that name in a module
/// named for the driver.
#[macro_export]
macro_rules! for_each_driver {
    ($($test:ident),+ $(,)?) => {
        $crate::for_driver!(af_packet, $crate::live_lab::AF_PACKET, $($test),+);
        $crate::for_driver!(af_packet_blocks, $crate::live_lab::AF_PACKET_BLOCKS, $($test),+);
        $crate::for_driver!(af_xdp, $crate::live_lab::AF_XDP, $($test),+);
        $crate::for_driver!(af_xdp_generic, $crate::live_lab::AF_XDP_GENERIC, $($test),+);
    };
}

/// The same tests for one driver.
#[macro_export]
macro_rules! for_driver {
    ($module:ident, $driver:expr, $($test:ident),+) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test($driver);
                }
            )+
        }
    };
}
