//! JSON pointers (RFC 6901): where in a JSON text something stands.

/// A pointer, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JsonPointer(Box<[Box<str>]>);

impl JsonPointer {
    /// Reads one (section 3): empty, or steps that each begin with `/` and escape `~`; `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<JsonPointer> {
        let is_escaped = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !is_escaped || !(text.is_empty() || text.starts_with('/')) {
            return None;
        }
        // In this order (section 4), or `~01` would become `/`.
        let step = |step: &str| step.replace("~1", "/").replace("~0", "~").into_boxed_str();
        Some(JsonPointer(text.split('/').skip(1).map(step).collect()))
    }

    /// The steps from the whole text to the place; none: the whole text.
    #[must_use]
    pub fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// The place in a list that a step names (section 4): digits without a leading zero; `None`: none.
    #[must_use]
    pub fn index(step: &str) -> Option<usize> {
        let is_number =
            step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
        step.parse().ok().filter(|_| is_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointers_of_the_rfc_are_read() {
        let steps = |text| JsonPointer::parse(text).map(|pointer| pointer.steps().to_vec());
        let of = |steps: &[&str]| Some(steps.iter().map(|step| Box::from(*step)).collect::<Vec<Box<str>>>());
        assert_eq!(steps(""), of(&[]));
        assert_eq!(steps("/"), of(&[""]));
        assert_eq!(steps("/foo/0"), of(&["foo", "0"]));
        assert_eq!(steps("/a~1b/m~0n/~01"), of(&["a/b", "m~n", "~1"]));
        for wrong in ["foo", "#/foo", "/a~", "/a~2"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_place_in_a_list_has_no_leading_zero() {
        assert_eq!(["0", "10"].map(JsonPointer::index), [Some(0), Some(10)]);
        assert_eq!(["", "-", "01", "+1", "1e1", "99999999999999999999"].map(JsonPointer::index), [None; 6]);
    }
}
