//! Drivers with XDP of their own, and since when: for kernels that do not say so themselves (before 6.3).
//!
//! Source: the table of the eBPF documentation (docs.ebpf.io, "BPF_PROG_TYPE_XDP", driver support, as of Linux 6.14),
//! which names the commit for each; the kernel's own word, where there is one, goes before it.

/// Since which kernel a driver can do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DriverSupport {
    /// Its name, as `ethtool -i` shows it.
    pub(super) name: &'static str,
    /// XDP programs run in it.
    pub(super) native: (u32, u32),
    /// AF_XDP sockets share memory with its cards.
    pub(super) zero_copy: Option<(u32, u32)>,
}

const fn driver(name: &'static str, native: (u32, u32), zero_copy: Option<(u32, u32)>) -> DriverSupport {
    DriverSupport { name, native, zero_copy }
}

const DRIVERS: [DriverSupport; 39] = [
    driver("mlx4_en", (4, 8), None),
    driver("mlx5_core", (4, 9), Some((5, 3))),
    driver("qede", (4, 10), None),
    driver("nfp", (4, 10), Some((5, 18))),
    driver("virtio_net", (4, 10), Some((6, 11))),
    driver("bnxt_en", (4, 11), None),
    driver("ixgbe", (4, 12), Some((4, 20))),
    driver("thunder-nicvf", (4, 12), None),
    driver("i40e", (4, 13), Some((4, 20))),
    driver("tun", (4, 14), None),
    driver("netdevsim", (4, 16), None),
    driver("ixgbevf", (4, 17), None),
    driver("veth", (4, 19), None),
    driver("fsl_dpaa2_eth", (5, 0), Some((6, 2))),
    driver("netsec", (5, 3), None),
    driver("cpsw", (5, 3), None),
    driver("sfc", (5, 5), None),
    driver("ice", (5, 5), Some((5, 5))),
    driver("mvneta", (5, 5), None),
    driver("ena", (5, 6), None),
    driver("hv_netvsc", (5, 6), None),
    driver("mvpp2", (5, 9), None),
    driver("vif", (5, 9), None),
    driver("igb", (5, 10), Some((6, 14))),
    driver("fsl_dpa", (5, 11), None),
    driver("igc", (5, 13), Some((5, 14))),
    driver("stmmac", (5, 13), Some((5, 13))),
    driver("fsl_enetc", (5, 13), None),
    driver("bonding", (5, 15), None),
    driver("rvu_nicpf", (5, 16), None),
    driver("mana", (5, 17), None),
    driver("funeth", (5, 18), None),
    driver("atlantic", (5, 19), None),
    driver("mtk_eth_soc", (6, 0), None),
    driver("fec", (6, 2), None),
    driver("tsnep", (6, 3), Some((6, 4))),
    driver("gve", (6, 4), Some((6, 4))),
    driver("vmxnet3", (6, 6), None),
    driver("ionic", (6, 9), None),
];

/// What is known of a driver.
pub(super) fn known(name: &str) -> Option<DriverSupport> {
    DRIVERS.iter().copied().find(|driver| driver.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_listed_once_and_share_memory_no_earlier_than_they_run_programs() {
        for (index, driver) in DRIVERS.iter().enumerate() {
            assert!(DRIVERS[..index].iter().all(|earlier| earlier.name != driver.name), "{}", driver.name);
            assert!(driver.zero_copy.is_none_or(|since| since >= driver.native), "{}", driver.name);
        }
        assert_eq!(known("i40e").and_then(|driver| driver.zero_copy), Some((4, 20)));
        assert_eq!(known("e1000"), None);
    }
}
