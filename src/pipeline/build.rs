//! What an application's constructor is given.

use hugepages::{Arena, Carved, Filled, Heap};

use crate::packet::{CoreId, PortId, Reason, Reasons};

/// Where `forward` sends what comes in by each port of a pipeline.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    pairs: Vec<(PortId, PortId)>,
}

impl Routes {
    /// Routes by pairs of (port in, port out).
    pub fn new(pairs: Vec<(PortId, PortId)>) -> Routes {
        Routes { pairs }
    }

    /// The port paired with this one.
    pub fn paired(&self, ingress: PortId) -> Option<PortId> {
        self.pairs.iter().find(|(from, _)| *from == ingress).map(|(_, to)| *to)
    }

    /// All pairs, (in, out).
    pub fn pairs(&self) -> &[(PortId, PortId)] {
        &self.pairs
    }
}

/// The core an application instance is built for, and what it may take there.
pub struct Build<'a> {
    pub(crate) core: CoreId,
    pub(crate) cores: usize,
    pub(crate) seed: u64,
    pub(crate) routes: &'a Routes,
    /// By port number.
    pub(crate) addresses: &'a [Option<[u8; 6]>],
    pub(crate) reasons: &'a mut Reasons,
    pub(crate) arena: &'a mut Arena,
    pub(crate) application: &'static str,
}

impl Build<'_> {
    /// The core this instance will run on.
    pub fn core(&self) -> CoreId {
        self.core
    }

    /// Cores of the dataplane.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The run's seed, the same on every core.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Ports paired by the pipeline's `from` and `to`.
    pub fn routes(&self) -> &Routes {
        self.routes
    }

    /// A port's own Ethernet address, if it has one.
    pub fn mac_address(&self, port: PortId) -> Option<[u8; 6]> {
        self.addresses.get(port.index()).copied().flatten()
    }

    /// A drop reason of this name, the same on every core.
    ///
    /// # Errors
    /// All [`Reason::LIMIT`] numbers are taken.
    pub fn reason(&mut self, name: &str) -> anyhow::Result<Reason> {
        self.reasons.intern(name).ok_or_else(|| {
            anyhow::anyhow!("no number left for drop reason {name:?}: a run has at most {}", Reason::LIMIT)
        })
    }

    /// `count` zeroed elements in the core's arena. What is carved here was announced by
    /// [`Application::arena_bytes`](super::Application::arena_bytes).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve<T: zerocopy::FromZeros + 'static>(&mut self, count: usize) -> anyhow::Result<Carved<T>> {
        Ok(self.arena.carve::<T>(self.application, count)?)
    }

    /// `count` elements of any type in the core's arena, each made by `fill` of its number, dropped with what is returned. They count
    /// as announced, like those of [`carve`](Build::carve).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve_filled<T>(
        &mut self,
        count: usize,
        fill: impl FnMut(usize) -> T,
    ) -> anyhow::Result<Filled<T>> {
        Ok(self.arena.carve_filled(self.application, count, fill)?)
    }

    /// A heap of `bytes` bytes in the core's arena. They count as announced, like those of [`carve`](Build::carve).
    ///
    /// # Errors
    /// The arena has no room for it.
    pub fn carve_heap(&mut self, bytes: usize) -> anyhow::Result<Heap> {
        Ok(self.arena.carve_heap(self.application, bytes)?)
    }
}
