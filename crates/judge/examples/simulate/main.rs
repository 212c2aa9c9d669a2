//! The promises of the judge, played through: how soon worse versions are found, how often good ones are blamed.
//!
//! `cargo run --release -p judge --example simulate [-- docs/pictures]` prints the tables of docs/judge.md; given a
//! directory, it draws the plots into it instead. Every number is the same on every machine: chance comes from seeds.

#![allow(unreachable_pub, reason = "the test of this simulation uses its modules")]

mod alarms;
mod chance;
mod detection;
mod latency;
mod picture;
mod plots;
mod stalls;
mod traffic;

use alarms::{Kind, Mistake};
use detection::{Found, Worse, mean, quantile};
use latency::Slower;
use stalls::{Blamed, Law, Stalling};
use std::path::Path;

/// Releases of each line of a table.
const RELEASES: u64 = 1_001;
/// Releases of each kind of traffic without a difference; ten kinds.
const GOOD_RELEASES: u64 = 1_000;
/// Releases of each law by which versions stall, at each rate and share.
const STALLING_RELEASES: u64 = 200;

fn main() -> std::io::Result<()> {
    if let Some(directory) = std::env::args().nth(1) {
        return plots::draw(Path::new(&directory));
    }
    worse_versions();
    lifts();
    slower_versions();
    false_alarms();
    stalls();
    Ok(())
}

fn worse_versions() {
    println!(
        "Worse versions: {RELEASES} releases each, alpha 0.001, of it 0.0005 for failures, a look every 20 ms\n"
    );
    println!(
        "| requests/s | Green's share | Blue fails | Green fails | found after, median | 95 % | failed Green requests, median | 95 % |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (rps, percent, blue, green) in [
        (1_000.0, 10, 0.001, 0.01),
        (1_000.0, 10, 0.001, 0.05),
        (1_000.0, 10, 0.001, 0.5),
        (200.0, 10, 0.001, 0.5),
        (40.0, 50, 0.001, 0.5),
        (1_000.0, 10, 0.001, 0.003),
        (1_000.0, 10, 0.01, 0.02),
        (1_000.0, 1, 0.001, 0.01),
        (100.0, 10, 0.001, 0.05),
        (50.0, 50, 0.0, 0.02),
    ] {
        let found = Worse { rps, percent, blue, green }.play_all(RELEASES, 900_000);
        let seconds = |found: &Found| found.after_ms as f64 / 1_000.0;
        let of = |what: fn(&Found) -> f64, share| quantile(found.iter().map(what).collect(), share);
        println!(
            "| {rps} | {percent} % | {} % | {} % | {:.1} s | {:.1} s | {} | {} |",
            blue * 100.0,
            green * 100.0,
            quantile(found.iter().map(seconds).collect(), 0.5),
            quantile(found.iter().map(seconds).collect(), 0.95),
            of(|found| found.failed as f64, 0.5),
            of(|found| found.failed as f64, 0.95),
        );
    }
    let broken = Worse { rps: 200.0, percent: 10, blue: 0.001, green: 0.5 }.play_all(RELEASES, 900_000);
    let after =
        |share| quantile(broken.iter().map(|found| found.after_first_failure_ms as f64).collect(), share);
    println!(
        "\n50 % failures at 20 Green requests/s, from the first failure: median {} ms, 99 % {} ms\n",
        after(0.5),
        after(0.99)
    );
}

fn lifts() {
    println!("Failed Green requests until the verdict: 1000 requests/s, 10 % Green, Blue fails at 0.1 %\n");
    println!("| lift | median | mean | Wald, rates known | 1.5 x Wald | mean / Wald |");
    println!("|---|---|---|---|---|---|");
    for lift in [2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0] {
        let worse = Worse { rps: 1_000.0, percent: 10, blue: 0.001, green: 0.001 * lift };
        let failed: Vec<f64> =
            worse.play_all(RELEASES, 3_600_000).iter().map(|found| found.failed as f64).collect();
        let (average, wald) = (mean(&failed), worse.wald());
        let median = quantile(failed, 0.5);
        println!(
            "| {lift} | {median} | {average:.1} | {wald:.1} | {:.1} | {:.2} |",
            1.5 * wald,
            average / wald
        );
    }
    println!();
}

fn slower_versions() {
    println!("Slower versions: p99 of Green 1.5 x Blue's, 200 requests/s, 10 % Green, {RELEASES} releases\n");
    println!("| what is slower | found after, median | 95 % | found within 60 s |");
    println!("|---|---|---|---|");
    for (slower, name) in [(Slower::All, "every answer"), (Slower::Tail, "the slowest tenth only")] {
        let found = (0..RELEASES).filter_map(|seed| latency::play(slower, 200.0, 10, seed, 600_000));
        let seconds: Vec<f64> = found.map(|ms| ms as f64 / 1_000.0).collect();
        let within = seconds.iter().filter(|found| **found <= 60.0).count() as f64 / RELEASES as f64;
        println!(
            "| {name} | {:.1} s | {:.1} s | {:.1} % |",
            quantile(seconds.clone(), 0.5),
            quantile(seconds, 0.95),
            within * 100.0
        );
    }
    println!();
}

