//! What comes with mnvkd, by name: the one place that names concrete ports and applications.

use crate::apps;
use crate::pipeline::Registry;
use crate::port::af_packet::AfPacket;
use crate::port::af_xdp::AfXdp;
use crate::port::capture::Capture;
use crate::port::driver::Drivers;
use crate::port::generator::Generator;
use crate::port::null::Null;
use crate::port::tap::Tap;
use crate::topology::auto;

/// The drivers that come with mnvkd.
pub fn drivers() -> Drivers {
    let mut drivers = Drivers::default();
    drivers.register("generator", "seeded synthetic traffic with valid checksums", Generator::new);
    drivers.register("null", "endless packets of a set size in, everything out swallowed", Null::new);
    drivers.register(
        "af_xdp",
        "a network device, before the kernel's own stack sees its packets",
        AfXdp::new,
    );
    drivers.register("capture", "pcap and pcapng files in and out", Capture::new);
    drivers.register(
        "af_packet",
        "any Linux device, by packet sockets with mapped rings (CAP_NET_RAW)",
        AfPacket::new,
    );
    drivers.register(
        "auto",
        "a network device in the best way that works: zero-copy, copy, generic AF_XDP, AF_PACKET",
        auto::auto,
    );
    drivers.register(
        "tap",
        "a tun or tap device of its own, to talk to the local kernel (CAP_NET_ADMIN)",
        Tap::new,
    );
    drivers
}

/// The applications that come with mnvkd.
pub fn applications() -> Registry {
    let mut registry = Registry::default();
    registry.register::<apps::DnsCache>("dns-cache");
    registry.register::<apps::Drop>("drop");
    registry.register::<apps::Echo>("echo");
    registry.register::<apps::FlowMeter>("flow-meter");
    registry.register::<apps::Forward>("forward");
    registry.register::<apps::MacSwap>("mac-swap");
    registry.register::<apps::Sink>("sink");
    registry
}
