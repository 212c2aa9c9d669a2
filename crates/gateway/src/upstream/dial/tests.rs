use super::*;
use crate::upstream::io::UpstreamIo;
use crate::upstream::pool::{Destination, Pools, UpstreamConnection};
use std::cell::{Cell, RefCell};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// A resolver whose answers are set by hand.
struct Answers {
    resolver: Rc<Resolver>,
    now: Rc<RefCell<Vec<IpAddr>>>,
    asked: Rc<Cell<usize>>,
}

fn answers(valid: Duration, first: &[u8]) -> Answers {
    let now = Rc::new(RefCell::new(first.iter().map(|last| local(*last)).collect::<Vec<_>>()));
    let asked = Rc::new(Cell::new(0));
    let (given, count) = (Rc::clone(&now), Rc::clone(&asked));
    let ask = move |_| {
        count.set(count.get() + 1);
        let answer: Vec<IpAddr> = given.borrow().clone();
        let answer = if answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(answer) };
        Box::pin(std::future::ready(answer)) as std::pin::Pin<Box<dyn Future<Output = _>>>
    };
    Answers { resolver: Resolver::asking(valid, Box::new(ask)), now, asked }
}

impl Answers {
    fn set(&self, last: &[u8]) {
        *self.now.borrow_mut() = last.iter().map(|last| local(*last)).collect();
    }

    async fn dial(&self, port: u16) -> io::Result<(TcpStream, Option<Origin>)> {
        testkit::clock::within("dialling", dial(&self.resolver, "name", port, None)).await
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
            assert_eq!(names.asked.get(), 1, "{:?}", two.local_addr());
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
                let order = names.resolver.addresses(&name).await.expect("addresses");
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
            names.resolver.addresses(&name).await.expect("addresses");
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
            assert_eq!(names.asked.get(), 1);
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
            assert!(known.asked.get() > 1);
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
                let asked = names.asked.get();
                names.set(if moved { &[2] } else { &[1] });
                names.resolver.sweep();
                while names.asked.get() == asked {
                    tokio::task::yield_now().await;
                }
                tokio::task::yield_now().await;
                assert_eq!(pools.take(to, 1, false).is_some(), !moved);
            }
            names.set(&[1]);
            let asked = names.asked.get();
            names.resolver.sweep();
            assert_eq!(names.asked.get(), asked, "nobody uses the name any more");
        })
        .await;
}
