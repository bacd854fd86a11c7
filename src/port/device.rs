//! The states of a port's device: which there were, and what is said of a change.

use ffi::device::Device;

/// What of a device matters to a port that goes on using it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its index; another device of the same name has another one.
    pub(super) index: u32,
    /// Up, and there is a carrier: what is sent can arrive.
    pub(super) works: bool,
    /// Administratively up.
    pub(super) up: bool,
    /// Bytes.
    pub(super) mtu: u32,
}

impl From<&Device> for Facts {
    fn from(device: &Device) -> Facts {
        Facts { index: device.index, works: device.up && device.running, up: device.up, mtu: device.mtu }
    }
}

/// What a device was at the last look; `None` where there was none.
pub(super) type Seen = Option<Facts>;

/// What is to be said of a device that does not work at the start.
pub(super) fn at_start(device: &str, facts: Facts) -> Option<String> {
    let works = Facts { works: true, ..facts };
    changes(device, works, facts, facts.mtu).pop()
}

/// What changed between two looks, for people; a line each. `most` is the MTU the port's frames were made for.
pub(super) fn news(device: &str, before: Seen, now: Seen, most: u32) -> Vec<String> {
    match (before, now) {
        (Some(_), None) => vec![format!(
            "there is no device {device:?} any more: nothing is received, what is sent there is dropped as transmit-failed; waiting for it to come back"
        )],
        (Some(before), Some(now)) => changes(device, before, now, most),
        (None, _) => Vec::new(),
    }
}

fn changes(device: &str, before: Facts, now: Facts, most: u32) -> Vec<String> {
    let mut news = Vec::new();
    match (before.works, now.works) {
        (true, false) if now.up => news.push(format!(
            "device {device:?} has no carrier: what is sent there is dropped as transmit-failed until it has"
        )),
        (true, false) => news.push(format!(
            "device {device:?} is down: nothing is received, what is sent there is dropped as transmit-failed; `ip link set {device} up`"
        )),
        (false, true) => news.push(format!("device {device:?} is up: traffic goes on")),
        _ => {}
    }
    if before.mtu != now.mtu {
        news.push(mtu(device, before.mtu, now.mtu, most));
    }
    news
}

fn mtu(device: &str, before: u32, now: u32, most: u32) -> String {
    let text = format!("the MTU of device {device:?} was {before} and is {now}");
    if now <= most {
        return format!("{text}: larger packets cannot be sent there now");
    }
    format!("{text}: {}", too_large(most))
}

fn too_large(most: u32) -> String {
    format!(
        "frames were made for {most} at the start, larger packets are dropped as larger-than-frame until mnvkd is started again"
    )
}

/// What is to be said of a device that took the place of another, if its packets may be larger than those frames were
/// made for.
pub(super) fn larger(device: &str, facts: Facts, most: u32) -> Option<String> {
    (facts.mtu > most).then(|| format!("the MTU of device {device:?} is {}: {}", facts.mtu, too_large(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Facts = Facts { index: 7, works: true, up: true, mtu: 1500 };

    #[test]
    fn what_changed_is_said_and_nothing_else() {
        let told = |before: Seen, now: Seen| news("eth7", before, now, 1500).join("\n");
        assert_eq!(told(Some(UP), Some(UP)), "");
        assert_eq!(told(None, None), "");
        assert!(told(Some(UP), None).contains("no device \"eth7\" any more"));
        let down = Facts { works: false, up: false, ..UP };
        assert!(
            told(Some(UP), Some(down)).contains("is down") && told(Some(down), Some(UP)).contains("is up")
        );
        assert!(told(Some(UP), Some(Facts { works: false, ..UP })).contains("no carrier"));
        let grown = told(Some(UP), Some(Facts { mtu: 9000, ..UP }));
        assert!(grown.contains("was 1500 and is 9000") && grown.contains("larger-than-frame"));
        assert_eq!(larger("eth7", UP, 1500), None);
        assert!(
            larger("eth7", UP, 1400).is_some_and(|text| text.contains("is 1500: frames were made for 1400"))
        );
        assert!(told(Some(UP), Some(Facts { mtu: 1400, ..UP })).contains("larger packets cannot be sent"));
    }
}
