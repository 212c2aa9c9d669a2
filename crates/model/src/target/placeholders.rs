//! Placeholders in the texts of a process target: `{port}`, `{address}`, `{version}`, `{colour}`, `{instance}`.
//!
//! `{{` and `}}` stand for a brace. Anything else in braces is an error and never passed through: a misspelt
//! placeholder must not reach a program as its argument. This is the one place that knows the names.

use crate::colour::Colour;

/// What the placeholders of one instance stand for.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// `{port}`: the port that the instance listens on.
    pub port: u16,
    /// `{address}`: the address that it listens on, without the port.
    pub address: &'a str,
    /// `{version}`: the version that runs in the environment.
    pub version: &'a str,
    /// `{colour}`: `blue` or `green`.
    pub colour: Colour,
    /// `{instance}`: the id of the instance.
    pub instance: &'a str,
}

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// A name in braces that is none of the known ones.
    #[error(
        "unknown placeholder {{{0}}}: known are {{port}}, {{address}}, {{version}}, {{colour}} and {{instance}}; \
         a brace itself is written twice"
    )]
    Unknown(String),
    /// A brace that opens and does not close, or closes what was not opened.
    #[error("a single `{brace}` at character {at}: a brace itself is written twice")]
    Unmatched {
        /// Which brace.
        brace: char,
        /// Its place, in characters from 1.
        at: usize,
    },
}

/// Replaces the placeholders of a text.
///
/// # Errors
/// At the first placeholder that is not known and the first brace that stands alone.
pub fn expand(text: &str, values: &Values<'_>) -> Result<String, PlaceholderError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        expanded.push_str(before);
        let place = || text.chars().count() - from.chars().count() + 1;
        if let Some(after) = from.strip_prefix("{{") {
            expanded.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            expanded.push('}');
            rest = after;
        } else if let Some(inside) = from.strip_prefix('{') {
            let unmatched = || PlaceholderError::Unmatched { brace: '{', at: place() };
            let (name, after) = inside.split_once('}').ok_or_else(unmatched)?;
            expanded.push_str(&value(name, values)?);
            rest = after;
        } else {
            return Err(PlaceholderError::Unmatched { brace: '}', at: place() });
        }
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// Checks a text without values at hand.
///
/// # Errors
/// As [`expand`].
pub fn check(text: &str) -> Result<(), PlaceholderError> {
    let values = Values { port: 1, address: "", version: "", colour: Colour::Blue, instance: "" };
    expand(text, &values).map(drop)
}

fn value(name: &str, values: &Values<'_>) -> Result<String, PlaceholderError> {
    match name {
        "port" => Ok(values.port.to_string()),
        "address" => Ok(values.address.to_owned()),
        "version" => Ok(values.version.to_owned()),
        "colour" => Ok(values.colour.name().to_owned()),
        "instance" => Ok(values.instance.to_owned()),
        other => Err(PlaceholderError::Unknown(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALUES: Values<'static> =
        Values { port: 8081, address: "127.0.0.1", version: "v{2}", colour: Colour::Green, instance: "g-1" };

    #[test]
    fn placeholders_are_replaced_once() {
        let text = "--listen={address}:{port} {version} {colour}/{instance}";
        assert_eq!(expand(text, &VALUES).unwrap(), "--listen=127.0.0.1:8081 v{2} green/g-1");
        assert_eq!(expand("plain", &VALUES).unwrap(), "plain");
    }

    #[test]
    fn doubled_braces_are_braces() {
        assert_eq!(expand("{{\"port\":{port}}}", &VALUES).unwrap(), "{\"port\":8081}");
        let unmatched = PlaceholderError::Unmatched { brace: '}', at: 16 };
        assert_eq!(expand("{{\"port\":{port}}", &VALUES).unwrap_err(), unmatched);
        assert_eq!(expand("{{\"a\":{{}}}}", &VALUES).unwrap(), "{\"a\":{}}");
        assert_eq!(expand("{{port}}", &VALUES).unwrap(), "{port}");
    }

    #[test]
    fn what_is_no_placeholder_is_an_error() {
        let unknown = check("{prot}").unwrap_err();
        assert_eq!(unknown, PlaceholderError::Unknown("prot".to_owned()));
        assert!(unknown.to_string().starts_with("unknown placeholder {prot}: known are {port}, {address}"));
        assert_eq!(check("{}").unwrap_err(), PlaceholderError::Unknown(String::new()));
        assert_eq!(check("ä{port").unwrap_err(), PlaceholderError::Unmatched { brace: '{', at: 2 });
        assert_eq!(
            check("port}").unwrap_err().to_string(),
            "a single `}` at character 5: a brace itself is written twice"
        );
    }

    proptest! {
        #[test]
        fn any_text_passes_when_its_braces_are_doubled(text in "[a-z{}ä ]{0,20}") {
            let doubled = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(expand(&doubled, &VALUES).unwrap(), text);
        }

        #[test]
        fn no_text_makes_expansion_panic(text in "[a-z{}ä ]{0,20}") {
            let _ = check(&text);
        }
    }
}
