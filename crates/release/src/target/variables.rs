//! The environment variables of a program, secrets resolved.
//!
//! A value of this type exists only from just before a program is started until just after. It is never stored, and
//! `Debug` shows names only.

use model::target::{EnvValue, SecretReference};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest secret, bytes.
const SECRET_MAX: u64 = 64 * 1024;
/// What stands in a text where a secret was.
const MASK: &str = "***";
/// Shorter secrets are not looked for in texts: they would be found everywhere.
const MASKED_FROM: usize = 4;

/// Names and values, and which of the values are secret.
#[derive(Clone, Default)]
pub(crate) struct Variables {
    values: BTreeMap<String, String>,
    secrets: Vec<String>,
}

impl Variables {
    /// Resolves the variables of a spec; `expand` replaces the placeholders of texts.
    ///
    /// # Errors
    /// Names the variable and what is wrong with it, never its value.
    pub(crate) fn resolve(
        env: &BTreeMap<String, EnvValue>,
        base_dir: &Path,
        expand: impl Fn(&str) -> Result<String, String>,
    ) -> Result<Variables, String> {
        let mut variables = Variables::default();
        for (name, value) in env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("env: {name:?} is no name for a variable"));
            }
            let value = match value {
                EnvValue::Text(text) => expand(text).map_err(|error| format!("env.{name}: {error}"))?,
                EnvValue::Reference(reference) => {
                    let secret =
                        secret(reference, base_dir).map_err(|error| format!("env.{name}: {error}"))?;
                    variables.secrets.push(secret.clone());
                    secret
                }
            };
            if value.contains('\0') {
                return Err(format!("env.{name}: the value holds a NUL byte"));
            }
            variables.values.insert(name.clone(), value);
        }
        Ok(variables)
    }

    /// Adds a variable that is no secret.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.insert(name.to_owned(), value.into());
    }

    /// For the start of a program, and for nothing else.
    pub(crate) fn reveal(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// A text with each secret value replaced.
    pub(crate) fn mask(&self, text: &str) -> String {
        mask(text, self.secrets.iter().map(String::as_str))
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// A text with each of the secrets replaced by `***`; secrets of less than four bytes are left, and a secret of several
/// lines is replaced line by line, too.
pub(crate) fn mask<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let mut masked = text.to_owned();
    for secret in secrets {
        for part in std::iter::once(secret).chain(secret.lines()) {
            if part.len() >= MASKED_FROM && masked.contains(part) {
                masked = masked.replace(part, MASK);
            }
        }
    }
    masked
}

/// What a reference leads to: a secret.
///
/// # Errors
/// What is missing, in words.
pub(crate) fn secret(reference: &SecretReference, base_dir: &Path) -> Result<String, String> {
    match reference {
        SecretReference::FromEnv(name) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => {
                format!("Tealgate's environment has no variable {name}; set it")
            }
            std::env::VarError::NotUnicode(_) => format!("the variable {name} is not UTF-8"),
        }),
        SecretReference::FromFile(name) => {
            let path = base_dir.join(name);
            let mut text = String::new();
            File::open(&path)
                .and_then(|file| file.take(SECRET_MAX + 1).read_to_string(&mut text))
                .map_err(|error| format!("cannot read the secret file {}: {error}", path.display()))?;
            if text.len() as u64 > SECRET_MAX {
                return Err(format!("the secret file {} is larger than {SECRET_MAX} bytes", path.display()));
            }
            if text.ends_with('\n') {
                text.pop();
            }
            Ok(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(env: &[(&str, EnvValue)], base_dir: &Path) -> Result<Variables, String> {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Variables::resolve(&env, base_dir, |text| Ok(text.replace("{port}", "80")))
    }

    fn file(name: &str) -> EnvValue {
        EnvValue::Reference(SecretReference::FromFile(name.to_owned()))
    }

    #[test]
    fn a_secret_reaches_the_program_and_no_text() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("key"), "s3cret\n\n").unwrap();
        let env = [("KEY", file("key")), ("PORT", EnvValue::Text("{port}".to_owned()))];
        let variables = resolve(&env, directory.path()).unwrap();
        assert_eq!(variables.reveal()["KEY"], "s3cret\n", "one trailing newline is removed");
        assert_eq!(variables.reveal()["PORT"], "80");
        assert_eq!(format!("{variables:?}"), r#"{"KEY", "PORT"}"#);
        assert_eq!(variables.mask("key=s3cret!"), "key=***!");
    }

    #[test]
    fn what_is_missing_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let unset = EnvValue::Reference(SecretReference::FromEnv("TEALGATE_NO_SUCH_VARIABLE".to_owned()));
        let error = resolve(&[("KEY", unset)], directory.path()).unwrap_err();
        assert_eq!(
            error,
            "env.KEY: Tealgate's environment has no variable TEALGATE_NO_SUCH_VARIABLE; set it"
        );
        let error = resolve(&[("KEY", file("nowhere"))], directory.path()).unwrap_err();
        assert!(error.starts_with("env.KEY: cannot read the secret file"), "{error}");
        let error = resolve(&[("A=B", file("nowhere"))], directory.path()).unwrap_err();
        assert_eq!(error, r#"env: "A=B" is no name for a variable"#);
    }

    #[test]
    fn a_secret_of_many_bytes_or_with_a_nul_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("large"), vec![b'x'; 65 * 1024]).unwrap();
        std::fs::write(directory.path().join("nul"), "a\0b").unwrap();
        assert!(resolve(&[("KEY", file("large"))], directory.path()).unwrap_err().contains("larger than"));
        let error = resolve(&[("KEY", file("nul"))], directory.path()).unwrap_err();
        assert_eq!(error, "env.KEY: the value holds a NUL byte");
    }
}
