//! Which pages there are, and how firmly one asks for them.

use std::fmt;
use std::str::FromStr;

/// The pages memory is made of, from the most to the least wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 1 GiB pages from the kernel's hugetlb pool.
    Huge1G,
    /// 2 MiB pages from the kernel's hugetlb pool.
    Huge2M,
    /// 2 MiB pages the kernel puts together when it can (transparent huge pages).
    Transparent,
    /// Base pages, 4 KiB.
    Base4K,
}

impl PageSize {
    /// All of them, from the most to the least wanted.
    pub const ALL: [Self; 4] = [Self::Huge1G, Self::Huge2M, Self::Transparent, Self::Base4K];

    /// Bytes of one page.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Huge1G => 1 << 30,
            Self::Huge2M | Self::Transparent => 1 << 21,
            Self::Base4K => 1 << 12,
        }
    }

    /// For pages of the hugetlb pool, the logarithm of their size as `mmap(2)` takes it.
    #[must_use]
    pub const fn hugetlb_bits(self) -> Option<u8> {
        match self {
            Self::Huge1G => Some(30),
            Self::Huge2M => Some(21),
            Self::Transparent | Self::Base4K => None,
        }
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Huge1G => "1G",
            Self::Huge2M => "2M",
            Self::Transparent => "thp",
            Self::Base4K => "4K",
        })
    }
}

impl FromStr for PageSize {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL
            .into_iter()
            .find(|size| size.to_string().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownPolicy(text.into()))
    }
}

/// How firmly huge pages are asked for. As text: `require[:SIZE]`, `prefer[:SIZE]`, `never`, where
/// SIZE is `1G`, `2M`, `thp` or `4K`; `require` alone is `require:2M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PagePolicy {
    /// These or an error.
    Require(PageSize),
    /// These (by default 1G for a gigabyte or more, then 2M), else the next smaller, with the reason.
    Prefer(Option<PageSize>),
    /// Base pages, and no transparent ones either.
    Never,
}

impl PagePolicy {
    /// The page sizes to try for that many bytes, in order; never empty.
    pub(crate) fn rungs(self, bytes: usize) -> &'static [PageSize] {
        const ALL: &[PageSize] = &PageSize::ALL;
        let from = |size: PageSize| &ALL[size as usize..];
        match self {
            Self::Require(size) => &from(size)[..1],
            Self::Never => from(PageSize::Base4K),
            Self::Prefer(Some(size)) => from(size),
            Self::Prefer(None) if bytes >= PageSize::Huge1G.bytes() => from(PageSize::Huge1G),
            Self::Prefer(None) => from(PageSize::Huge2M),
        }
    }
}

impl Default for PagePolicy {
    fn default() -> Self {
        Self::Prefer(None)
    }
}

impl fmt::Display for PagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Require(size) => write!(f, "require:{size}"),
            Self::Prefer(Some(size)) => write!(f, "prefer:{size}"),
            Self::Prefer(None) => f.write_str("prefer"),
            Self::Never => f.write_str("never"),
        }
    }
}

/// The text names no page policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no page policy: write never, prefer, prefer:SIZE, require or require:SIZE, with SIZE 1G, 2M, thp or 4K"
)]
pub struct UnknownPolicy(pub String);

impl FromStr for PagePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        let (verb, size) = text.split_once(':').map_or((text, None), |(verb, size)| (verb, Some(size)));
        let size = size.map(str::parse).transpose().map_err(|_| UnknownPolicy(text.into()))?;
        match (verb, size) {
            ("require", size) => Ok(Self::Require(size.unwrap_or(PageSize::Huge2M))),
            ("prefer", size) => Ok(Self::Prefer(size)),
            ("never", None) => Ok(Self::Never),
            _ => Err(UnknownPolicy(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_what_they_print() {
        for text in ["require:1G", "require:2M", "require:thp", "require:4K", "prefer", "prefer:2M", "never"]
        {
            assert_eq!(text.parse::<PagePolicy>().unwrap().to_string(), text);
        }
        assert_eq!("require".parse(), Ok(PagePolicy::Require(PageSize::Huge2M)));
        for text in ["", "never:2M", "require:", "prefer:3M", "always"] {
            assert_eq!(text.parse::<PagePolicy>(), Err(UnknownPolicy(text.into())));
        }
    }

    #[test]
    fn a_gigabyte_page_is_tried_first_only_for_a_gigabyte() {
        let first = |bytes| PagePolicy::Prefer(None).rungs(bytes)[0];
        assert_eq!(first((1 << 30) - 1), PageSize::Huge2M);
        assert_eq!(first(1 << 30), PageSize::Huge1G);
        assert_eq!(PagePolicy::Require(PageSize::Transparent).rungs(1), [PageSize::Transparent]);
        assert_eq!(PagePolicy::Never.rungs(1 << 40), [PageSize::Base4K]);
    }
}
