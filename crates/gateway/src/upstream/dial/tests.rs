use super::*;
use crate::upstream::io::UpstreamIo;
use crate::upstream::names::{Addresses, NameSource};
use crate::upstream::pool::{Destination, Pools, UpstreamConnection};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// A resolver whose answers are set by hand.
struct Answers {
    resolver: Rc<Resolver>,
    script: Arc<Script>,
}

#[derive(Debug, Default)]
struct Script {
    /// `None`: there will be no answer.
    now: Mutex<Option<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl NameSource for Script {
    fn ask(&self, _: String) -> Addresses {
        self.asked.fetch_add(1, SeqCst);
        match self.now.lock().expect("no panic").clone() {
            None => Box::pin(std::future::pending()),
            Some(answer) => Box::pin(std::future::ready(Ok(answer))),
        }
    }
}

fn answers(valid: Duration, first: &[u8]) -> Answers {
    let script = Arc::new(Script::default());
    let answers =
        Answers { resolver: Resolver::new(valid, Arc::clone(&script) as Arc<dyn NameSource>), script };
    answers.set(first);
    answers
}

impl Answers {
    fn set(&self, last: &[u8]) {
        *self.script.now.lock().expect("no panic") = Some(last.iter().map(|last| local(*last)).collect());
    }

    fn asked(&self) -> usize {
        self.script.asked.load(SeqCst)
    }

    /// Lets the names that connections lead to be asked for, and their answers come.
    async fn sweep(&self) {
        let asked = self.asked();
        self.resolver.sweep();
        while self.asked() == asked {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
    }

    async fn dial(&self, port: u16) -> io::Result<(TcpStream, Option<Origin>)> {
        self.dial_at(port, None).await
    }

    async fn dial_at(&self, port: u16, first: Option<IpAddr>) -> io::Result<(TcpStream, Option<Origin>)> {
        let wanted = Wanted { first, ..Wanted::ANY };
        testkit::clock::within("dialling", dial(&self.resolver, "name", port, None, wanted)).await
    }
}

/// 127.0.0.N: all of them are this machine.
fn local(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// A listener on 127.0.0.N, at the same port as `like`.
async fn listener(last: u8, like: Option<&TcpListener>) -> TcpListener {
    let port = like.map_or(0, |like| like.local_addr().expect("an address").port());
    TcpListener::bind((local(last), port)).await.expect("a free port")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

fn peer(socket: &TcpStream) -> IpAddr {
    socket.peer_addr().expect("a peer").ip()
}

const LONG: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn several_addresses_are_used_in_turn_and_one_that_refuses_is_passed_over() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let two = listener(2, Some(&one)).await;
            let names = answers(LONG, &[1, 2, 3]);
            let mut reached = Vec::new();
            for _ in 0..6 {
                let (socket, origin) = names.dial(port(&one)).await.expect("a connection");
                assert!(!origin.expect("by name").has_left());
                reached.push(peer(&socket));
            }
            assert!(reached.contains(&local(1)) && reached.contains(&local(2)), "{reached:?}");
            assert_eq!(names.asked(), 1, "{:?}", two.local_addr());
        })
        .await;
}

#[tokio::test]
async fn an_address_that_refused_is_asked_last_for_a_while() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let names = answers(LONG, &[1, 3]);
            let name = names.resolver.name("name");
            for _ in 0..2 {
                names.dial(port(&one)).await.expect("a connection");
            }
            for _ in 0..4 {
                let order = names.resolver.addresses(&name, Wanted::ANY).await.expect("addresses");
                assert_eq!(order, [local(1), local(3)]);
            }
        })
        .await;
}

#[tokio::test]
async fn a_name_that_has_moved_is_asked_for_again_before_the_connection_is_given_up() {
    LocalSet::new()
        .run_until(async {
            let two = listener(2, None).await;
            let names = answers(Duration::ZERO, &[1]);
            let name = names.resolver.name("name");
            names.resolver.addresses(&name, Wanted::ANY).await.expect("addresses");
            names.set(&[2]);
            let (socket, _) = names.dial(port(&two)).await.expect("a connection");
            assert_eq!(peer(&socket), local(2));
        })
        .await;
}

#[tokio::test]
async fn an_answer_of_a_moment_ago_is_not_doubted() {
    LocalSet::new()
        .run_until(async {
            let names = answers(LONG, &[1]);
            let closed = port(&listener(1, None).await);
            for _ in 0..10 {
                assert!(names.dial(closed).await.is_err());
            }
            assert_eq!(names.asked(), 1);
        })
        .await;
}

#[tokio::test]
async fn a_name_without_an_answer_is_an_error_and_one_that_was_known_stays_known() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let names = answers(Duration::ZERO, &[]);
            assert!(names.dial(port(&one)).await.is_err());
            let known = answers(Duration::ZERO, &[1]);
            known.dial(port(&one)).await.expect("a connection");
            known.set(&[]);
            for _ in 0..3 {
                known.dial(port(&one)).await.expect("a connection by the last addresses");
                tokio::task::yield_now().await;
            }
            assert!(known.asked() > 1);
        })
        .await;
}

