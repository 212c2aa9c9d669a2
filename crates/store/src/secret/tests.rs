use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

fn ring(byte: u8) -> Keyring {
    Keyring::of_key(&[byte; KEY_BYTES])
}

fn file(dir: &Path) -> PathBuf {
    dir.join(FILE_NAME)
}

#[test]
fn the_file_is_made_once_private_and_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let sealed = Keyring::load_or_create(dir.path()).unwrap().seal("key");
    let mode = std::fs::metadata(file(dir.path())).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(Keyring::load_or_create(dir.path()).unwrap().open(&sealed).unwrap(), "key");
}

#[test]
fn each_data_directory_has_a_key_of_its_own() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let a = Keyring::load_or_create(a.path()).unwrap();
    let b = Keyring::load_or_create(b.path()).unwrap();
    assert_eq!(b.open(&a.seal("key")), Err(OpenError::WrongKey));
    assert_ne!(a.derive("x"), b.derive("x"));
}

#[test]
fn a_second_key_seals_and_the_first_one_still_opens_and_derives() {
    let dir = tempfile::tempdir().unwrap();
    let old = Keyring::load_or_create(dir.path()).unwrap();
    let (sealed, derived) = (old.seal("key"), old.derive("x"));
    let mut text: serde_json::Value =
        serde_json::from_slice(&std::fs::read(file(dir.path())).unwrap()).unwrap();
    text["keys"].as_array_mut().unwrap().push(serde_json::json!({"id": "2026", "key": "ab".repeat(32)}));
    std::fs::write(file(dir.path()), text.to_string()).unwrap();
    let new = Keyring::load_or_create(dir.path()).unwrap();
    assert_eq!(new.open(&sealed).unwrap(), "key");
    assert_eq!(new.derive("x"), derived);
    let resealed = new.seal("key");
    assert!(resealed.starts_with("sealed:v1:2026:"), "{resealed}");
    assert_eq!(old.open(&resealed), Err(OpenError::UnknownKey { id: "2026".to_owned() }));
}

#[test]
fn a_wrong_file_is_an_error_that_does_not_repeat_it() {
    let dir = tempfile::tempdir().unwrap();
    let key = "12".repeat(32);
    for (text, complaint) in [
        (format!("{key}\n"), "is no key file"),
        (format!(r#"{{"format": 2, "keys": [{{"id": "1", "key": "{key}"}}]}}"#), "has format 2"),
        (r#"{"format": 1, "keys": []}"#.to_owned(), "has no key"),
        (format!(r#"{{"format": 1, "keys": [{{"id": "1", "key": "{key}00"}}]}}"#), "is not 64 hex digits"),
        (format!(r#"{{"format": 1, "keys": [{{"id": "a:b", "key": "{key}"}}]}}"#), "must have an id"),
        (
            format!(
                r#"{{"format": 1, "keys": [{{"id": "1", "key": "{key}"}}, {{"id": "1", "key": "{key}"}}]}}"#
            ),
            "two keys",
        ),
    ] {
        std::fs::write(file(dir.path()), text).unwrap();
        let error = Keyring::load_or_create(dir.path()).unwrap_err().to_string();
        assert!(error.contains(complaint) && !error.contains("1212"), "{error}");
    }
}

#[test]
fn debug_shows_no_key() {
    assert_eq!(format!("{:?}", ring(7)), r#"["1"]"#);
}

#[test]
fn labels_give_keys_of_their_own() {
    let ring = ring(1);
    assert_eq!(ring.derive("a"), ring.derive("a"));
    assert_ne!(ring.derive("a"), ring.derive("b"));
    assert_ne!(ring.derive("seal"), [0; KEY_BYTES]);
}

#[test]
fn what_is_not_sealed_is_told_apart() {
    assert_eq!(ring(1).open("-----BEGIN PRIVATE KEY-----"), Err(OpenError::NotSealed));
    assert_eq!(ring(1).open("sealed:v1:1"), Err(OpenError::NotSealed));
    assert_eq!(ring(1).open("sealed:v1:1:"), Err(OpenError::WrongKey));
    assert_eq!(ring(1).open("sealed:v1:1:AAAA"), Err(OpenError::WrongKey));
}

proptest! {
    #[test]
    fn what_is_sealed_is_hidden_is_opened_again_and_always_looks_the_same(text in "\\PC{0,200}") {
        let ring = ring(1);
        let sealed = ring.seal(&text);
        prop_assert!(text.len() < 4 || !sealed.contains(&text));
        prop_assert_eq!(ring.open(&sealed).unwrap(), text.clone());
        prop_assert_eq!(ring.seal(&text), sealed);
    }

    #[test]
    fn a_changed_character_is_noticed(text in "[a-z]{1,40}", at in any::<prop::sample::Index>()) {
        let ring = ring(1);
        let sealed = ring.seal(&text);
        let at = at.index(sealed.len());
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        prop_assume!(changed != sealed);
        prop_assert!(ring.open(&changed).is_err());
    }
}
