//! Slips of the pen: which of the known words an unknown one was meant to be.

/// The words of a parser that names what it does not know and what it does, with a guess of what was meant:
/// ``unknown field `cpu-msec`, expected one of `cpu-ms`, `wall-ms` `` becomes ``… ; did you mean `cpu-ms`?``.
#[must_use]
pub fn with_guess(words: &str) -> String {
    let said = ["unknown field", "unknown variant"].iter().find_map(|said| words.find(said));
    let mut ticked = words[said.unwrap_or(words.len())..].split('`').skip(1).step_by(2);
    let unknown = ticked.next();
    match unknown.and_then(|unknown| guess(unknown, ticked)) {
        Some(guess) => format!("{words}; did you mean `{guess}`?"),
        None => words.to_owned(),
    }
}

/// The known word that is most like one that is not known; none where none is like it.
#[must_use]
pub fn guess<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Half of it wrong is another word.
    let most = (unknown.chars().count() / 2).clamp(1, 3);
    let plain = |word: &str| word.replace('_', "-").to_lowercase();
    let wanted = plain(unknown);
    known
        .map(|word| (strsim::osa_distance(&wanted, &plain(word)), word))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_word() {
        let told = with_guess("unknown field `cpu-msec`, expected one of `wall-ms`, `cpu-ms`");
        assert!(told.ends_with("; did you mean `cpu-ms`?"), "{told}");
        let told = with_guess("event of kind `change`: unknown field `resourc`, expected one of `change`, `resource`, `version`");
        assert!(told.ends_with("; did you mean `resource`?"), "{told}");
        for words in ["unknown field `fuel`, expected one of `cpu-ms`, `wall-ms`", "missing field `name`", "`a` is not `b`"] {
            assert_eq!(with_guess(words), words);
        }
        assert_eq!(guess("memory_mib", ["memory-mib", "cpu-ms"].into_iter()), Some("memory-mib"));
    }
}
