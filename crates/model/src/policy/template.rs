//! Texts with `${names}` in them. Not the braces of a target's commands: queries are full of these.

/// The names that there are.
pub const NAMES: [&str; 5] = ["version", "colour", "other_colour", "app", "release"];

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A name that there is not.
    #[error(
        "unknown ${{{0}}}: known are ${{version}}, ${{colour}}, ${{other_colour}}, ${{app}} and ${{release}}"
    )]
    Unknown(String),
    /// A `${` without its end.
    #[error("a ${{ is not closed")]
    Open,
}

/// Replaces each `${name}` by what `value` says.
///
/// # Errors
/// A name for which there is no value, or a `${` that is not closed.
pub fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, TemplateError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let (name, behind) = after.split_once('}').ok_or(TemplateError::Open)?;
        expanded.push_str(&value(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Whether a text can be expanded; `sample` stands for each name.
pub(crate) fn sample(text: &str) -> Result<String, TemplateError> {
    expand(text, |name| NAMES.contains(&name).then(|| "x".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_and_braces_of_queries_are_left() {
        let query = r#"sum(rate(errors{version="${version}", code=~"5..$"}[1m])) / ${version}"#;
        let expanded = expand(query, |name| (name == "version").then(|| "v2".to_owned())).unwrap();
        assert_eq!(expanded, r#"sum(rate(errors{version="v2", code=~"5..$"}[1m])) / v2"#);
        // A value is not looked at again.
        assert_eq!(expand("${a}", |_| Some("${a}".to_owned())).unwrap(), "${a}");
    }

    #[test]
    fn what_nobody_knows_is_named() {
        assert_eq!(sample("${verison}"), Err(TemplateError::Unknown("verison".to_owned())));
        assert_eq!(sample("${version"), Err(TemplateError::Open));
        assert_eq!(sample("$version {x}"), Ok("$version {x}".to_owned()));
        let text = TemplateError::Unknown("verison".to_owned()).to_string();
        assert!(text.starts_with("unknown ${verison}: known are ${version},"), "{text}");
    }
}
