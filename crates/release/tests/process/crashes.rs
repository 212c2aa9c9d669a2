//! A controller that dies before and after each step that it takes with a process: itself a process, which ends as after
//! `kill -9`, again and again until what it was started for is done. No program ever runs that is not recorded,
//! none twice, and none is left.

use crate::app::reexecuted;
use crate::world::{Recorded, World, pid, spec, target};
use model::colour::Colour;
use model::target::EnvValue;
use release::clock;
use release::failpoint::{Failpoints, Point, ProcessStep};
use release::target::process::{INSTANCE_ID, ProcessDriver};
use release::target::{EnvironmentDriver, EnvironmentSpec, EnvironmentStatus};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The variable by which a test finds all that was started for it.
const MARK: &str = "CRASH_TEST";
/// Longest that one controller takes.
const LIMIT: Duration = Duration::from_secs(30);
/// More deaths than any errand has points.
const DEATHS_MAX: usize = 100;

/// What a controller is started for. Each can be begun again wherever it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errand {
    /// Two instances of version 1 run and are ready.
    BringUp,
    /// One of them has exited, with a child left behind, and runs again.
    Restart,
    /// One instance of version 2 runs instead; it does not hear SIGTERM.
    Replace,
    /// Nothing runs.
    TakeDown,
    /// One instance runs whose program has cleared its environment, so that it does not carry its id.
    BringUpCleared,
}

impl Errand {
    const ALL: [Errand; 5] =
        [Errand::BringUp, Errand::Restart, Errand::Replace, Errand::TakeDown, Errand::BringUpCleared];

    /// The steps that it has, whoever dies.
    fn steps(self) -> &'static [ProcessStep] {
        use ProcessStep::{Adopt, Forget, Kill, LetGo, Mark, Ready, Record, Spawn, Sweep, Terminate};
        match self {
            Errand::BringUp => &[Record, Spawn, Mark, LetGo, Ready, Adopt],
            Errand::Restart => &[Adopt, Kill, Sweep, Record, Spawn, Mark, LetGo, Ready],
            Errand::Replace => &[Terminate, Forget, Record, Spawn, Mark, LetGo, Ready, Adopt],
            Errand::TakeDown => &[Adopt, Terminate, Kill, Forget],
            Errand::BringUpCleared => &[Record, Spawn, Mark, LetGo, Ready, Adopt],
        }
    }

    /// How many instances run when it is done.
    fn instances(self) -> usize {
        match self {
            Errand::BringUp | Errand::Restart => 2,
            Errand::Replace | Errand::BringUpCleared => 1,
            Errand::TakeDown => 0,
        }
    }

    async fn run(self, driver: &ProcessDriver, data_dir: &Path, points: &Path) {
        let (first, second) = (first(data_dir), second(data_dir));
        match self {
            Errand::BringUp => drop(up(driver, &first).await),
            Errand::Restart => {
                // Who died before the kill is followed by one that finds nothing to kill.
                while !names(points).iter().any(|point| point.starts_with("after process kill")) {
                    let before = up(driver, &first).await;
                    ask_to_exit(&before).await;
                    let again =
                        |status: &EnvironmentStatus| status.ready && pid(status, 0) != pid(&before, 0);
                    until(driver, &first, again).await;
                }
                up(driver, &first).await;
            }
            Errand::Replace => drop(up(driver, &second).await),
            Errand::TakeDown => driver.stop(&second).await.unwrap(),
            Errand::BringUpCleared => drop(up(driver, &cleared(data_dir)).await),
        }
    }
}

/// Two instances of version 1, each with a child beside it.
fn first(data_dir: &Path) -> EnvironmentSpec {
    let mut first = through_a_shell("sleep 1000 & exec \"$@\"", data_dir);
    target(&mut first).instances = 2;
    first
}

/// One instance of version 2, which has to be killed.
fn second(data_dir: &Path) -> EnvironmentSpec {
    let mut second = through_a_shell("trap '' TERM; exec \"$@\"", data_dir);
    (second.version, second.release) = ("v2".to_owned(), "r2".to_owned());
    target(&mut second).stop_timeout_ms = 50;
    second
}