#[tokio::test]
async fn an_idle_connection_to_an_address_that_the_name_has_left_is_not_used_again() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let names = answers(Duration::ZERO, &[1]);
            let pools = Pools::default();
            let to = Destination { target: 1, node: 0, name: None };
            for moved in [false, true] {
                let (socket, origin) = names.dial(port(&one)).await.expect("a connection");
                let io = UpstreamIo::Plain(socket);
                let connection = UpstreamConnection { io, origin, name: None, requests: 1, reused: false };
                pools.give(to.target, to.node, connection, 9, 0..u64::MAX);
                names.set(if moved { &[2] } else { &[1] });
                names.sweep().await;
                assert_eq!(pools.take(to, 1, false).is_ok(), !moved);
            }
            names.set(&[1]);
            let asked = names.asked();
            names.resolver.sweep();
            assert_eq!(names.asked(), asked, "nobody uses the name any more");
        })
        .await;
}

/// So many requests one after the other, each on a connection of the pool if there is one: how many reached each address.
async fn reached(names: &Answers, pools: &Pools, port: u16, requests: usize) -> BTreeMap<IpAddr, usize> {
    let mut reached = BTreeMap::new();
    for _ in 0..requests {
        let connection = match pools.take(TO, 1, true) {
            Ok(connection) => connection,
            Err(next) => {
                let (socket, origin) = names.dial_at(port, next).await.expect("a connection");
                let io = UpstreamIo::Plain(socket);
                UpstreamConnection { io, origin, name: None, requests: 1, reused: false }
            }
        };
        *reached.entry(connection.origin.as_ref().expect("by name").ip()).or_default() += 1;
        pools.give(TO.target, TO.node, connection, 9, 0..u64::MAX);
    }
    reached
}

const TO: Destination<'static> = Destination { target: 1, node: 0, name: None };

#[tokio::test]
async fn requests_take_the_addresses_in_turn_whatever_is_idle_and_new_ones_from_their_answer_on() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let _others = [listener(2, Some(&one)).await, listener(3, Some(&one)).await];
            let (names, pools) = (answers(Duration::ZERO, &[1]), Pools::default());
            assert_eq!(reached(&names, &pools, port(&one), 9).await, BTreeMap::from([(local(1), 9)]));
            names.set(&[3, 1, 2]);
            names.sweep().await;
            let even = [1, 2, 3].map(|last| (local(last), 3));
            assert_eq!(reached(&names, &pools, port(&one), 9).await, BTreeMap::from(even));
            names.set(&[3]);
            names.sweep().await;
            pools.sweep(1);
            assert_eq!(reached(&names, &pools, port(&one), 9).await, BTreeMap::from([(local(3), 9)]));
        })
        .await;
}

#[tokio::test]
async fn an_address_that_takes_no_connection_has_no_turn_until_it_takes_one_again() {
    LocalSet::new()
        .run_until(async {
            let one = listener(1, None).await;
            let (names, pools) = (answers(LONG, &[1, 2]), Pools::default());
            let counted = reached(&names, &pools, port(&one), 6).await;
            assert_eq!(counted, BTreeMap::from([(local(1), 6)]));
            let name = names.resolver.name("name");
            let later = clock::now() + Duration::from_secs(11);
            assert_eq!(name.due(later), [SocketAddr::new(local(2), port(&one))], "tried without a request");
            assert_eq!(name.due(later), [], "once in a while");
            let _two = listener(2, Some(&one)).await;
            name.took(local(2));
            let counted = reached(&names, &pools, port(&one), 6).await;
            assert_eq!(counted, [1, 2].map(|last| (local(last), 3)).into());
        })
        .await;
}

#[tokio::test]
async fn a_resolver_that_is_silent_is_waited_for_once_and_by_nobody_who_comes_later() {
    LocalSet::new()
        .run_until(async {
            let names = answers(LONG, &[]);
            *names.script.now.lock().expect("no panic") = None;
            let (name, before) = (names.resolver.name("name"), clock::now());
            let wait = |wait| names.resolver.addresses(&name, Wanted { first: None, wait });
            let moment = Duration::from_millis(1);
            let waited = testkit::clock::within("both", async { tokio::join!(wait(moment), wait(moment)) });
            assert!(matches!(waited.await, (Err(_), Err(_))));
            assert!(!names.resolver.leads_nowhere("name", before), "it may come yet");
            assert!(names.resolver.leads_nowhere("name", clock::now() + super::super::resolve::PATIENCE));
            assert!(wait(moment).await.is_err());
            assert_eq!(names.asked(), 1);
        })
        .await;
}

#[tokio::test]
async fn a_name_that_could_not_be_resolved_is_asked_for_beside_the_requests_until_it_can_be() {
    LocalSet::new()
        .run_until(async {
            let names = answers(LONG, &[]);
            let (resolver, before) = (&names.resolver, clock::now());
            assert!(!resolver.leads_nowhere("name", before), "nobody has asked yet");
            let name = resolver.name("name");
            assert!(resolver.addresses(&name, Wanted::ANY).await.is_err());
            assert!(resolver.has_unknown() && resolver.leads_nowhere("name", before));
            assert_eq!(names.asked(), 1);
            names.set(&[1]);
            assert!(resolver.leads_nowhere("name", clock::now() + Duration::from_secs(2)));
            assert_eq!(names.asked(), 2);
            while resolver.leads_nowhere("name", before) {
                tokio::task::yield_now().await;
            }
            resolver.sweep();
            assert!(!resolver.has_unknown());
        })
        .await;
}
