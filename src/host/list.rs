//! CPUs as the kernel writes them.

/// The most CPUs a list may name: more than any kernel's `NR_CPUS`, few enough to be kept.
const MOST: usize = 1 << 18;

/// Reads `0-3,8`; ascending, each once. An empty text is an empty list; `None` where it is no list at all.
pub fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= MOST {
            return None;
        }
        cpus.extend(first..=last);
        if cpus.len() > MOST {
            return None;
        }
    }
    cpus.sort_unstable();
    cpus.dedup();
    Some(cpus)
}

/// Writes CPUs in ascending order as `0-3,8`.
pub fn show_list(cpus: &[usize]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = cpus;
    while let Some((first, _)) = rest.split_first() {
        let run = rest.iter().zip(*first..).take_while(|(cpu, expected)| *cpu == expected).count();
        parts.push(match run {
            1 => first.to_string(),
            run => format!("{first}-{}", first + run - 1),
        });
        rest = &rest[run..];
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_does() {
        for (text, cpus) in
            [("", vec![]), ("0", vec![0]), ("0-3,8", vec![0, 1, 2, 3, 8]), ("5,7-8", vec![5, 7, 8])]
        {
            assert_eq!(parse_list(text).as_ref(), Some(&cpus), "{text:?}");
            assert_eq!(show_list(&cpus), text);
        }
        assert_eq!(parse_list(" 3 , 1-2,2\n"), Some(vec![1, 2, 3]));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in ["x", "1-", "-1", "3-1", "1-2-3", "0-99999999999", "0-262144", "managed_irq,1"] {
            assert_eq!(parse_list(text), None, "{text:?}");
        }
    }
}
