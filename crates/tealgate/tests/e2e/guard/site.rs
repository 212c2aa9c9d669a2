//! A gateway and a controller in the middle of a release, and users who ask all the time.

use crate::clock;
use crate::harness::cli::release;
use crate::harness::client::Connection;
use crate::harness::gate::{Gate, Start};
use crate::harness::shop::{self, policy};
use crate::harness::world::World;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use testkit::raw::RawClient;
use testkit::upstream::{Behaviour, Upstream};
use tokio::task::JoinHandle;

/// So many answers in a row that are Blue's and good: Green is gone.
pub(super) const SETTLED: usize = 200;
/// More failed requests of Green than any machine needs to notice.
pub(super) const TOO_MANY: usize = 3_000;
/// Long enough that no phase ends by itself.
pub(super) const LONG_MS: u32 = 600_000;

/// Blue, and Green of two nodes, one of which turns bad.
pub(super) struct Colours {
    pub(super) blue: Upstream,
    pub(super) good: Upstream,
    pub(super) bad: Upstream,
}

impl Colours {
    pub(super) async fn start() -> Colours {
        let (blue, good) = (Upstream::start("blue").await, Upstream::start("green").await);
        Colours { blue, good, bad: Upstream::start("green").await }
    }

    fn target(&self) -> Value {
        let nodes = |of: &[&Upstream]| {
            of.iter().map(|one| (one.address().to_string(), json!(1))).collect::<serde_json::Map<_, _>>()
        };
        json!({"upstream": {
            "blue": {"nodes": nodes(&[&self.blue])},
            "green": {"nodes": nodes(&[&self.good, &self.bad])},
            "readiness": {"interval_ms": 50},
        }})
    }
}

pub(super) fn fails(upstream: &Upstream) {
    upstream.behave(Behaviour::Status(500.try_into().unwrap()));
}

/// Users that ask again and again; what they got, in the order of the answers.
pub(super) struct Users {
    seen: Arc<Mutex<Vec<(String, u16)>>>,
    lost: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Users {
    pub(super) fn of(gateway: SocketAddr) -> Users {
        Users::many(gateway, 4)
    }

    fn many(gateway: SocketAddr, number: usize) -> Users {
        let (seen, lost, stop) = (Arc::default(), Arc::default(), Arc::default());
        let mut users = Users { seen, lost, stop, tasks: Vec::new() };
        for _ in 0..number {
            let (seen, lost, stop) =
                (Arc::clone(&users.seen), Arc::clone(&users.lost), Arc::clone(&users.stop));
            users.tasks.push(tokio::spawn(async move {
                let mut connection = Connection::open(gateway).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    match connection.send(http::Method::GET, "/", &[], "").await {
                        Ok(answer) => {
                            let colour = answer.header("x-colour").to_owned();
                            seen.lock().unwrap().push((colour, answer.status));
                        }
                        Err(_) => {
                            lost.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                    }
                }
            }));
        }
        users
    }

    pub(super) fn seen(&self) -> Vec<(String, u16)> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) async fn more(&self, answers: usize) {
        let goal = self.seen.lock().unwrap().len() + answers;
        let enough = async || self.seen.lock().unwrap().len() >= goal;
        clock::until("answers", enough, || format!("{} lost", self.lost.load(Ordering::Relaxed))).await;
    }

    /// Waits until everyone has been on Blue for a while, and stays there.
    pub(super) async fn on_blue(&self, what: &str) {
        let settled = async || {
            let seen = self.seen.lock().unwrap();
            seen.len() > SETTLED
                && seen.iter().rev().take(SETTLED).all(|(colour, status)| colour == "blue" && *status == 200)
        };
        clock::until(what, settled, || {
            format!("{:?}", self.seen().into_iter().rev().take(20).collect::<Vec<_>>())
        })
        .await;
        let mark = self.seen().len();
        self.more(SETTLED).await;
        assert!(self.seen().iter().skip(mark).all(|(colour, _)| colour == "blue"), "{what}");
    }

