//! A text with variables in it: `$remote_addr:${http_x_api}` (APISIX's `resolve_var`).

use std::borrow::Cow;

/// A text in which variables are replaced by their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads a text: `$name` and `${name}` are variables, and `\$` is a dollar sign. A dollar sign before anything else
    /// stands for itself.
    #[must_use]
    pub fn parse(text: &str) -> Template {
        let mut template = Template { parts: Vec::new() };
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, after) = rest.split_at(at);
            let after = after.get(1..).unwrap_or_default();
            if let Some(escaped) = before.strip_suffix('\\') {
                template.text(escaped);
                template.text("$");
                rest = after;
                continue;
            }
            template.text(before);
            rest = match variable(after) {
                Some((name, rest)) => {
                    template.parts.push(Part::Variable(name.to_owned()));
                    rest
                }
                None => {
                    template.text("$");
                    after
                }
            };
        }
        template.text(rest);
        template
    }

    fn text(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.parts.push(Part::Text(text.to_owned())),
        }
    }

    /// The text with the values of its variables, nothing for one that has none; and how many have one.
    pub fn fill<'v>(&self, value_of: impl Fn(&str) -> Option<Cow<'v, str>>) -> (String, usize) {
        let mut filled = String::new();
        let mut found = 0;
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable(name) => {
                    if let Some(value) = value_of(name) {
                        filled.push_str(&value);
                        found += 1;
                    }
                }
            }
        }
        (filled, found)
    }
}

/// The name of the variable at the start of a text, and what follows it.
fn variable(text: &str) -> Option<(&str, &str)> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let name_of = |text: &str| text.bytes().take_while(is_word).count();
    let (name, rest) = match text.strip_prefix('{') {
        Some(inside) => {
            let (name, rest) = inside.split_at(name_of(inside));
            (name, rest.strip_prefix('}')?)
        }
        None => text.split_at(name_of(text)),
    };
    (!name.is_empty()).then_some((name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> (String, usize) {
        let value_of = |name: &str| match name {
            "a" => Some(Cow::Borrowed("1")),
            "b_2" => Some(Cow::Borrowed("$a")),
            _ => None,
        };
        Template::parse(text).fill(value_of)
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, expected, found) in [
            ("", "", 0),
            ("x", "x", 0),
            ("$a", "1", 1),
            ("${a}", "1", 1),
            ("<$a:${b_2}>", "<1:$a>", 2),
            ("$a$a", "11", 2),
            ("$none-$a", "-1", 1),
            ("\\$a", "$a", 0),
            ("$", "$", 0),
            ("$$a", "$1", 1),
            ("${a", "${a", 0),
            ("${}x", "${}x", 0),
            ("$\u{e9}$a", "$\u{e9}1", 1),
        ] {
            assert_eq!(filled(text), (expected.to_owned(), found), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_a_dollar_sign_stays_and_no_text_panics(text in "[a-c{}\\\\_$]{0,12}") {
            let (filled, _) = Template::parse(&text).fill(|_| None::<Cow<'static, str>>);
            if !text.contains('$') {
                prop_assert_eq!(filled, text);
            }
        }
    }
}
