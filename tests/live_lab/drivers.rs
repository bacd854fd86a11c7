//! The drivers all tests are run with.

/// A driver for the lab's ports, and how it is configured.
#[derive(Clone, Copy, Debug)]
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

impl Driver {
    /// A port `portN` on the lab's device of that name.
    pub fn port(&self, number: usize) -> String {
        let Driver { driver, keys, .. } = self;
        format!(
            "[[port]]\nname = \"port{number}\"\ndriver = \"{driver}\"\ndevice = \"port{number}\"\n{keys}\n"
        )
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
        let more = "[app.echo]\naddresses = [\"10.9.0.1/24\", \"fd09::1/64\"]\nothers = \"drop\"\n";
        self.config(cores, 1, &["echo"], more)
    }
}

/// The same tests for every driver: each function takes a [`Driver`] and becomes a test of that name in a module
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
