//! Did you mean ...? The nearest of the known names.

/// The known name that is nearest to a wrong one, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (wrong.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= allowed || related(wrong, name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// One is the beginning of the other, as `time` of `time_ms`.
fn related(wrong: &str, name: &str) -> bool {
    wrong.len() >= 3 && name.len() >= 3 && (name.starts_with(wrong) || wrong.starts_with(name))
}

/// Edits between two texts, a swap of neighbours being one (optimal string alignment). Long texts are far apart.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, j).saturating_add(usize::from(from != to));
            let moved = at(&last, j + 1).min(at(&row, j)).saturating_add(1);
            let mut best = replaced.min(moved);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, j - 1).saturating_add(1));
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["listen", "routes", "services", "upstreams", "drain_timeout_ms"];
        assert_eq!(nearest("lisetn", known), Some("listen"));
        assert_eq!(nearest("route", known), Some("routes"));
        assert_eq!(nearest("drain_timeout", known), Some("drain_timeout_ms"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        assert_eq!(nearest("plugins", ["listen", "admin"]), None);
    }
}
