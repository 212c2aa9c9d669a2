//! How long a match takes: `cargo run --release -p gateway --example router_speed [ROUTES]`.
//!
//! A tenth of the routes are exact paths, the rest prefixes of different lengths; every fourth has a host of its own.
//! Each match is of a random route among all. Prints nanoseconds per match; it asserts only that the right route is
//! found.

mod clock;

use gateway::router::{Entry, Router};
use std::hint::black_box;

const MATCHES: u32 = 2_000_000;

fn main() {
    let routes = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000u32);
    let entries: Vec<Entry> = (0..routes).map(entry).collect();
    let began = clock::now();
    let router = Router::new(&entries);
    println!("{routes} routes built in {:.1} ms", began.elapsed().as_secs_f64() * 1_000.0);
    let requests: Vec<(String, String)> = (0..routes).map(request).collect();
    let mut place = 1u32;
    let began = clock::now();
    for _ in 0..MATCHES {
        // A linear congruential generator: cheap, and far from the order of building.
        place = place.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wanted = place % routes;
        let Some((host, path)) = requests.get(wanted as usize) else { continue };
        let found = black_box(router.find(black_box(host), black_box(path.as_bytes()), |_| true));
        assert_eq!(found, Some(wanted), "{host}{path}");
    }
    println!("{:.0} ns per match", began.elapsed().as_secs_f64() * 1e9 / f64::from(MATCHES));
}

fn entry(number: u32) -> Entry {
    let (host, _) = request(number);
    let uri = if number.is_multiple_of(10) {
        format!("/api/v1/item{number}/get")
    } else {
        format!("/api/v1/item{number}/*")
    };
    let hosts = if number.is_multiple_of(4) { vec![host] } else { Vec::new() };
    Entry { route: number, hosts, uris: vec![uri], priority: 0 }
}

fn request(number: u32) -> (String, String) {
    let host =
        if number.is_multiple_of(4) { format!("host{number}.example.com") } else { "example.org".to_owned() };
    (host, format!("/api/v1/item{number}/get"))
}
