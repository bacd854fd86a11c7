//! "Did you mean ...?"

use strsim::osa_distance;

/// Characters of a misspelt name that are compared.
const COMPARED: usize = 64;

/// The known name that is nearest to a misspelt one; `None` when none is near.
pub(crate) fn nearest<'k>(wrong: &str, known: &[&'k str]) -> Option<&'k str> {
    let wrong = fold(wrong);
    let limit = (wrong.chars().count() / 3).clamp(1, 4);
    let mut scored: Vec<(usize, &str)> =
        known.iter().map(|name| (osa_distance(&wrong, &fold(name)), *name)).collect();
    scored.sort_by_key(|(distance, _)| *distance);
    match scored.first() {
        Some((distance, name)) if *distance <= limit => Some(name),
        _ => known.iter().copied().find(|name| wrong.len() > 2 && fold(name).starts_with(&wrong)),
    }
}

/// Case and the choice of `_` or `-` do not make a name another one.
fn fold(name: &str) -> String {
    name.chars().take(COMPARED).map(|c| if c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// What to say after "unknown ...": the nearest name where there is one, and all that are known.
pub(crate) fn suggest(wrong: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    match (nearest(wrong, known), known.len()) {
        (_, 0) => "; there is none".to_owned(),
        (Some(name), 1) => format!("; did you mean {name:?}?"),
        (Some(name), _) => format!("; did you mean {name:?}? Known: {all}"),
        (None, _) => format!("; known: {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_named_and_a_far_one_is_not() {
        let known = ["flow-meter", "forward", "mac-swap"];
        assert_eq!(nearest("flow_metr", &known), Some("flow-meter"));
        assert_eq!(nearest("Forwrad", &known), Some("forward"));
        assert_eq!(nearest("flow", &known), Some("flow-meter"));
        assert_eq!(nearest("x", &known), None);
        assert_eq!(nearest("", &known), None);
        assert_eq!(
            suggest("mac-swop", &known),
            r#"; did you mean "mac-swap"? Known: flow-meter, forward, mac-swap"#
        );
        assert_eq!(suggest("x", &known), "; known: flow-meter, forward, mac-swap");
        assert_eq!(suggest("x", &[]), "; there is none");
    }
}
