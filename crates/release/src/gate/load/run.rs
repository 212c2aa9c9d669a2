//! One run: users are watched, both versions are warmed up, then measured; every 50 ms everything is looked at.

use super::comparison::Comparison;
use super::finding::{Baseline, End, Finding};
use super::mix::Mix;
use super::side::Side;
use super::slices::thresholds;
use super::users::Users;
use crate::clock;
use crate::gate::{GateContext, LiveSide};
use judge::limits::{Limits, Verdict, evaluate};
use load::drive::{Drive, Driving};
use load::kind::RequestKind;
use model::policy::Load;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use telemetry::counts::Counts;
use tokio::net::lookup_host;

/// Between two looks.
const TICK: Duration = Duration::from_millis(50);
/// Between two words about how far it is.
const TELL: Duration = Duration::from_millis(500);
/// Requests of the live version below which nothing is said about its failures, unless all of them failed.
const LIVE_MIN: u64 = 20;
/// Answers of the live version that a warm-up needs for its quantiles.
const WARM_UP_MIN: u64 = 20;
/// How often the live version's quantiles are frozen anew.
const REFREEZE: Duration = Duration::from_secs(1);
/// The live version hangs when a request has been open for so many times its p99, and at least for a second.
const HANGS_AFTER: u32 = 20;
const HANGS_SHORTEST: Duration = Duration::from_secs(1);

/// A run under way.
struct Run<'a> {
    load: &'a Load,
    context: &'a GateContext,
    deadline: Instant,
    started: Instant,
    new: (Driving, Side),
    live: Option<(Driving, Baseline, &'a LiveSide)>,
    told: Option<Duration>,
}

/// Runs the load; `Err`: none of it was sent, and why.
pub(super) async fn run<'a>(
    load: &'a Load,
    context: &'a GateContext,
    mix: Mix,
) -> Result<Finding<'a>, String> {
    let deadline = clock::monotonic() + Duration::from_millis(context.timeout_ms);
    let new = targets(&context.scheme, &context.instances).await;
    let new = new.map_err(|why| format!("the new version: {why}"))?;
    let live = match &context.live {
        Some(live) => {
            let targets = targets(&live.scheme, &live.instances).await;
            Some((live, targets.map_err(|why| format!("the live version: {why}"))?))
        }
        None => None,
    };
    let users = match &live {
        Some((live, _)) => watch_users(load, context, live).await?,
        None => None,
    };
    let started = clock::monotonic();
    let begin = |targets: Vec<SocketAddr>, rate: u32| {
        let drive = drive(load, context, &mix.kinds, targets, rate);
        drive.start(started).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    };
    let warm_up = Duration::from_millis(load.warm_up_ms);
    let side = |rate: u32| Side::new(warm_up, rate, load.live_rate());
    let live = match live {
        Some((live, targets)) => {
            let comparison = Comparison::armed(load.alpha)?;
            let name = format!("{} {}", live.colour, live.version);
            let baseline = Baseline { name, side: side(load.live_rate()), comparison, users };
            Some((begin(targets, load.live_rate())?, baseline, live))
        }
        None => None,
    };
    let new = (begin(new, load.rate_per_second)?, side(load.rate_per_second));
    let run = Run { load, context, deadline, started, new, live, told: None };
    Ok(run.go().await)
}

/// The instances' addresses.
async fn targets(scheme: &str, instances: &[(String, u16)]) -> Result<Vec<SocketAddr>, String> {
    if scheme != "http" {
        return Err(format!("{scheme} is not supported by load gates, only http"));
    }
    let mut targets = Vec::new();
    for (host, port) in instances {
        let found = lookup_host((host.as_str(), *port)).await;
        let mut found = found.map_err(|error| format!("{host}:{port} has no address: {error}"))?;
        targets.extend(found.next());
    }
    if targets.is_empty() { Err("no instance is known".to_owned()) } else { Ok(targets) }
}

/// Watches the users for the time before the load.
async fn watch_users(load: &Load, context: &GateContext, live: &LiveSide) -> Result<Option<Users>, String> {
    let Some(earlier) = live.users.counts().await else { return Ok(None) };
    let before_ms = load.users_before_ms;
    if before_ms > 0 {
        context.progress.tell(&format!("watches the users of {} for {before_ms} ms", live.colour));
        clock::pause(Duration::from_millis(before_ms)).await;
    }
    let Some(at_start) = live.users.counts().await else { return Ok(None) };
    let users = Users::new(&earlier, at_start, load.max_slowdown);
    users.map(Some).map_err(|error| error.to_string())
}

fn drive(
    load: &Load,
    context: &GateContext,
    mix: &[(RequestKind, u32)],
    targets: Vec<SocketAddr>,
    rate: u32,
) -> Drive {
    Drive {
        targets,
        host: context.host.clone(),
        per_second: rate.into(),
        duration: Duration::from_millis(load.warm_up_ms.saturating_add(load.duration_ms)),
        mix: mix.to_vec(),
        connections: load.connections.into(),
        timeout: Duration::from_millis(load.request_timeout_ms),
        max_answer_bytes: load.max_answer_bytes,
    }
}

