//! The normal form of paths: what is matched is what is forwarded.

use http1::target::{TargetError, encode, is_normal, normalize};
use proptest::prelude::*;

fn normal(path: &str) -> Result<Vec<u8>, TargetError> {
    let mut out = b"stale".to_vec();
    normalize(path, &mut out).map(|()| out)
}

fn encoded(path: &[u8]) -> String {
    let mut out = Vec::new();
    encode(path, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn each_spelling_of_a_path_has_one_normal_form() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("/a/", "/a/"),
        ("//a///b//", "/a/b/"),
        ("/./a/./b/.", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/../..", "/"),
        ("/a//../b", "/b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a/%2E./b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/..%2fb", "/b"),
        ("/a%2f..%2Fb", "/b"),
        ("/%2f%2fa", "/a"),
        ("/a/%2e", "/a/"),
        ("/a/%2e%2e", "/"),
        ("/%61%62", "/ab"),
        ("/a%20b", "/a b"),
        ("/a%3fb%23c", "/a?b#c"),
        ("/...", "/..."),
        ("/..a/.b", "/..a/.b"),
        ("/a..", "/a.."),
        ("/%252e%252e/x", "/%2e%2e/x"),
        ("/a+b;c=d,e", "/a+b;c=d,e"),
        ("/%0d%0a", "/\r\n"),
        ("/a\\..\\b", "/a\\..\\b"),
    ] {
        assert_eq!(normal(path).unwrap(), expected.as_bytes(), "{path}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_kept() {
    assert_eq!(normal("/%ff%C3%A9").unwrap(), b"/\xff\xc3\xa9");
    assert_eq!(encoded(b"/\xff\xc3\xa9"), "/%FF%C3%A9");
}

#[test]
fn a_path_without_a_normal_form_is_refused() {
    for (path, expected) in [
        ("", TargetError::NotAbsolute),
        ("a", TargetError::NotAbsolute),
        ("*", TargetError::NotAbsolute),
        ("%2fa", TargetError::NotAbsolute),
        ("/%", TargetError::InvalidPercent),
        ("/%4", TargetError::InvalidPercent),
        ("/%4g", TargetError::InvalidPercent),
        ("/%%41", TargetError::InvalidPercent),
        ("/%u0041", TargetError::InvalidPercent),
        ("/a%00", TargetError::Nul),
        ("/..", TargetError::AboveRoot),
        ("/../a", TargetError::AboveRoot),
        ("/a/../..", TargetError::AboveRoot),
        ("/%2e%2e/a", TargetError::AboveRoot),
        ("/.%2e%2fa", TargetError::AboveRoot),
        ("//..", TargetError::AboveRoot),
        ("/./..", TargetError::AboveRoot),
    ] {
        assert_eq!(normal(path), Err(expected), "{path}");
    }
}

#[test]
fn everything_but_path_characters_is_encoded() {
    assert_eq!(encoded(b"/aZ09-._~!$&'()*+,;=:@"), "/aZ09-._~!$&'()*+,;=:@");
    assert_eq!(
        encoded(b"/ %?#[]{}|\\^`\"<>\x7f\r\n"),
        "/%20%25%3F%23%5B%5D%7B%7D%7C%5C%5E%60%22%3C%3E%7F%0D%0A"
    );
}

#[test]
fn the_short_way_is_taken_for_plain_paths_only() {
    for path in ["/", "/a/b.c", "/a;b=c/d@e:f", "/a./b"] {
        assert!(is_normal(path), "{path}");
    }
    for path in
        ["", "a", "*", "//", "/a//b", "/.", "/a/.b", "/a/..", "/%41", "/a b", "/{a}", "/a?b", "/\u{e9}"]
    {
        assert!(!is_normal(path), "{path}");
    }
}

/// Paths dense in what normalising is about.
fn tricky_path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/", "/", ".", "..", "%2e", "%2E", "%2f", "%2F", "%25", "%5c", "\\", "a", "b", "%41", "%ff",
        "%c3%a9", ";", "%3f", "%23", "%20", "%", "%0", "%00", "{", "~",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn what_is_forwarded_normalises_to_what_was_matched(path in tricky_path()) {
        if let Ok(matched) = normal(&path) {
            let forwarded = encoded(&matched);
            prop_assert_eq!(normal(&forwarded).unwrap(), matched.clone());
            prop_assert_eq!(encoded(&matched), forwarded);
        }
    }

    #[test]
    fn a_normal_form_has_no_dot_segments_and_no_empty_ones(path in tricky_path()) {
        if let Ok(matched) = normal(&path) {
            prop_assert_eq!(matched[0], b'/');
            let segments: Vec<_> = matched[1..].split(|&byte| byte == b'/').collect();
            let (last, inner) = segments.split_last().unwrap();
            prop_assert!(inner.iter().all(|segment| !segment.is_empty()));
            prop_assert!(segments.iter().all(|&segment| segment != b"." && segment != b".."));
            prop_assert!(!last.contains(&b'/'));
        }
    }

    #[test]
    fn the_short_way_and_the_long_way_agree(path in prop_oneof![tricky_path(), "[/a.~%]{0,8}"]) {
        if is_normal(&path) {
            prop_assert_eq!(normal(&path).unwrap(), path.as_bytes());
            prop_assert_eq!(encoded(path.as_bytes()), path);
        }
    }
}
