//! How long a match takes: `cargo run --release -p gateway --example router_speed [ROUTES]`.
//!
//! A tenth of the routes are exact paths, the rest prefixes of different lengths; every fourth has a host of its own.
//! Each match is of a random route among all. Prints microseconds per change and nanoseconds per match; it asserts only that the right route is
//! found.

mod clock;

use gateway::router::{Entry, Router};
use std::hint::black_box;

const MATCHES: u32 = 2_000_000;

fn main() {
    let routes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000u32);
    let entries: Vec<Entry> = (0..routes).map(entry).collect();
    let mut router = Router::default();
    let began = clock::now();
    entries.iter().zip(0..).for_each(|(entry, route)| router.insert(entry, &route));
    println!("{routes} routes built in {:.1} ms", began.elapsed().as_secs_f64() * 1_000.0);
    change(&mut router, &entries);
    let requests: Vec<(String, String)> = (0..routes).map(request).collect();
    let mut place = 1u32;
    let began = clock::now();
    for _ in 0..MATCHES {
        // A linear congruential generator: cheap, and far from the order of building.
        place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wanted = place % routes;
        let Some((host, path)) = requests.get(wanted as usize) else { continue };
        let found = black_box(router.find(black_box(host), black_box(path.as_bytes()), |_| true));
        assert_eq!(found, Some(&wanted), "{host}{path}");
    }
    println!("{:.0} ns per match", began.elapsed().as_secs_f64() * 1e9 / f64::from(MATCHES));
}

/// Takes routes out and puts them in again while others read the router that was there before.
fn change(router: &mut Router<u32>, entries: &[Entry]) {
    let began = clock::now();
    let changes = (0..).zip(entries).step_by(97);
    let count = entries.len().div_ceil(97).max(1);
    for (route, entry) in changes {
        let before = router.clone();
        router.remove(entry);
        router.insert(entry, &route);
        drop(black_box(before));
    }
    println!("{:.1} us per change", began.elapsed().as_secs_f64() * 1e6 / count as f64);
}

fn entry(number: u32) -> Entry {
    let (host, _) = request(number);
    let uri = if number.is_multiple_of(10) {
        format!("/api/v1/item{number}/get")
    } else {
        format!("/api/v1/item{number}/*")
    };
    let hosts = if number.is_multiple_of(4) { vec![host] } else { Vec::new() };
    Entry { order: number.into(), hosts, uris: vec![uri], priority: 0 }
}

fn request(number: u32) -> (String, String) {
    let host =
        if number.is_multiple_of(4) { format!("host{number}.example.com") } else { "example.org".to_owned() };
    (host, format!("/api/v1/item{number}/get"))
}
