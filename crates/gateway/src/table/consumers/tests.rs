use super::*;
use proptest::prelude::*;

fn consumer(name: &str) -> Consumer {
    Consumer { username: name.into(), custom_id: None, plan: Arc::default() }
}

fn entry(plugin: &'static str, key: &str, credential: Option<&str>) -> KeyEntry {
    KeyEntry { plugin, key: Key::from_slice(key.as_bytes()), credential: credential.map(Into::into) }
}

#[test]
fn a_key_finds_its_consumer_and_credential_within_its_plugin() {
    let keys =
        [("a", entry("x", "1", None)), ("b", entry("x", "2", Some("c"))), ("b", entry("y", "1", None))];
    let named = keys.iter().map(|(name, key)| (*name, *name, key));
    let (consumers, refused) = Consumers::new([consumer("a"), consumer("b")].into_iter(), named);
    assert!(refused.is_empty());
    let found = |plugin, key: &str| {
        let identity = consumers.by_key(plugin, key.as_bytes())?;
        Some((identity.consumer.username(), identity.credential))
    };
    assert_eq!(found("x", "1"), Some(("a", None)));
    assert_eq!(found("x", "2"), Some(("b", Some("c"))));
    assert_eq!(found("y", "1"), Some(("b", None)));
    for (plugin, key) in [("x", "3"), ("x", ""), ("y", "2"), ("z", "1")] {
        assert_eq!(found(plugin, key), None, "{plugin} {key}");
    }
    assert_eq!(consumers.named("b").map(|identity| identity.credential), Some(None));
    assert!(consumers.named("c").is_none());
}

#[test]
fn a_key_belongs_to_the_first_that_has_it_and_one_without_a_consumer_to_nobody() {
    let keys = [("a", entry("x", "1", None)), ("b", entry("x", "1", None)), ("gone", entry("x", "2", None))];
    let named = keys.iter().map(|(name, key)| (*name, *name, key));
    let (consumers, refused) = Consumers::new([consumer("a"), consumer("b")].into_iter(), named);
    assert_eq!(refused, [("b", "x"), ("gone", "x")]);
    assert_eq!(consumers.by_key("x", b"1").unwrap().consumer.username(), "a");
    assert!(consumers.by_key("x", b"2").is_none());
}

#[test]
fn keys_are_not_shown() {
    let keys = [("a", entry("x", "hush", None))];
    let (consumers, _) =
        Consumers::new([consumer("a")].into_iter(), keys.iter().map(|(name, key)| (*name, *name, key)));
    assert_eq!(format!("{consumers:?}"), "Consumers { len: 1, .. }");
}

proptest! {
    #[test]
    fn exactly_the_keys_that_were_put_in_are_found(keys in prop::collection::btree_set("[a-c]{0,4}", 0..40), asked in "[a-c]{0,4}") {
        let entries: Vec<_> = keys.iter().map(|key| entry("x", key, None)).collect();
        let (consumers, refused) =
            Consumers::new([consumer("a")].into_iter(), entries.iter().map(|entry| ((), "a", entry)));
        prop_assert!(refused.is_empty());
        prop_assert_eq!(consumers.by_key("x", asked.as_bytes()).is_some(), keys.contains(&asked));
    }
}
