//! Network devices.

use ffi::device::{AttachMode, Attached};

use super::*;

fn support(native: bool, zero_copy: bool, multi_buffer: bool) -> Option<XdpSupport> {
    Some(XdpSupport { native, redirect: native, zero_copy, multi_buffer, zero_copy_buffers: 0 })
}

#[test]
fn a_device_is_to_be_there_and_up() {
    let mut gone = Machine::well();
    gone.devices.clear();
    let ill = gone.ill("device");
    assert_eq!(
        (ill.level, ill.what.as_str()),
        (Level::Fault, "there is none of this name for port \"east\"")
    );
    let down = Machine::well().device(|facts| facts.device.up = false);
    assert_eq!(down.ill("device").mend, ["sudo ip link set eth0 up"]);
    let silent = Machine::well().device(|facts| facts.device.running = false);
    assert_eq!(silent.ill("device").what, "up, but without a carrier");
}

#[test]
fn the_kernels_word_on_a_driver_goes_first() {
    let machine = Machine::well();
    assert_eq!(machine.found("xdp"), [(Level::Well, "driver ice: native, zero-copy".into())]);
    let copy = Machine::well().device(|facts| facts.support = support(true, false, true));
    assert_eq!(copy.found("xdp"), [(Level::Note, "driver ice: native, by copy".into())]);
    let generic = Machine::well().device(|facts| facts.support = support(false, false, false));
    assert_eq!(generic.ill("xdp").what, "driver ice: none of its own, as it is set; generic only");
    let veth = generic.device(|facts| facts.device.driver.as_mut().unwrap().name = "veth".into());
    assert!(veth.ill("xdp").mend[0].ends_with("sudo ethtool -L eth0 rx N"));
}

#[test]
fn where_the_kernel_does_not_say_the_list_does() {
    let machine = |driver: &str, release: &str| {
        Machine::well().with("proc/sys/kernel/osrelease", release).device(|facts| {
            facts.support = None;
            facts.device.driver = Some(Driver { name: driver.into(), bus: String::new() });
        })
    };
    assert_eq!(machine("igb", "6.14").found("xdp")[0].1, "driver igb: native, zero-copy");
    assert_eq!(machine("igb", "6.13").found("xdp")[0].1, "driver igb: native, by copy");
    assert_eq!(
        machine("igb", "5.9").ill("xdp").what,
        "driver igb: none of its own, as it is set; generic only"
    );
    assert_eq!(
        machine("e1000", "6.2").found("xdp"),
        [(Level::Note, "driver e1000: not known; generic always works".into())]
    );
    let none = machine("x", "6.2").device(|facts| facts.device.driver = None);
    assert_eq!(none.found("xdp")[0].1, "its driver: not known; generic always works");
}

#[test]
fn large_packets_need_several_buffers() {
    let machine = Machine::well().device(|facts| {
        facts.device.mtu = 9000;
        facts.support = support(true, true, false);
    });
    assert_eq!(machine.ill("xdp").what, "MTU 9000, and the driver gives programs one buffer a packet");
    let small = machine.device(|facts| facts.device.mtu = 1500);
    assert_eq!(small.found("xdp").len(), 1);
}

#[test]
fn another_program_on_the_device_is_told() {
    let machine = Machine::well()
        .device(|facts| facts.device.xdp = Some(Attached { mode: AttachMode::Generic, program: 12 }));
    let ill = machine.ill("xdp");
    assert_eq!(ill.what, "program 12 is attached (generic)");
    assert_eq!(ill.mend[1], "sudo ip link set dev eth0 xdp off");
    let strangers = machine.expecting(|expect| expect.ports.clear());
    assert_eq!(strangers.found("xdp")[1].0, Level::Note);
}

#[test]
fn queues_are_compared_with_cores() {
    let with = |receive: u32| Machine::well().device(|facts| facts.device.queues.receive = receive);
    assert_eq!(with(4).found("queues"), [(Level::Well, "4 in use, all taken; cores: 2".into())]);
    let some = || with(4).expecting(|expect| expect.ports[0].queues = Some(2));
    let more = some().ill("queues");
    assert_eq!(more.what, "4 in use, 2 taken; cores: 2");
    assert!(more.mend[0].starts_with("sudo ethtool -L eth0 combined 2 "), "{more:?}");
    assert_eq!(with(1).found("queues")[0].0, Level::Note);
    let asked = with(1).expecting(|expect| expect.ports[0].queues = Some(4));
    assert_eq!(asked.ill("queues").level, Level::Fault);
    let too_many = asked.expecting(|expect| expect.ports[0].queues = Some(9));
    assert_eq!(too_many.ill("queues").mend, ["queues = 8 for the port: it can have no more"]);
    // A packet socket hears all queues.
    let packet = some().expecting(|expect| expect.ports[0].driver = "af_packet".into());
    assert_eq!(packet.found("queues")[0].0, Level::Well);
}

#[test]
fn offloads_that_hurt_are_switched_off_where_they_are_the_ports() {
    let on = |place: usize| Machine::well().device(|facts| facts.features[place].active = true);
    let ill = on(0).ill("offloads");
    assert_eq!(
        (ill.what.as_str(), ill.mend[0].as_str()),
        ("rx-lro is on", "sudo ethtool -K eth0 rx-lro off")
    );
    let fix = ill.fix.unwrap();
    assert_eq!(fix, Fix::SwitchOff { device: "eth0".into(), feature: "rx-lro" });
    assert_eq!(fix.undo(), "sudo ethtool -K eth0 rx-lro on");
    assert_eq!(on(1).ill("offloads").what, "rx-gro-hw is on");
    assert_eq!(on(2).ill("offloads").what, "rx-vlan-hw-parse is on");
    // A packet socket is given tags beside the packet and puts them back.
    let packet = on(2).expecting(|expect| expect.ports[0].driver = "af_packet".into());
    assert_eq!(packet.found("offloads")[0].0, Level::Note);
    let fixed = on(0).device(|facts| facts.features[0].changeable = false);
    assert_eq!(fixed.ill("offloads").fix, None);
    let strangers = on(0).expecting(|expect| expect.ports.clear());
    let note = strangers.findings("offloads").remove(0);
    assert_eq!((note.level, note.fix), (Level::Note, None));
}

#[test]
fn devices_are_to_sit_on_the_node_of_the_cores() {
    let file = "sys/class/net/eth0/device/numa_node";
    let ill = Machine::well().with(file, "0\n").ill("numa");
    assert_eq!(ill.what, "on node 0, polling CPUs 2-3 are not");
    assert_eq!(ill.mend, ["cores of node 0: CPUs 0-1"]);
    assert!(Machine::well().with(file, "-1\n").found("numa").is_empty());
}
