//! The bucket table: flow hash → bucket → core.
//!
//! A hash is cut down to a bucket by its low bits; a bucket is what moves when load is balanced.
//! 1,024 buckets of two bytes are half a page that stays in the first-level cache.

use std::fmt;

use thiserror::Error;

/// Buckets of a table nobody asked anything special of.
pub const DEFAULT_BUCKETS: usize = 1024;

/// Most buckets a table may have: more do not balance better, they only miss the cache.
pub const MAX_BUCKETS: usize = 65_536;

/// Why a bucket table cannot be made or changed that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BucketError {
    /// The number of buckets is not a power of two, or out of range.
    #[error("{0} buckets: choose a power of two from 1 to {MAX_BUCKETS}")]
    Size(usize),
    /// There is no core to steer to.
    #[error("a bucket table needs at least one core")]
    NoCores,
    /// There are more cores than buckets, so some core would never see a packet.
    #[error("{cores} cores share {buckets} buckets, some would get none: use at least as many buckets")]
    TooFewBuckets {
        /// Number of cores.
        cores: u16,
        /// Number of buckets.
        buckets: usize,
    },
    /// There is no such bucket.
    #[error("bucket {bucket} is not among the {buckets} buckets")]
    NoBucket {
        /// The bucket asked for.
        bucket: usize,
        /// Number of buckets.
        buckets: usize,
    },
    /// There is no such core.
    #[error("core {core} is not among the {cores} cores")]
    NoCore {
        /// The core asked for.
        core: u16,
        /// Number of cores.
        cores: u16,
    },
}

/// Which core each bucket of flows belongs to. Cores are numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketTable {
    /// One core a bucket; the length is a power of two.
    owners: Box<[u16]>,
    cores: u16,
}

impl BucketTable {
    /// A table of [`DEFAULT_BUCKETS`] (or as many more as it takes) spread evenly over `cores`.
    ///
    /// # Errors
    ///
    /// [`BucketError::NoCores`].
    pub fn even(cores: u16) -> Result<BucketTable, BucketError> {
        BucketTable::with_buckets(DEFAULT_BUCKETS.max(usize::from(cores).next_power_of_two()), cores)
    }

    /// A table of `buckets` spread evenly over `cores`: bucket i belongs to core i modulo `cores`.
    ///
    /// # Errors
    ///
    /// [`BucketError::Size`], [`BucketError::NoCores`], [`BucketError::TooFewBuckets`].
    pub fn with_buckets(buckets: usize, cores: u16) -> Result<BucketTable, BucketError> {
        if !buckets.is_power_of_two() || buckets > MAX_BUCKETS {
            return Err(BucketError::Size(buckets));
        }
        if cores == 0 {
            return Err(BucketError::NoCores);
        }
        if usize::from(cores) > buckets {
            return Err(BucketError::TooFewBuckets { cores, buckets });
        }
        let owners = (0..cores).cycle().take(buckets).collect();
        Ok(BucketTable { owners, cores })
    }

    /// Number of buckets, a power of two.
    #[inline]
    pub fn buckets(&self) -> usize {
        self.owners.len()
    }

    /// Number of cores.
    #[inline]
    pub fn cores(&self) -> u16 {
        self.cores
    }

    /// The bucket of a flow hash.
    #[inline]
    pub fn bucket_of(&self, hash: u32) -> usize {
        hash as usize & (self.owners.len() - 1)
    }

    /// The core a packet with this flow hash belongs to.
    #[inline]
    pub fn core_of(&self, hash: u32) -> u16 {
        self.owners[self.bucket_of(hash)]
    }

    /// The core that owns a bucket, if there is such a bucket.
    pub fn owner(&self, bucket: usize) -> Option<u16> {
        self.owners.get(bucket).copied()
    }

    /// Gives one bucket to another core and returns the core that had it. State that the old
    /// core keeps for the bucket's flows does not move by this.
    ///
    /// # Errors
    ///
    /// [`BucketError::NoBucket`], [`BucketError::NoCore`]; the table is unchanged.
    pub fn move_bucket(&mut self, bucket: usize, core: u16) -> Result<u16, BucketError> {
        if core >= self.cores {
            return Err(BucketError::NoCore { core, cores: self.cores });
        }
        let buckets = self.owners.len();
        match self.owners.get_mut(bucket) {
            Some(owner) => Ok(std::mem::replace(owner, core)),
            None => Err(BucketError::NoBucket { bucket, buckets }),
        }
    }

    /// How many buckets a core owns.
    pub fn share(&self, core: u16) -> usize {
        self.owners.iter().filter(|owner| **owner == core).count()
    }
}

/// `1024 buckets: core 0 512 (50.0 %), core 1 512 (50.0 %)`.
impl fmt::Display for BucketTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} buckets:", self.owners.len())?;
        for core in 0..self.cores {
            let share = self.share(core);
            let percent = 100.0 * share as f64 / self.owners.len() as f64;
            let comma = if core == 0 { "" } else { "," };
            write!(f, "{comma} core {core} {share} ({percent:.1} %)")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_tables_differ_by_one_bucket_at_most() {
        for cores in 1..=100 {
            let table = BucketTable::even(cores).unwrap();
            let shares: Vec<usize> = (0..cores).map(|core| table.share(core)).collect();
            assert_eq!(shares.iter().sum::<usize>(), DEFAULT_BUCKETS);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
        assert_eq!(BucketTable::even(5000).unwrap().buckets(), 8192);
        assert_eq!(BucketTable::even(u16::MAX).unwrap().buckets(), MAX_BUCKETS);
    }

    #[test]
    fn every_hash_has_a_core() {
        let table = BucketTable::with_buckets(8, 3).unwrap();
        for hash in [0, 1, 7, 8, u32::MAX] {
            assert_eq!(Some(table.core_of(hash)), table.owner(table.bucket_of(hash)));
        }
        assert_eq!(BucketTable::with_buckets(1, 1).unwrap().core_of(u32::MAX), 0);
    }

    #[test]
    fn a_moved_bucket_takes_its_hashes_along() {
        let mut table = BucketTable::with_buckets(4, 2).unwrap();
        assert_eq!(table.move_bucket(1, 0), Ok(1));
        assert_eq!(table.core_of(5), 0);
        assert_eq!(table.to_string(), "4 buckets: core 0 3 (75.0 %), core 1 1 (25.0 %)");
        assert_eq!(table.move_bucket(4, 0), Err(BucketError::NoBucket { bucket: 4, buckets: 4 }));
        assert_eq!(table.move_bucket(0, 2), Err(BucketError::NoCore { core: 2, cores: 2 }));
    }

    #[test]
    fn refusals() {
        assert_eq!(BucketTable::even(0), Err(BucketError::NoCores));
        assert_eq!(BucketTable::with_buckets(0, 1), Err(BucketError::Size(0)));
        assert_eq!(BucketTable::with_buckets(3, 1), Err(BucketError::Size(3)));
        let few = BucketError::TooFewBuckets { cores: 3, buckets: 2 };
        assert_eq!(BucketTable::with_buckets(2, 3), Err(few));
    }
}
