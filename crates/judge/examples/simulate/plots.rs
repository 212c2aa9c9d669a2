//! The plots of docs/judge.md.

use super::alarms::{Kind, Mistake, play};
use super::detection::{Worse, bound_of_failures, mean};
use super::picture::{Axis, Plot};
use std::fs::write;
use std::io::Result;
use std::path::Path;

/// Draws all of them into a directory.
pub fn draw(directory: &Path) -> Result<()> {
    write(directory.join("judge-evidence.svg"), evidence())?;
    write(directory.join("judge-lifts.svg"), lifts())?;
    write(directory.join("judge-looking.svg"), looking())
}

fn evidence() -> String {
    let across = Axis {
        label: "seconds with 10 % of 1000 requests/s on the new version",
        from: 0.0,
        to: 30.0,
        marks: &[(0.0, "0"), (10.0, "10"), (20.0, "20"), (30.0, "30")],
    };
    let up = Axis {
        label: "e-value",
        from: -3.0,
        to: 6.5,
        marks: &[(-2.0, "0.01"), (0.0, "1"), (2.0, "100"), (4.0, "10⁴"), (6.0, "10⁶")],
    };
    let mut plot = Plot::new("Evidence over time, 8 releases of each kind", across, up);
    for seed in 0..8 {
        let worse = Worse { rps: 1_000.0, percent: 10, blue: 0.001, green: 0.001 };
        plot.line("c", &worse.trace(seed, 30_000, 250));
        plot.line("b", &Worse { green: 0.01, ..worse }.trace(seed, 30_000, 250));
    }
    let bound = bound_of_failures().threshold().log10();
    plot.line("limit", &[(0.0, bound), (30.0, bound)]);
    plot.explain("limit", "the bound: 2000");
    plot.explain("b", "1 % fail instead of 0.1 %");
    plot.explain("c", "no difference");
    plot.finish()
}

fn lifts() -> String {
    let lifts = [2.0_f64, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];
    let across = Axis {
        label: "times as many failures as the old version's 0.1 %",
        from: 2.0_f64.log10(),
        to: 2.0,
        marks: &[
            (0.301, "2"),
            (0.477, "3"),
            (0.699, "5"),
            (1.0, "10"),
            (1.301, "20"),
            (1.699, "50"),
            (2.0, "100"),
        ],
    };
    let up = Axis {
        label: "failed requests",
        from: 0.0,
        to: 70.0,
        marks: &[(0.0, "0"), (20.0, "20"), (40.0, "40"), (60.0, "60")],
    };
    let mut plot = Plot::new("Failed requests of the new version until the verdict", across, up);
    let worse = |lift: f64| Worse { rps: 1_000.0, percent: 10, blue: 0.001, green: 0.001 * lift };
    let measured = |lift: f64| {
        let found = worse(lift).play_all(200, 3_600_000);
        mean(&found.iter().map(|found| found.failed as f64).collect::<Vec<_>>())
    };
    let line = |value: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        lifts.iter().map(|lift| (lift.log10(), value(*lift))).collect()
    };
    plot.line("a", &line(&measured));
    plot.line("c", &line(&|lift| worse(lift).wald()));
    plot.line("limit", &line(&|lift| 1.5 * worse(lift).wald()));
    plot.explain("a", "mean of 200 releases");
    plot.explain("c", "least possible on average, rates known (Wald)");
    plot.explain("limit", "1.5 times that");
    plot.finish()
}

fn looking() -> String {
    let across = Axis {
        label: "seconds of looking",
        from: 0.0,
        to: 120.0,
        marks: &[(0.0, "0"), (30.0, "30"), (60.0, "60"), (90.0, "90"), (120.0, "120")],
    };
    let up = Axis {
        label: "releases blamed for nothing",
        from: 0.0,
        to: 0.4,
        marks: &[(0.0, "0"), (0.1, "10 %"), (0.2, "20 %"), (0.3, "30 %"), (0.4, "40 %")],
    };
    let mut plot = Plot::new("False alarms at α = 5 %, 500 releases that are not worse", across, up);
    let (mut judge, mut naive) = (vec![(0.0, 0.0)], vec![(0.0, 0.0)]);
    for seconds in [5, 10, 20, 40, 60, 90, 120] {
        let alarms = (0..500).map(|seed| play(Kind::Steady, Mistake::None, seed, seconds, 200.0));
        let (mut ours, mut theirs) = (0.0, 0.0);
        for alarm in alarms {
            ours += f64::from(u8::from(alarm.judge[1])) / 500.0;
            theirs += f64::from(u8::from(alarm.naive[1])) / 500.0;
        }
        judge.push((seconds as f64, ours));
        naive.push((seconds as f64, theirs));
    }
    plot.line("b", &naive);
    plot.line("a", &judge);
    plot.line("limit", &[(0.0, 0.05), (120.0, 0.05)]);
    plot.explain("b", "a z-test, looked at every second");
    plot.explain("a", "the judge, looked at every 20 ms");
    plot.explain("limit", "promised");
    plot.finish()
}
