//! `bench-trip PROXY-PORT BLUE-PORT GREEN-PORT SITES USERS PER-SECOND`: both versions of so many services, and users of
//! each. Each line on stdin, `PER-THOUSAND QUIET-MS`, breaks Green for all of them at once; when their users have had no answer
//! of Green for so long, a line on stdout tells what each site's users saw, as JSON, and Green is good again.
#![forbid(unsafe_code)]

use bench::clock;
use bench::trips::{Colour, Site, Trip, ask, serve};
use std::io::{self, BufRead as _};
use std::net::{Ipv4Addr, TcpListener};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Green is not gone after this time: the trip is told as `null`.
const LIMIT: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

fn main() -> io::Result<()> {
    let usage = "usage: bench-trip PROXY-PORT BLUE-PORT GREEN-PORT SITES USERS PER-SECOND";
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, usage);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [proxy, blue, green, sites, users, per_second] = words.as_slice() else { return Err(wrong()) };
    let proxy: u16 = parsed(proxy).ok_or_else(wrong)?;
    let (count, users): (usize, usize) = (parsed(sites).ok_or_else(wrong)?, parsed(users).ok_or_else(wrong)?);
    let per_second: f64 = parsed(per_second).filter(|rate| *rate > 0.0).ok_or_else(wrong)?;
    let sites: Arc<[Site]> = (0..count).map(|_| Site::default()).collect();
    for (port, colour) in [(blue, Colour::Blue), (green, Colour::Green)] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, parsed(port).ok_or_else(wrong)?))?;
        let sites = Arc::clone(&sites);
        std::thread::spawn(move || serve(&listener, colour, &sites));
    }
    println!("ready");
    let mut lines = io::stdin().lock().lines();
    let Some(Ok(_begin)) = lines.next() else { return Ok(()) };
    for number in 0..count {
        for _ in 0..users {
            let sites = Arc::clone(&sites);
            std::thread::spawn(move || {
                if let Some(site) = sites.get(number) {
                    ask(proxy, number, per_second, site);
                }
            });
        }
    }
    for line in lines {
        let line = line?;
        let (per_thousand, quiet_ms) = line.split_once(' ').ok_or_else(wrong)?;
        let quiet = Duration::from_millis(parsed(quiet_ms).ok_or_else(wrong)?);
        let trips = watch(&sites, parsed(per_thousand).ok_or_else(wrong)?, quiet);
        let trips: Vec<String> = trips.iter().map(json).collect();
        println!("[{}]", trips.join(", "));
    }
    Ok(())
}

fn watch(sites: &[Site], per_thousand: u32, quiet: Duration) -> Vec<Option<Trip>> {
    let began = clock::now();
    sites.iter().for_each(|site| site.break_green(per_thousand));
    let trips = loop {
        let now = clock::now();
        let trips: Vec<Option<Trip>> = sites.iter().map(|site| site.trip(now, quiet)).collect();
        if trips.iter().all(Option::is_some) || now.saturating_duration_since(began) > LIMIT {
            break trips;
        }
        clock::sleep_until(now + LOOK);
    };
    sites.iter().for_each(Site::mend_green);
    trips
}

fn json(trip: &Option<Trip>) -> String {
    let Some(trip) = trip else { return "null".to_owned() };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    format!(
        r#"{{"from_first_ms": {:.3}, "from_crossing_ms": {:.3}, "failed": {}, "failed_elsewhere": {}}}"#,
        ms(trip.from_first),
        ms(trip.from_crossing),
        trip.failed,
        trip.failed_elsewhere
    )
}

fn parsed<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok()
}