    /// Nobody's request was lost; how many failed.
    pub(super) async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        assert_eq!(self.lost.load(Ordering::Relaxed), 0, "no request is lost");
        let seen = self.seen.lock().unwrap();
        assert!(seen.iter().all(|(colour, status)| *status == 200 || colour == "green"), "Blue never failed");
        seen.iter().filter(|(_, status)| *status != 200).count()
    }
}

/// A gateway and a controller, each a process of its own, in the middle of a release of version 2.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) gateway: Gate,
    pub(super) address: SocketAddr,
    pub(super) controller: Gate,
    pub(super) colours: Colours,
}

impl Site {
    pub(super) async fn in_shift(changes: Value) -> Site {
        let steps = json!({"steps": [{"share": 50, "pause_ms": LONG_MS}, 100]});
        Site::with("start", merged(steps, changes), |view| view["share"] == 50).await
    }

    pub(super) async fn in_soak() -> Site {
        let soak = json!({"soak": {"duration_ms": LONG_MS}});
        Site::with("start", soak, |view| view["phase"] == "soak" && view["share"] == 100).await
    }

    /// In the middle of a step of a rehearsal: everything is armed, and nobody is moved.
    pub(super) async fn in_rehearsal(changes: Value) -> Site {
        let endless = json!({"command": {"command": ["sleep", "600"]}});
        let gates = json!([{"name": "endless", "when": ["each_step"], "check": endless}]);
        let steps = json!({"steps": [50, 100], "gates": gates});
        let rehearsed = |view: &Value| {
            view["moves"].as_array().is_some_and(|moves| moves.iter().any(|one| one["rehearses"] == 50))
        };
        Site::with("rehearse", merged(steps, changes), rehearsed).await
    }

    async fn with(command: &str, changes: Value, there: impl Fn(&Value) -> bool) -> Site {
        let (world, colours) = (World::new(), Colours::start().await);
        let gateway = patient(&world, "gateway", "").staying().ready().await;
        let address = gateway.gateway();
        let controller = patient(&world, "controller", "").ready().await;
        shop::put(&controller, colours.target(), policy(json!({}))).await;
        release(&controller, &["start", "shop", "--version", "v1"]).await.exits(0);
        shop::change(&controller, colours.target(), policy(changes)).await;
        release(&controller, &[command, "shop", "--version", "v2", "--detach"]).await.exits(5);
        shop::until(&controller, "the share of Green", there).await;
        // Also the gateway runs it when the move is over.
        let moved =
            |view: &Value| view["moves"].as_array().unwrap().iter().all(|one| !one["took_ms"].is_null());
        shop::until(&controller, "the move", moved).await;
        Site { world, gateway, address, controller, colours }
    }

    /// Both processes are killed.
    pub(super) fn crash(&mut self) {
        self.controller.crash();
        self.gateway.crash();
    }

    /// A process as it is started again, where it was; the shell does `first` before.
    pub(super) fn again(&self, role: &'static str, first: &str) -> Start {
        let start = patient(&self.world, role, first);
        if role == "gateway" { start.where_it_was(&self.gateway) } else { start }
    }

    /// The trip as it is written on disk; `None`: there is none.
    pub(super) fn latched(&self) -> Option<Value> {
        let mut latches = std::fs::read_dir(self.world.data_dir().join("guards")).unwrap();
        let bytes = std::fs::read(latches.next()?.unwrap().path()).unwrap();
        assert!(latches.next().is_none(), "one release, one latch");
        let trip = bytes.get(512..).unwrap();
        let end = trip.iter().position(|byte| *byte == 0).unwrap();
        serde_json::from_slice(&trip[..end]).ok()
    }

    /// Half of Green's answers turn bad under load; Green is gone, and it is written down.
    pub(super) async fn breaks(&self, what: &str) {
        let users = Users::of(self.address);
        users.more(SETTLED).await;
        fails(&self.colours.bad);
        users.on_blue(what).await;
        let failed = users.end().await;
        assert!((1..TOO_MANY).contains(&failed), "{failed}");
        let evidence = || self.gateway.log();
        clock::until("the latch", async || self.latched().is_some(), evidence).await;
        let trip = self.latched().unwrap();
        println!(
            "{what}: {failed} failed, bound {}, found in {} ms, swapped in {} us",
            trip["bound"], trip["found_in_ms"], trip["swapped_in_us"]
        );
    }

