//! IPv6 extension headers (RFC 8200, section 4) in front of what is for us.

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HIP: u8 = 139;
const SHIM6: u8 = 140;

/// The bits of an option's type that say what a host does that does not know it: 0 is to skip it (RFC 8200, 4.2).
const ACTION: u8 = 0xc0;
/// Offset and "more fragments" of a fragment header's second word; what is between them is reserved.
const IN_PARTS: u16 = 0xfff9;

/// What is behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Upper {
    /// Protocol number.
    pub(super) protocol: u8,
    /// Where it starts.
    pub(super) start: usize,
    /// Was there a fragment header, of a packet that is whole (RFC 6946)?
    pub(super) fragment_header: bool,
}

/// Why the headers could not be walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// A part of a packet; the protocol that its fragment header names.
    Fragment(u8),
    /// A routing header with segments left: another host is the destination.
    Routed,
    /// A header or option that may not be skipped.
    Refused,
    /// They run off the end.
    Truncated,
}

/// Walks from `start`, where the fixed header of a packet that ends at `end` ends and names `protocol`.
#[inline]
pub(super) fn walk(data: &[u8], start: usize, end: usize, protocol: u8) -> Result<Upper, Stop> {
    let mut upper = Upper { protocol, start, fragment_header: false };
    while is_extension(upper.protocol) {
        step(data, start, end, &mut upper)?;
    }
    Ok(upper)
}

#[inline]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY | HIP | SHIM6
    )
}

#[cold]
fn step(data: &[u8], first: usize, end: usize, upper: &mut Upper) -> Result<(), Stop> {
    let rest = data.get(upper.start..end).ok_or(Stop::Truncated)?;
    let head = rest.first_chunk::<8>().ok_or(Stop::Truncated)?;
    let len = if upper.protocol == FRAGMENT { 8 } else { (usize::from(head[1]) + 1) * 8 };
    match upper.protocol {
        // Nowhere else (RFC 8200, 4.1).
        HOP_BY_HOP if upper.start != first => return Err(Stop::Refused),
        HOP_BY_HOP | DESTINATION => skip_options(rest.get(2..len).ok_or(Stop::Truncated)?)?,
        ROUTING if head[3] != 0 => return Err(Stop::Routed),
        ROUTING => {}
        FRAGMENT if u16::from_be_bytes([head[2], head[3]]) & IN_PARTS != 0 => {
            return Err(Stop::Fragment(head[0]));
        }
        FRAGMENT => upper.fragment_header = true,
        _ => return Err(Stop::Refused),
    }
    if len > rest.len() {
        return Err(Stop::Truncated);
    }
    (upper.protocol, upper.start) = (head[0], upper.start + len);
    Ok(())
}

/// May all of these options be skipped?
fn skip_options(mut options: &[u8]) -> Result<(), Stop> {
    while let Some((&kind, rest)) = options.split_first() {
        if kind == 0 {
            options = rest; // Pad1, the one option without a length
            continue;
        }
        let (&len, data) = rest.split_first().ok_or(Stop::Truncated)?;
        options = data.get(usize::from(len)..).ok_or(Stop::Truncated)?;
        if kind & ACTION != 0 {
            return Err(Stop::Refused);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: u8 = 17;

    fn walked(bytes: &[u8], protocol: u8) -> Result<(u8, usize), Stop> {
        walk(bytes, 0, bytes.len(), protocol).map(|upper| (upper.protocol, upper.start))
    }

    #[test]
    fn what_may_be_skipped_is_skipped() {
        assert_eq!(walked(&[], UDP), Ok((UDP, 0)));
        // Router alert and padding; then a routing header without segments left; then a whole fragment.
        let hop = [ROUTING, 0, 5, 2, 0, 0, 1, 0];
        let routing = [FRAGMENT, 0, 4, 0, 0, 0, 0, 0];
        let fragment = [DESTINATION, 0, 0, 0, 1, 2, 3, 4];
        let destination = [UDP, 0, 0, 0x1e, 3, 1, 1, 1];
        let all = [hop, routing, fragment, destination].concat();
        assert_eq!(walked(&all, HOP_BY_HOP), Ok((UDP, 32)));
        assert!(walk(&all, 0, 32, HOP_BY_HOP).unwrap().fragment_header);
        for cut in 0..32 {
            assert_eq!(walked(&all[..cut], HOP_BY_HOP), Err(Stop::Truncated), "{cut}");
        }
    }

    #[test]
    fn what_may_not_be_skipped_stops() {
        assert_eq!(walked(&[UDP, 0, 0x42, 4, 0, 0, 0, 0], DESTINATION), Err(Stop::Refused), "discard");
        assert_eq!(walked(&[UDP, 0, 0xc2, 4, 0, 1, 0, 0], HOP_BY_HOP), Err(Stop::Refused), "jumbo payload");
        assert_eq!(walked(&[UDP, 0, 1, 5, 0, 0, 0, 0], DESTINATION), Err(Stop::Truncated), "option too long");
        assert_eq!(walked(&[UDP, 0, 0, 1, 0, 0, 0, 0], ROUTING), Err(Stop::Routed));
        assert_eq!(walked(&[UDP, 0, 0, 0, 0, 0, 0, 0], AUTHENTICATION), Err(Stop::Refused));
        assert_eq!(walked(&[UDP, 0, 0, 1, 0, 0, 0, 0], FRAGMENT), Err(Stop::Fragment(UDP)), "more to come");
        assert_eq!(walked(&[UDP, 0, 0, 8, 0, 0, 0, 0], FRAGMENT), Err(Stop::Fragment(UDP)), "an offset");
        let twice = [[HOP_BY_HOP, 0, 1, 4, 0, 0, 0, 0], [UDP, 0, 1, 4, 0, 0, 0, 0]].concat();
        assert_eq!(walked(&twice, HOP_BY_HOP), Err(Stop::Refused));
    }
}
