//! "Did you mean": the nearest of some known words.

/// The known word nearest to `word`, if it is near enough to be a typing mistake.
pub(crate) fn nearest<'known>(
    word: &str,
    known: impl IntoIterator<Item = &'known str>,
) -> Option<&'known str> {
    // A third of a word may differ; a word of two letters has no near ones.
    let most = word.chars().count() / 3;
    if most == 0 || word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to change, swap, add or remove; upper and lower case count as the same.
fn distance(word: &str, candidate: &str) -> usize {
    if word.len().abs_diff(candidate.len()) > word.len() / 3 {
        return usize::MAX;
    }
    strsim::osa_distance(&word.to_ascii_lowercase(), &candidate.to_ascii_lowercase())
}
