//! What is wrong with a spec is said before anything is started, all at once, in words for a person.

use crate::world::{World, script, spec, target};
use model::target::{EnvValue, Probe, ProcessTarget, SecretReference};
use release::target::{EnvironmentDriver, EnvironmentSpec};

async fn faults(spec: &EnvironmentSpec) -> String {
    World::new().driver.check(spec).await.expect_err("it was to be refused").to_string()
}

async fn faults_of(change: impl FnOnce(&mut ProcessTarget)) -> String {
    let mut spec = spec();
    change(target(&mut spec));
    faults(&spec).await
}

#[tokio::test]
async fn a_good_spec_has_none() {
    World::new().driver.check(&spec()).await.unwrap();
}

#[tokio::test]
async fn each_fault_is_named_with_its_field() {
    let text = faults_of(|target| target.command[0] = "/no/such/program".to_owned()).await;
    assert!(text.starts_with("shop blue: command: the program /no/such/program cannot be found"), "{text}");
    let text = faults_of(|target| target.command[0] = "no-such-program".to_owned()).await;
    assert!(text.contains("no-such-program is not in Tealgate's PATH"), "{text}");
    let text = faults_of(|target| target.command[0] = "/etc/passwd".to_owned()).await;
    assert!(text.contains("/etc/passwd is no executable file"), "{text}");
    let text = faults_of(|target| target.command.clear()).await;
    assert!(text.contains("command is empty"), "{text}");
    let text = faults_of(|target| target.command.push("{prot}".to_owned())).await;
    assert!(text.contains("command: unknown placeholder {prot}"), "{text}");
    let text = faults_of(|target| target.working_dir = Some("/no/such/directory".to_owned())).await;
    assert!(text.contains("working_dir: /no/such/directory: No such file"), "{text}");
    let text = faults_of(|target| target.address = "localhost".to_owned()).await;
    assert!(text.contains("address: \"localhost\" is no IP address"), "{text}");
    let text = faults_of(|target| target.instances = 65).await;
    assert!(text.contains("instances is 65; it must be 1 to 64"), "{text}");
    let text = faults_of(|target| target.ports = Some([9_000, 8_000])).await;
    assert!(text.contains("ports is [9000, 8000]"), "{text}");
    let text = faults_of(|target| (target.ports, target.instances) = (Some([8_000, 8_001]), 3)).await;
    assert!(text.contains("ports [8000, 8001] has 2 ports for 3 instances"), "{text}");
    let text = faults_of(|target| target.readiness.successes = 9).await;
    assert!(text.contains("readiness.successes is 9"), "{text}");
    let command = vec!["no-such-probe".to_owned()];
    let text = faults_of(|target| target.readiness.probe = Probe::Command { command }).await;
    assert!(text.contains("readiness.probe.command.command: the program no-such-probe"), "{text}");
    let probe = Probe::Http { path: "ready".to_owned(), statuses: Vec::new() };
    let text = faults_of(|target| target.readiness.probe = probe).await;
    assert!(text.contains("readiness.probe.http.path: \"ready\" is no path"), "{text}");
    let text = faults_of(|target| target.restart.backoff_min_ms = 1_000).await;
    assert!(text.contains("restart.backoff_min_ms is 1000"), "{text}");
}

#[tokio::test]
async fn a_missing_secret_and_a_reserved_name_are_faults() {
    let reference = EnvValue::Reference(SecretReference::FromFile("/no/such/secret".to_owned()));
    let text = faults_of(|target| drop(target.env.insert("KEY".to_owned(), reference))).await;
    assert!(text.contains("env.KEY: cannot read the secret file /no/such/secret"), "{text}");
    let own = EnvValue::Text("mine".to_owned());
    let text = faults_of(|target| drop(target.env.insert("TEALGATE_INSTANCE_ID".to_owned(), own))).await;
    assert!(text.contains("env.TEALGATE_INSTANCE_ID: this variable is set by Tealgate"), "{text}");
}

#[tokio::test]
async fn all_faults_are_said_at_once() {
    let text = faults_of(|target| {
        target.instances = 0;
        target.address = "nowhere".to_owned();
        target.command[0] = "no-such-program".to_owned();
        target.env.insert("A".to_owned(), EnvValue::Text("{b}".to_owned()));
    })
    .await;
    for fault in
        ["instances is 0", "address: \"nowhere\"", "no-such-program", "env.A: unknown placeholder {b}"]
    {
        assert!(text.contains(fault), "{fault} is not in {text}");
    }
}

#[tokio::test]
async fn an_app_cannot_lead_out_of_the_data_directory() {
    for app in ["..", ".", "", "a/b", "../../etc", "a b"] {
        let mut spec = spec();
        spec.app = app.to_owned();
        let world = World::new();
        let text = world.driver.provision(&spec).await.unwrap_err().to_string();
        assert!(text.contains("the app's id must have 1 to 64"), "{text}");
        assert!(world.driver.stop(&spec).await.is_err());
        assert!(world.driver.last_log_lines(&spec, 10).await.is_empty());
    }
}

#[tokio::test]
async fn a_spec_that_cannot_work_starts_nothing() {
    let world = World::new();
    let mut spec = script("echo begun");
    target(&mut spec).instances = 65;
    let error = world.driver.provision(&spec).await.unwrap_err().to_string();
    assert!(error.contains("instances is 65"), "{error}");
    assert!(world.driver.observe(&spec).await.instances.is_empty());
    assert!(!world.directory.path().join("logs").exists());
    target(&mut spec).instances = 0;
    let error = world.driver.provision(&spec).await.unwrap_err().to_string();
    assert!(error.contains("instances is 0"), "{error}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_said_and_nothing_runs() {
    let world = World::new();
    std::fs::write(world.directory.path().join("logs"), "a file, not a directory").unwrap();
    world.driver.provision(&spec()).await.unwrap();
    let status = world.until(&spec(), |status| status.detail.contains("cannot open the log")).await;
    assert_eq!((status.ready, status.instances[0].pid), (false, None));
    world.driver.stop(&spec()).await.unwrap();

    let world = World::new();
    std::fs::write(world.directory.path().join("environments"), "a file, not a directory").unwrap();
    let error = world.driver.provision(&spec()).await.unwrap_err();
    assert_eq!(error.to_string(), "shop blue: cannot adopt an instance");
}
