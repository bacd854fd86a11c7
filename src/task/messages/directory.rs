//! Who is where: the shards of an application, or its cores, and the core each of them is with.

/// Addresses of one application: its shards, or the cores where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directory {
    /// By address: its core, and its place among that core's.
    homes: Vec<(u16, u16)>,
    /// By core: how many addresses it has.
    seats: Vec<u16>,
}

impl Directory {
    /// So many addresses on so many cores; `core_of` says which is where.
    pub(crate) fn new(addresses: u16, cores: usize, core_of: impl Fn(u16) -> u16) -> Directory {
        let (mut homes, mut seats) = (Vec::with_capacity(usize::from(addresses)), vec![0u16; cores]);
        for core in (0..addresses).map(core_of) {
            let seat = &mut seats[usize::from(core)];
            homes.push((core, *seat));
            *seat += 1;
        }
        Directory { homes, seats }
    }

    /// How many addresses there are.
    pub(super) fn addresses(&self) -> u16 {
        self.homes.len() as u16
    }

    /// How many cores there are.
    pub(super) fn cores(&self) -> usize {
        self.seats.len()
    }

    /// How many addresses are with a core.
    pub(super) fn seats(&self, core: usize) -> usize {
        self.seats.get(core).copied().map_or(0, usize::from)
    }

    /// The core of an address that there is.
    #[inline]
    pub(super) fn core(&self, address: u16) -> usize {
        usize::from(self.homes[usize::from(address)].0)
    }

    /// The place of an address that there is among those of its core.
    #[inline]
    pub(super) fn seat(&self, address: u16) -> usize {
        usize::from(self.homes[usize::from(address)].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_a_seat_of_its_own_with_its_core() {
        let directory = Directory::new(8, 3, |address| address % 3);
        assert_eq!((directory.addresses(), directory.cores()), (8, 3));
        assert_eq!([0, 1, 2, 3].map(|core| directory.seats(core)), [3, 3, 2, 0]);
        let at = |address| (directory.core(address), directory.seat(address));
        assert_eq!([0, 1, 3, 7].map(at), [(0, 0), (1, 0), (0, 1), (1, 2)]);
    }
}