    /// Green takes requests and answers none of them; Green is gone within seconds, and those that wait there wait on.
    pub(super) async fn hangs(&self, what: &str) {
        let users = Users::many(self.address, 40);
        users.more(SETTLED).await;
        let green = [&self.colours.good, &self.colours.bad];
        green.iter().for_each(|one| one.behave(Behaviour::Held));
        let began = clock::now();
        // A living controller ends the release, and the latch with it.
        let fired = async || self.gateway.log().contains("the guard has fired");
        clock::until("the guard", fired, || self.gateway.log()).await;
        println!("{what}: fired {} ms after the last answer", began.elapsed().as_millis());
        assert!(self.gateway.log().contains(r#"bound="hang""#), "{}", self.gateway.log());
        let others = Users::of(self.address);
        others.on_blue(what).await;
        assert_eq!(others.end().await, 0);
        green.iter().for_each(|one| one.release(1_000));
        assert_eq!(users.end().await, 0, "who hung has an answer, now that there is one");
    }

    /// Green begins each answer and sends only half of it; Green is gone within seconds.
    pub(super) async fn stalls(&self, what: &str) {
        let users = Users::of(self.address);
        users.more(SETTLED).await;
        assert_eq!(users.end().await, 0);
        for green in [&self.colours.good, &self.colours.bad] {
            green.behave(Behaviour::StallAfter(4));
        }
        let mut waiting = Vec::new();
        for _ in 0..40 {
            let mut client = RawClient::connect(self.address).await;
            client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            waiting.push(client);
        }
        let began = clock::now();
        let fired = async || self.gateway.log().contains("the guard has fired");
        clock::until("the guard", fired, || self.gateway.log()).await;
        println!("{what}: fired {} ms after the last answer had begun", began.elapsed().as_millis());
        let log = self.gateway.log();
        assert!(
            [r#"bound="unended""#, r#"bound="comparison""#].iter().any(|bound| log.contains(bound)),
            "{log}"
        );
        drop(waiting);
        let others = Users::of(self.address);
        others.on_blue(what).await;
        assert_eq!(others.end().await, 0);
    }

    /// The release is over, as one that was rolled back; the report says by what.
    pub(super) async fn is_rolled_back(&self, evidence: &[&str]) {
        let view = shop::until_over(&self.controller).await;
        assert_eq!((&view["version"], &view["outcome"]), (&json!("v2"), &json!("rolled_back")), "{view}");
        assert!(view["why"].as_str().unwrap().contains("the guard has fired"), "{view}");
        let status = release(&self.controller, &["status", "shop"]).await.exits(1);
        assert!(evidence.iter().any(|words| status.out.contains(words)), "{status:?}");
        let mut trip = Value::Null;
        let told = async || {
            trip = shop::report(&self.controller).await["guards"][0]["trip"].take();
            trip["swapped_in_us"].is_u64() && trip["latched"] == true
        };
        clock::until("the whole trip in the report", told, || self.gateway.log()).await;
        assert!(trip["at_ms"].as_i64().unwrap() > 0, "{trip}");
        let users = Users::of(self.address);
        users.on_blue("after the release").await;
        assert_eq!(users.end().await, 0);
        assert_eq!(self.latched(), None, "what it was for is over");
    }
}

/// What a full disk does to a process that is not prepared is the shell's business: this one is, and that done before.
fn patient(world: &World, role: &'static str, first: &str) -> Start {
    Start::new(world).after(format!("trap '' XFSZ\n{first}")).role(role)
}

fn merged(mut one: Value, other: Value) -> Value {
    one.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    one
}

/// Files may grow no more, whoever writes to them; nothing is left on the disk.
pub(super) fn fill_disk(gate: &Gate, full: bool) {
    let pid = Pid::from_raw(i32::try_from(gate.pid()).unwrap());
    let maximum = getrlimit(Resource::Fsize).maximum;
    let current = if full { Some(4_096) } else { maximum };
    prlimit(pid, Resource::Fsize, Rlimit { current, maximum }).unwrap();
}