fn cleared(data_dir: &Path) -> EnvironmentSpec {
    through_a_shell("exec env -i \"$@\"", data_dir)
}

fn through_a_shell(script: &str, data_dir: &Path) -> EnvironmentSpec {
    let mut spec = spec();
    let target = target(&mut spec);
    target.command.splice(0..0, ["/bin/sh", "-c", script, "sh"].map(str::to_owned));
    // As a variable, and as the app's name: a program can only clear the first.
    target.env.insert(MARK.to_owned(), EnvValue::Text(data_dir.display().to_string()));
    *target.command.last_mut().unwrap() = data_dir.display().to_string();
    spec
}

/// What a controller of these tests does: `controller DATA_DIR ERRAND POINTS`.
pub(crate) fn controller(arguments: &[String]) {
    let [data_dir, errand, points] = arguments else { panic!("{arguments:?}") };
    let errand = Errand::ALL.into_iter().find(|one| format!("{one:?}") == *errand).unwrap();
    let driver = ProcessDriver::new(data_dir.into(), reexecuted("launcher")).telling(dying_once_each(points));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(errand.run(&driver, data_dir.as_ref(), points.as_ref()));
}

/// Dies at the first point that the file does not name, and adds it.
fn dying_once_each(file: &str) -> Failpoints {
    let file = Arc::new(Mutex::new(PathBuf::from(file)));
    Failpoints::told_to(Arc::new(move |point: Point| {
        let file = file.lock().unwrap();
        let name = point.to_string();
        if !names(&file).contains(&name) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&*file).unwrap();
            writeln!(file, "{name}").unwrap();
            let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
            std::process::abort();
        }
        Box::pin(std::future::ready(()))
    }))
}

async fn up(driver: &ProcessDriver, spec: &EnvironmentSpec) -> EnvironmentStatus {
    driver.provision(spec).await.unwrap();
    until(driver, spec, |status| status.ready).await
}

async fn until(
    driver: &ProcessDriver,
    spec: &EnvironmentSpec,
    seen: impl Fn(&EnvironmentStatus) -> bool,
) -> EnvironmentStatus {
    let looking = async {
        loop {
            let status = driver.observe(spec).await;
            if seen(&status) {
                return status;
            }
            clock::pause(Duration::from_millis(5)).await;
        }
    };
    match tokio::time::timeout(LIMIT, looking).await {
        Ok(status) => status,
        Err(_) => panic!("did not come: {:#?}", driver.observe(spec).await),
    }
}

