//! How full the containers of applications were.

/// One container of an application's instance, at the end of its core. What the [`state`](crate::state) module has tells all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// What the application calls it: the same on every core.
    pub name: &'static str,
    /// Elements it has room for.
    pub capacity: u64,
    /// Elements in it at the end.
    pub used: u64,
    /// The most elements that were in it at a time.
    pub peak: u64,
    /// Elements that made room for others.
    pub evicted: u64,
    /// Elements it had no room for: once for every time.
    pub refused: u64,
}

/// The containers of this name on all cores.
#[derive(Clone, Debug, PartialEq)]
pub struct Containers {
    /// Added up. The cores need not have had their peaks at the same time.
    pub sum: Occupancy,
    /// The peak of the fullest of them as a share of its capacity, 0 to 1.
    pub fullest: f64,
}

impl Containers {
    /// Those of one instance.
    pub fn of(list: Vec<Occupancy>) -> Vec<Containers> {
        let mut all = Vec::new();
        for one in list {
            let fullest = if one.capacity == 0 { 0.0 } else { one.peak as f64 / one.capacity as f64 };
            Containers::merge(&mut all, vec![Containers { sum: one, fullest }]);
        }
        all
    }

    /// Adds those of another instance, by name.
    pub fn merge(all: &mut Vec<Containers>, other: Vec<Containers>) {
        for one in other {
            match all.iter_mut().find(|known| known.sum.name == one.sum.name) {
                Some(known) => known.add(&one),
                None => all.push(one),
            }
        }
    }

    fn add(&mut self, other: &Containers) {
        let (sum, more) = (&mut self.sum, &other.sum);
        sum.capacity += more.capacity;
        sum.used += more.used;
        sum.peak += more.peak;
        sum.evicted += more.evicted;
        sum.refused += more.refused;
        self.fullest = self.fullest.max(other.fullest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occupancy(name: &'static str, capacity: u64, peak: u64) -> Occupancy {
        Occupancy { name, capacity, used: peak / 2, peak, evicted: 3, refused: 4 }
    }

    #[test]
    fn containers_are_added_up_by_name_and_the_fullest_core_is_told() {
        let mut all = Containers::of(vec![occupancy("cache", 100, 10), occupancy("pending", 0, 0)]);
        let other = Containers::of(vec![occupancy("pending", 10, 10), occupancy("cache", 100, 80)]);
        Containers::merge(&mut all, other);
        let cache = Occupancy { name: "cache", capacity: 200, used: 45, peak: 90, evicted: 6, refused: 8 };
        assert_eq!(all[0], Containers { sum: cache, fullest: 0.8 });
        assert_eq!((all.len(), all[1].sum.capacity, all[1].fullest), (2, 10, 1.0));
    }
}