impl<'a> Run<'a> {
    async fn go(mut self) -> Finding<'a> {
        let end = loop {
            clock::pause(TICK).await;
            // Asked before the samples are taken: what has ended is then among them.
            let over =
                self.new.0.is_over() && self.live.as_ref().is_none_or(|(driving, ..)| driving.is_over());
            let elapsed = clock::monotonic().saturating_duration_since(self.started);
            self.collect(elapsed);
            let users = match &self.live {
                Some((_, _, live)) => live.users.counts().await,
                None => None,
            };
            if let Some(end) = self.look(elapsed, users) {
                break end;
            }
            if over {
                break End::Complete;
            }
            if clock::monotonic() >= self.deadline {
                break End::Stuck(format!("did not end within {} ms", self.context.timeout_ms));
            }
            self.tell(elapsed);
        };
        let untold = self.new.0.untold() + self.live.as_ref().map_or(0, |(driving, ..)| driving.untold());
        Finding {
            load: self.load,
            name: format!("{} {}", self.context.colour, self.context.version),
            new: self.new.1,
            live: self.live.map(|(_, baseline, _)| baseline),
            end,
            untold,
        }
    }

    /// Takes what has ended, and compares.
    fn collect(&mut self, elapsed: Duration) {
        let (driving, new) = &mut self.new;
        driving.take().iter().for_each(|sample| new.add(sample));
        let Some((live_driving, baseline, _)) = &mut self.live else { return };
        live_driving.take().iter().for_each(|sample| baseline.side.add(sample));
        let frozen = baseline.comparison.frozen();
        new.slices.close(elapsed, &driving.open(), frozen);
        baseline.side.slices.close(elapsed, &live_driving.open(), frozen);
        baseline.comparison.observe(clock::now_ms(), &baseline.side, new);
    }

    /// Whether the load must end now, and why.
    fn look(&mut self, elapsed: Duration, users: Option<Counts>) -> Option<End> {
        if let Some(why) = self.live_suffers(elapsed, users) {
            return Some(End::LiveSuffers(why));
        }
        let all_failed = Limits {
            max_error_rate: Some(self.load.max_error_rate),
            min_requests: u64::MAX,
            max_p99_ms: None,
        };
        let Some((_, baseline, _)) = &mut self.live else {
            let broken = matches!(evaluate(&self.new.1.observed(), &all_failed), Verdict::Fail { .. });
            return broken.then_some(End::Alarm);
        };
        if baseline.comparison.fails_more().is_some() || baseline.comparison.is_slower().is_some() {
            return Some(End::Alarm);
        }
        self.freeze(elapsed)
    }

    /// Freezes the live version's quantiles: at the end of the warm-up those of the warm-up, and then every second those
    /// of all that came before.
    fn freeze(&mut self, elapsed: Duration) -> Option<End> {
        let (_, baseline, _) = self.live.as_mut()?;
        let quantiles = match baseline.comparison.frozen().latest() {
            None if elapsed < Duration::from_millis(self.load.warm_up_ms) => return None,
            None => baseline.side.warm_up_us(WARM_UP_MIN),
            Some((at, _)) if elapsed < *at + REFREEZE => return None,
            Some(_) => baseline.side.so_far_us(),
        };
        let Some(quantiles) = quantiles else {
            let least = format!("{WARM_UP_MIN} are needed to compare times");
            return Some(End::Stuck(format!(
                "{} gave too few answers in the warm-up: {least}",
                baseline.name
            )));
        };
        baseline.comparison.freeze(elapsed, thresholds(quantiles, self.load.max_slowdown));
        None
    }

    /// Whether the live version suffers: its answers to the load fail, it hangs, or its users fare worse.
    fn live_suffers(&mut self, elapsed: Duration, users: Option<Counts>) -> Option<String> {
        let (driving, baseline, _) = self.live.as_mut()?;
        let limits = Limits {
            max_error_rate: Some(self.load.max_error_rate),
            max_p99_ms: None,
            min_requests: LIVE_MIN,
        };
        if let Verdict::Fail { evidence } = evaluate(&baseline.side.recent(elapsed), &limits) {
            return Some(format!("of its own answers to the load {}", evidence.join("; ")));
        }
        if let Some(slowest) = baseline.comparison.frozen().latest().and_then(|(_, all)| all.iter().max()) {
            let patience = (*slowest * HANGS_AFTER).max(HANGS_SHORTEST);
            let waits = driving.open().first().map(|due| elapsed.saturating_sub(*due));
            if let Some(waits) = waits.filter(|waits| *waits > patience) {
                return Some(format!("it has not answered a request for {} ms", waits.as_millis()));
            }
        }
        baseline.users.as_mut().and_then(|watched| watched.look(elapsed, users?))
    }

    fn tell(&mut self, elapsed: Duration) {
        if self.told.is_some_and(|told| elapsed < told + TELL) {
            return;
        }
        self.told = Some(elapsed);
        let all_ms = self.load.warm_up_ms.saturating_add(self.load.duration_ms);
        let done = elapsed.as_millis().min(all_ms.into()) / 1_000;
        let phase = if elapsed.as_millis() < self.load.warm_up_ms.into() { "warm-up" } else { "measures" };
        let of = |name: &str, driving: &Driving, side: &Side| {
            let counted = side.failures();
            let open = driving.open().len();
            format!("{name} {} answered, {} failed, {open} open", counted.units, counted.failed)
        };
        let (driving, side) = &self.new;
        let new = of(self.context.colour.name(), driving, side);
        let live = self.live.as_ref().map(|(driving, baseline, live)| {
            format!("; {}", of(live.colour.name(), driving, &baseline.side))
        });
        let rate = self.load.rate_per_second;
        let text =
            format!("{phase}, {done} of {} s, {rate}/s: {new}{}", all_ms / 1_000, live.unwrap_or_default());
        self.context.progress.tell(&text);
    }
}