/// The points at which someone has died, in order.
fn names(points: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(points).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

async fn ask_to_exit(status: &EnvironmentStatus) {
    let instance = &status.instances[0];
    // It may be about to exit already.
    if let Ok(mut stream) = tokio::net::TcpStream::connect((instance.host.as_str(), instance.port)).await {
        let _ = stream.write_all(b"GET /exit HTTP/1.1\r\nHost: app\r\n\r\n").await;
        // Until it has: to leave earlier could lose the request.
        let _ = stream.read(&mut [0]).await;
    }
}

/// A running process of a test.
#[derive(Debug)]
struct Seen {
    pid: u32,
    /// Absent where the program has cleared its environment.
    instance: Option<String>,
    arguments: Vec<String>,
}

impl Seen {
    /// The port that it was given, if it is the app and not the launcher that may become it.
    fn port(&self) -> Option<&str> {
        let is = |entry: &str| self.arguments.iter().any(|argument| argument == entry);
        let port =
            self.arguments.len().checked_sub(2).filter(|_| is("app::serve") && !is("app::launcher"))?;
        Some(&self.arguments[port])
    }
}

/// All that was started for a test and runs.
fn seen(world: &World) -> Vec<Seen> {
    let data_dir = world.directory.path().display().to_string();
    let mark = format!("{MARK}={data_dir}");
    let of = |pid: u32| {
        let (arguments, environment) = words(pid);
        let is_ours = arguments.last() == Some(&data_dir) || environment.contains(&mark);
        let instance =
            environment.iter().find_map(|entry| entry.strip_prefix(INSTANCE_ID)?.strip_prefix('='));
        is_ours.then(|| Seen { pid, instance: instance.map(str::to_owned), arguments })
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(of).collect()
}

/// Arguments and environment of a process, both of the same program; nothing of one that is gone.
fn words(pid: u32) -> (Vec<String>, Vec<String>) {
    let read = |file: &str| -> Vec<String> {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    };
    loop {
        let (arguments, environment) = (read("cmdline"), read("environ"));
        if read("cmdline") == arguments {
            return (arguments, environment);
        }
    }
}

/// What holds whenever a controller has died: everything that runs is recorded, and nothing runs twice. Gives the recorded
/// instances that run, by port.
fn nothing_is_lost_or_twice(world: &World, after: &str) -> BTreeMap<String, String> {
    let recorded: Vec<Recorded> = (0..2).filter_map(|number| world.recorded(Colour::Blue, number)).collect();
    let seen = seen(world);
    let mut running = BTreeMap::new();
    for one in &seen {
        let record = recorded.iter().find(|known| match &one.instance {
            Some(instance) => known.instance == *instance,
            None => known.pid == Some(one.pid),
        });
        let Some(record) = record else { panic!("{after}: {one:?} is in no record: {recorded:?}") };
        // A child that has not become another program yet looks like its parent.
        if let Some(port) = one.port() {
            let other = running.insert(port.to_owned(), record.instance.clone());
            assert!(
                other.is_none_or(|other| other == record.instance),
                "{after}: two on port {port}: {seen:#?}"
            );
        }
    }
    running
}

/// Sends controllers until one comes to the end.
fn send(world: &World, errand: Errand) {
    let points = world.directory.path().join(format!("{errand:?}.points"));
    let mut command = reexecuted("controller");
    command.extend(
        [world.directory.path(), Path::new(&format!("{errand:?}")), &points]
            .map(|argument| argument.display().to_string()),
    );
    for deaths in 0..=DEATHS_MAX {
        let ended = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).output().unwrap();
        let passed = names(&points);
        let running = nothing_is_lost_or_twice(world, passed.last().map_or("nothing", String::as_str));
        if ended.status.success() {
            assert_eq!(passed.len(), deaths, "one death at each point: {passed:#?}");
            println!("{errand:?}: {deaths} deaths");
            assert_passed(errand, &passed);
            assert_eq!(running.len(), errand.instances(), "{errand:?}: {running:#?}");
            return;
        }
        assert_eq!(
            ended.status.signal(),
            Some(Signal::ABORT.as_raw()),
            "{errand:?}, {passed:#?}: {ended:#?}"
        );
    }
    panic!("{errand:?} never comes to its end: {:#?}", names(&points));
}

fn assert_passed(errand: Errand, points: &[String]) {
    for step in errand.steps() {
        for side in ["before", "after"] {
            let point = format!("{side} process {} ", step.name());
            assert!(
                points.iter().any(|one| one.starts_with(&point)),
                "{errand:?} has no {point}: {points:#?}"
            );
        }
    }
}

#[test]
fn wherever_it_dies_nothing_runs_that_is_not_recorded_and_nothing_runs_twice() {
    let world = World::new();
    for errand in [Errand::BringUp, Errand::Restart, Errand::Replace, Errand::TakeDown] {
        send(&world, errand);
    }
    assert!(seen(&world).is_empty());
}

/// Such a program cannot be found by its environment, so that it may not run before it is recorded.
#[test]
fn wherever_it_dies_a_program_that_clears_its_environment_is_not_started_twice() {
    let world = World::new();
    send(&world, Errand::BringUpCleared);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(world.driver.stop(&cleared(world.directory.path()))).unwrap();
    assert!(seen(&world).is_empty());
}

#[test]
fn every_step_that_the_driver_knows_is_one_of_an_errand() {
    let steps: BTreeSet<ProcessStep> =
        Errand::ALL.iter().flat_map(|errand| errand.steps()).copied().collect();
    assert_eq!(steps, BTreeSet::from(ProcessStep::ALL));
}
