use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// Variables by name.
#[derive(Default)]
struct Vars(BTreeMap<String, String>);

impl Vars {
    fn of(pairs: &[(&str, &str)]) -> Vars {
        Vars(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

impl Variables for Vars {
    fn get(&self, name: &str) -> Option<Variable<'_>> {
        self.0.get(name).map(|value| Variable::Text(value.as_str().into()))
    }
}

impl Cookies for Vars {
    fn cookies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.get(&format!("cookie_{name}")).into_iter().flat_map(|values| values.split(';'))
    }
}

fn rule(by: &str, salt: &str) -> StickyRule {
    let name = if by == "cookie" || by == "header" { "X-User" } else { "" };
    serde_json::from_value(json!({"by": by, "name": name, "salt": salt, "max_age_s": 60})).unwrap()
}

fn assigner(key: u8) -> Assigner {
    Assigner::new(&SecretKey([key; 32]), 1)
}

fn assignment(by: &str, salt: &str, share: u32) -> Assignment {
    assigner(1).assignment(&rule(by, salt), &[share, 100 - share]).unwrap()
}

/// The choice of a request, and the `Set-Cookie` that goes with it.
fn ask(assignment: &Assignment, vars: &[(&str, &str)]) -> (usize, Option<String>) {
    let assigned = assignment.assign(&Vars::of(vars), 0).unwrap();
    let cookie = assigned.issued.map(|issued| {
        let mut out = Vec::new();
        issued.write(&mut out);
        String::from_utf8(out).unwrap()
    });
    assert!(cookie.is_none() || assignment.by == StickyBy::Cookie);
    let choice = assigned.choice;
    (choice, cookie)
}

fn value_of(set_cookie: &str) -> &str {
    set_cookie.split_once('=').unwrap().1.split(';').next().unwrap()
}

fn choice_of_user(assignment: &Assignment, user: u32) -> usize {
    ask(assignment, &[("http_x_user", &format!("user-{user}"))]).0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn who_has_the_first_choice_keeps_it_when_its_share_grows(
        salt in "[a-z]{1,8}-[0-9]{1,3}", shares in prop::collection::btree_set(0u32..=100, 2..6),
    ) {
        let assignments: Vec<_> = shares.iter().map(|share| assignment("header", &salt, *share)).collect();
        for user in 0..300 {
            let choices: Vec<usize> = assignments.iter().map(|one| choice_of_user(one, user)).collect();
            prop_assert!(choices.windows(2).all(|pair| pair[0] >= pair[1]), "{choices:?}: from 1 to 0, never back");
        }
    }

    #[test]
    fn the_share_among_users_is_as_exact_as_hashing_allows(salt in "[a-z]{8}", share in 1u32..100) {
        let assignment = assignment("header", &salt, share);
        let users = 4_000;
        let first = (0..users).filter(|user| choice_of_user(&assignment, *user) == 0).count();
        let (n, p) = (f64::from(users), f64::from(share) / 100.0);
        // Five standard deviations: one run in two million is beyond it by chance.
        prop_assert!((first as f64 - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt() + 1.0, "{first} of {n}");
    }

    #[test]
    fn the_share_among_new_cookies_is_near_exact(share in 1u32..100, users in 1u32..2_000) {
        let assignment = assignment("cookie", "shop-7", share);
        let first = (0..users).filter(|_| ask(&assignment, &[]).0 == 0).count();
        let exact = f64::from(users) * f64::from(share) / 100.0;
        prop_assert!((first as f64 - exact).abs() <= 2.0 + f64::from(users).log2(), "{first}, not {exact}");
    }

    #[test]
    fn no_other_text_is_a_cookie(value in "[A-Za-z0-9_-]{32}|.{0,64}") {
        let (_, issued) = ask(&assignment("cookie", "shop-7", 50), &[("cookie_X-User", &value)]);
        prop_assert!(issued.is_some());
    }
}

#[test]
fn half_of_the_users_change_sides_in_another_release() {
    let (one, other) = (assignment("header", "shop-7", 50), assignment("header", "shop-8", 50));
    let changed =
        (0..2_000).filter(|user| choice_of_user(&one, *user) != choice_of_user(&other, *user)).count();
    assert!((850..1_150).contains(&changed), "{changed}");
}

#[test]
fn a_cookie_keeps_its_choice_at_each_share_and_in_each_gateway_of_the_same_key() {
    let shares = [10, 50, 99];
    let issuing = assignment("cookie", "shop-7", 10);
    for _ in 0..50 {
        let (first, cookie) = ask(&issuing, &[]);
        let cookie = cookie.unwrap();
        let mut before = first;
        for share in shares {
            let (choice, issued) =
                ask(&assignment("cookie", "shop-7", share), &[("cookie_X-User", value_of(&cookie))]);
            assert!(issued.is_none() && choice <= before);
            before = choice;
        }
    }
}

#[test]
fn a_cookie_that_was_changed_or_is_of_another_release_name_or_key_is_none() {
    let assignment = assignment("cookie", "shop-7", 50);
    let cookie = ask(&assignment, &[]).1.unwrap();
    let value = value_of(&cookie).to_owned();
    let is_taken = |one: &Assignment, value: &str| ask(one, &[("cookie_X-User", value)]).1.is_none();
    assert!(is_taken(&assignment, &value));
    let other_name = StickyRule { name: "X-Other".to_owned(), ..rule("cookie", "shop-7") };
    let other_name = assigner(1).assignment(&other_name, &[1, 1]).unwrap();
    assert!(ask(&other_name, &[("cookie_X-Other", &value)]).1.is_some());
    assert!(!is_taken(&super::tests::assignment("cookie", "shop-8", 50), &value));
    assert!(!is_taken(&assigner(2).assignment(&rule("cookie", "shop-7"), &[1, 1]).unwrap(), &value));
    for place in 0..value.len() {
        let mut changed = value.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(!is_taken(&assignment, std::str::from_utf8(&changed).unwrap()), "place {place}");
    }
}

#[test]
fn the_first_cookie_of_the_name_that_is_ours_counts_of_a_bounded_number() {
    let assignment = assignment("cookie", "shop-7", 50);
    let kept = |cookies: &str| {
        let assigned = assignment.assign(&Vars::of(&[("cookie_X-User", cookies)]), 0).unwrap();
        assigned.point.filter(|_| assigned.issued.is_none())
    };
    let [(one, own), (other, _)] = [(); 2].map(|()| {
        let cookie = ask(&assignment, &[]).1.unwrap();
        let value = value_of(&cookie).to_owned();
        (value.clone(), kept(&value).unwrap())
    });
    assert_eq!(kept(&format!("stale;{one}")), Some(own));
    assert_eq!(kept(&format!(";{one};{other}")), Some(own), "the first");
    let stale = |count: usize| format!("{}{one}", "stale;".repeat(count));
    assert_eq!((kept(&stale(MAX_COOKIES - 1)), kept(&stale(MAX_COOKIES))), (Some(own), None));
}

#[test]
fn the_cookie_says_how_it_is_to_be_kept() {
    let assignment = assignment("cookie", "shop-7", 50);
    let plain = ask(&assignment, &[("scheme", "http")]).1.unwrap();
    assert!(plain.starts_with("X-User=") && plain.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"));
    let secure = ask(&assignment, &[("scheme", "https")]).1.unwrap();
    assert!(secure.ends_with("; SameSite=Lax; Secure"), "{secure}");
}

#[test]
fn who_lacks_the_value_is_known_by_the_address_and_ipv6_by_its_network() {
    let assignment = assignment("header", "shop-7", 50);
    let by = |address: &str| assignment.point_of(&Vars::of(&[("remote_addr", address)]));
    assert_eq!(by("10.0.0.1"), by("10.0.0.1"));
    assert_ne!(by("10.0.0.1"), by("10.0.0.2"));
    assert_eq!(by("2001:db8:1:2::1"), by("2001:db8:1:2:ffff::9"));
    assert_ne!(by("2001:db8:1:2::1"), by("2001:db8:1:3::1"));
    let named = assignment.point_of(&Vars::of(&[("http_x_user", "10.0.0.1"), ("remote_addr", "10.0.0.9")]));
    assert_ne!(named, by("10.0.0.1"), "a name is not an address");
}

#[test]
fn a_share_of_nothing_and_of_all_hold_for_every_point() {
    for (share, expected) in [(0, 1), (100, 0)] {
        let assignment = assignment("address", "shop-7", share);
        for point in [0, 1, u64::MAX / 2, u64::MAX] {
            assert_eq!(assignment.choice_at(point), Some(expected));
        }
    }
    assert!(assigner(1).assignment(&rule("address", "s"), &[0, 0]).is_none());
}