/// How many releases were blamed: by the judge with each budget, and by a z-test.
fn blamed(kind: Kind, mistake: Mistake) -> [u64; 3] {
    let mut blamed = [0; 3];
    for seed in 0..GOOD_RELEASES {
        let alarms = alarms::play(kind, mistake, seed, 60, 500.0);
        let [strict, lax] = alarms.judge;
        for (count, alarm) in blamed.iter_mut().zip([strict, lax, alarms.naive[0]]) {
            *count += u64::from(alarm);
        }
    }
    blamed
}

fn false_alarms() {
    println!(
        "False alarms: {GOOD_RELEASES} releases of each kind without a difference, 60 s, 500 requests/s, a look every 20 ms\n"
    );
    println!("| traffic | alpha 0.001 | alpha 0.05 | z-test at 0.001, looked at each second |");
    println!("|---|---|---|---|");
    let mut sum = [0; 3];
    for kind in Kind::ALL {
        let blamed = blamed(kind, Mistake::None);
        println!("| {} | {} | {} | {} |", kind.name(), blamed[0], blamed[1], blamed[2]);
        sum.iter_mut().zip(blamed).for_each(|(sum, blamed)| *sum += blamed);
    }
    let all = GOOD_RELEASES * Kind::ALL.len() as u64;
    let [strict, lax, naive] = sum;
    println!("| of {all} | {strict}, at most {} | {lax}, at most {} | {naive} |", all / 1_000, all / 20);
    println!("\nWhat breaks the promise, of {GOOD_RELEASES} releases at alpha 0.001:\n");
    for (kind, mistake, name) in [
        (Kind::Sticky, Mistake::RequestsOfUsers, "users keep their colour, but requests are counted"),
        (
            Kind::Alternating,
            Mistake::FixedOrder,
            "request kinds take turns, and Green gets every tenth in a fixed order",
        ),
    ] {
        println!("* {name}: {}", blamed(kind, mistake)[0]);
    }
}

/// Releases that were blamed.
#[derive(Clone, Copy, Default)]
struct Sum {
    releases: u64,
    by_requests: u64,
    strict: u64,
    lax: u64,
}

impl Sum {
    fn add(&mut self, blamed: Blamed) {
        self.releases += 1;
        self.by_requests += u64::from(blamed.by_requests[0]);
        self.strict += u64::from(blamed.judge[0]);
        self.lax += u64::from(blamed.judge[1]);
    }

    fn row(&self, name: &str) {
        println!("| {name} | {} | {} | {} | {} |", self.releases, self.by_requests, self.strict, self.lax);
    }
}

fn stalls() {
    let rates = [20.0, 200.0, 1_000.0, 5_000.0];
    let (mut by_rate, mut by_share) = ([Sum::default(); 4], [Sum::default(); 3]);
    println!(
        "\nStalls: versions that are alike, each of which stalls for itself; 60 s, a look every 100 ms\n"
    );
    println!("| stalls | releases | alpha 0.001, if each request counted | alpha 0.001 | alpha 0.05 |");
    println!("|---|---|---|---|---|");
    let mut all = Sum::default();
    let laws = Law::COVERED.into_iter().chain([(Law::LONGER, "four times as slow for 0.2 to 2 s")]);
    for (place, (law, name)) in laws.enumerate() {
        let mut of_law = Sum::default();
        for (rps, of_rate) in rates.into_iter().zip(&mut by_rate) {
            for (percent, of_share) in [1, 10, 50].into_iter().zip(&mut by_share) {
                let stalling = Stalling { law, rps, percent, fails: false };
                let seeds = (0..STALLING_RELEASES).map(|seed| seed + (rps as u64 + percent as u64) * 1_000);
                for blamed in seeds.map(|seed| stalling.play(seed, 60)) {
                    of_law.add(blamed);
                    if place < Law::COVERED.len() {
                        [&mut all, &mut *of_rate, &mut *of_share].into_iter().for_each(|sum| sum.add(blamed));
                    }
                }
            }
        }
        of_law.row(name);
    }
    for (rps, sum) in rates.into_iter().zip(by_rate) {
        sum.row(&format!("the first five, {rps} requests/s"));
    }
    for (percent, sum) in [1, 10, 50].into_iter().zip(by_share) {
        sum.row(&format!("the first five, a share of {percent} %"));
    }
    all.row("the first five");
    let law = Law::Pauses { gap_ms: 5_000.0, pause_ms: [20.0, 200.0] };
    let failing = Stalling { law, rps: 200.0, percent: 10, fails: true };
    let blamed = (0..GOOD_RELEASES).filter(|seed| failing.play(*seed, 60).judge[0]).count();
    println!(
        "\nWhat a pause of 20 to 200 ms hits fails, every 5 s, 200 requests/s, 10 %: {blamed} of {GOOD_RELEASES}"
    );
}
