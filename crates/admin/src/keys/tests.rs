use super::*;
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_first_start_makes_one_admin_key_and_the_next_start_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let (made, is_new) = Keys::load_or_create(dir.path()).unwrap();
    assert!(is_new);
    let path = dir.path().join(FILE_NAME);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (read, is_new) = Keys::load_or_create(dir.path()).unwrap();
    assert!(!is_new);
    let key = &made.keys[0].key;
    assert!(key.len() >= 32);
    assert_eq!(read.actor(key), Some(Actor { name: "admin".to_owned(), role: Role::Admin }));
    let other = tempfile::tempdir().unwrap();
    assert_ne!(&Keys::load_or_create(other.path()).unwrap().0.keys[0].key, key);
}

#[test]
fn each_key_has_its_own_name_and_role_and_a_wrong_one_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(
        &path,
        r#"{"format":1,"keys":[{"name":"ann","role":"viewer","key":"key-of-ann-1234567"},
            {"name":"bob","role":"approver","key":"key-of-bob-1234567"}]}"#,
    )
    .unwrap();
    let keys = Keys::from_file(&path).unwrap();
    assert_eq!(keys.actor("key-of-ann-1234567").map(|a| a.role), Some(Role::Viewer));
    assert_eq!(keys.actor("key-of-bob-1234567").map(|a| a.name), Some("bob".to_owned()));
    for wrong in ["", "key-of-ann-123456", "key-of-ann-12345678", "KEY-OF-ANN-1234567"] {
        assert_eq!(keys.actor(wrong), None, "{wrong}");
    }
}

#[test]
fn a_file_with_one_line_is_an_admin_key() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, "edd1c9f034335f136f87ad84b625c8f1\n").unwrap();
    let keys = Keys::from_file(&path).unwrap();
    assert_eq!(keys.actor("edd1c9f034335f136f87ad84b625c8f1").map(|a| a.role), Some(Role::Admin));
}

#[test]
fn debug_and_errors_never_show_a_key() {
    let secret = "very-secret-key-0123456789";
    let keys = Keys::single(secret).unwrap();
    assert!(!format!("{keys:?}").contains("secret"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    for bad in [
        format!(r#"{{"format":1,"keys":[{{"name":"a","role":"{secret}","key":"{secret}"}}]}}"#),
        format!(
            r#"{{"format":1,"keys":[{{"name":"a","role":"admin","key":"{secret}"}},{{"name":"b","role":"admin","key":"{secret}"}}]}}"#
        ),
        format!(r#"{{"format":1,"keys":[{{"name":"a","role":"admin","key":"{secret} "}}]}}"#),
        format!(r#"{{"format":1,"{secret}":[]}}"#),
    ] {
        std::fs::write(&path, bad).unwrap();
        let error = Keys::from_file(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

#[test]
fn unusable_key_files_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    for (content, reason) in [
        (r#"{"format":1,"keys":[]}"#, "there is no key"),
        (r#"{"format":2,"keys":[]}"#, "format 2 is newer"),
        (r#"{"format":1,"keys":[{"name":"","role":"admin","key":"k"}]}"#, "must have a name"),
        (r#"{"format":1,"keys":[{"name":"a","role":"admin","key":""}]}"#, "1 to 256 characters"),
        (
            r#"{"format":1,"keys":[{"name":"a","role":"admin","key":"k"},{"name":"a","role":"admin","key":"l"}]}"#,
            "has the name of another key",
        ),
        ("{\n\n nonsense", "line 3: not a key file"),
        ("", "1 to 256 characters"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Keys::from_file(&path).unwrap_err().to_string();
        assert!(error.contains(reason), "{content}: {error}");
    }
}

#[test]
fn a_file_that_is_too_large_to_be_a_key_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
    assert!(matches!(Keys::from_file(&path), Err(KeysError::File { .. })));
}
