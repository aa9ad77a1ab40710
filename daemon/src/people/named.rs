//! Names: what a person means who gives an id, or the start of one.

/// Of those that an id could mean, so many are named.
pub const CANDIDATES: usize = 10;

/// What an id, or the start of one, means.
#[derive(Debug, PartialEq, Eq)]
pub enum IdMatch<T> {
    /// This one.
    One(T),
    /// Nothing.
    Nothing,
    /// Any of these.
    Several(Vec<T>),
}

impl<T> IdMatch<T> {
    /// What `start` means among `all`; a whole id means itself, though others may start so.
    pub fn among(all: impl IntoIterator<Item = T>, start: &str, id: impl Fn(&T) -> &str) -> Self {
        let mut found = Vec::new();
        for one in all {
            if id(&one) == start {
                return Self::One(one);
            }
            if id(&one).starts_with(start) {
                found.push(one);
            }
        }
        match found.len() {
            0 => Self::Nothing,
            1 => found.pop().map_or(Self::Nothing, Self::One),
            _ => Self::Several(found),
        }
    }
}

/// What to say where several are meant: an id and a few words of each.
pub fn candidates<T>(all: &[T], words: impl Fn(&T) -> (String, String)) -> String {
    let lines = all.iter().take(CANDIDATES).map(words);
    let lines = lines.map(|(id, words)| format!("\n  {id}  {words}"));
    let more = if all.len() > CANDIDATES { "\n  and more" } else { "" };
    format!("give more of the id, one of{}{more}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_means_the_only_one_that_starts_so() {
        let named = |start: &str| IdMatch::among(["ab-1", "ab-12", "c-1"], start, |id| id);
        assert_eq!(named("c"), IdMatch::One("c-1"));
        assert_eq!(named("ab"), IdMatch::Several(vec!["ab-1", "ab-12"]));
        assert_eq!(named("ab-1"), IdMatch::One("ab-1"));
        assert_eq!(named("d"), IdMatch::Nothing);
        let many: Vec<_> = (0..11).collect();
        let told = candidates(&many, |number| (number.to_string(), "x".into()));
        assert!(told.starts_with("give more of the id, one of\n  0  x\n  1  x\n"), "{told}");
        assert!(told.ends_with("\n  9  x\n  and more"), "{told}");
    }
}
