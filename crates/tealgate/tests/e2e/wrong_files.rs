//! Wrong files and flags: each is refused with what, where and what to do; nothing panics, and what is right stays.

use crate::harness::gate::{Gate, Start, tealgate};
use crate::harness::world::World;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

/// A configuration file, and what the answer to it must contain: the place, what is wrong.
const CONFIGS: &[(&str, &[&str])] = &[
    ("routes: [\n", &[":2:1: ", "not valid YAML"]),
    ("routes:\n\t- {id: r}\n", &[":2:"]),
    ("{\"routes\": [}", &[":1:"]),
    ("threads: 1\n\u{0}lisetn: x\n", &[":2:1: ", "U+0000"]),
    ("- a list\n", &["tealgate.yaml"]),
    ("lisetn: 127.0.0.1:1\n", &[":1:1: lisetn: ", "listen"]),
    ("threads: many\n", &[":1:", "threads"]),
    ("threads: 0\n", &["threads"]),
    ("listen: nowhere\n", &[":1:", "listen"]),
    ("limits: {body_bytes: -1}\n", &[":1:", "limits.body_bytes"]),
    ("routes: [{id: r, uri: 5}]\n", &["routes[0].uri"]),
    ("routes: [{id: r, uri: /, colour: red}]\n", &["routes[0].", "colour"]),
    ("routes: [{id: r, uri: /, service_id: s}]\n", &["routes[0].service_id"]),
    ("routes: [{id: r, uri: /}, {id: r, uri: /}]\n", &["routes[1].id"]),
    ("threads: 1\nthreads: 2\n", &[":2:1: threads"]),
    ("apps: [{id: a, service_id: s, target: {}}]\n", &["apps[0]"]),
    (
        "services: [{id: s}]\napps: [{id: a, service_id: s, target: {process: {command: []}}}]\n",
        &["apps[0].target"],
    ),
    (
        "services: [{id: s}]\napps: [{id: a, service_id: s, target: {process: {command: ['{prot}']}}}]\n",
        &["apps[0].target.process.command[0]", "{prot}", "{port}"],
    ),
    (
        "services: [{id: s}]\napps: [{id: a, service_id: s, target: {process: {command: [x]}}, release: {steps: [50]}}]\n",
        &["apps[0].release.steps"],
    ),
];

#[tokio::test]
async fn every_wrong_configuration_is_refused_with_its_place() {
    let world = World::new();
    for (text, parts) in CONFIGS {
        let path = world.file("tealgate.yaml", text);
        let (code, stderr) = Start::new(&world).with(&["--config", &path]).refused().await;
        assert_eq!(code, Some(2), "{text:?}: {stderr}");
        told(&stderr, parts, text);
        assert!(stderr.contains("tealgate check"), "it says what to do: {stderr}");
        let check = tealgate().args(["check", &path]).output().unwrap();
        assert_eq!(check.status.code(), Some(2));
        told(&String::from_utf8(check.stdout).unwrap(), parts, text);
    }
    assert!(!world.data_dir().join("state.db").exists(), "nothing was started");
}

fn told(text: &str, parts: &[&str], of: &str) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in what is said of {of:?}:\n{text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

#[tokio::test]
async fn every_wrong_flag_is_refused_with_what_to_do() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    let other = world.path().join("other").display().to_string();
    let (taken, taken_admin) = (gate.gateway().to_string(), gate.admin_address().to_string());
    let nowhere = world.path().join("nowhere/access.log").display().to_string();
    let bad_key = world.file("bad-key", "two words\nand a line\n");
    let file = world.file("a-file", "");
    let table: &[(&[&str], i32, &[&str])] = &[
        (&["--listen", &taken], 2, &[&taken, "--listen"]),
        (&["--admin", &taken_admin], 2, &[&taken_admin, "--admin"]),
        (&["--listen", "localhost"], 2, &["localhost", "--listen"]),
        (&["--listen", "192.0.2.1:1"], 2, &["192.0.2.1:1", "--listen"]),
        (&["--threads", "0"], 2, &["--threads"]),
        (&["--role", "king"], 2, &["king", "gateway"]),
        (&["--config", &nowhere], 2, &[&nowhere]),
        (&["--access-log", &nowhere], 2, &["nowhere", "--access-log"]),
        (&["--admin-key-file", &nowhere], 2, &["nowhere", "--admin-key-file"]),
        (&["--admin-key-file", &bad_key], 2, &["--admin-key-file"]),
        (&["--data-dir", &file], 6, &[&file, "--data-dir"]),
        (&["--no-such-flag"], 2, &["--no-such-flag"]),
    ];
    for (arguments, code, parts) in table {
        let (found, stderr) = Start::elsewhere(&world, &other).with(arguments).refused().await;
        assert_eq!(found, Some(*code), "{arguments:?}: {stderr}");
        told(&stderr, parts, &arguments.join(" "));
    }
}

/// What a file of the data directory becomes.
type Damage = fn(&Path);

fn garbage(path: &Path) {
    std::fs::write(path, "this is no store, but a text that someone put here\n".repeat(100)).unwrap();
}

fn newer(path: &Path) {
    // SQLite's `user_version`: 4 bytes from byte 60 of the file (SQLite's file format, section 1.3).
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(&99_u32.to_be_bytes(), 60).unwrap();
}

fn flipped_pages(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    (1..length / 4096).for_each(|page| file.write_all_at(&[0xFF; 4096], page * 4096).unwrap());
}

fn newer_keys(path: &Path) {
    std::fs::write(path, json!({"format": 99, "keys": []}).to_string()).unwrap();
}

fn no_keys(path: &Path) {
    std::fs::write(path, "{").unwrap();
}

#[tokio::test]
async fn every_damaged_file_of_the_data_directory_is_named() {
    let table: &[(&str, Damage, i32, &[&str])] = &[
        ("state.db", garbage, 6, &["state.db", "--data-dir"]),
        ("state.db", newer, 6, &["state.db", "99", "newer"]),
        ("state.db", flipped_pages, 6, &["state.db", "damaged"]),
        ("admin-keys.json", newer_keys, 2, &["admin-keys.json", "99", "newer"]),
        ("admin-keys.json", no_keys, 2, &["admin-keys.json"]),
    ];
    for (name, damage, code, parts) in table {
        let world = World::new();
        stopped_with_content(&world).await;
        let path = world.data_dir().join(name);
        damage(&path);
        let before = std::fs::read(&path).unwrap();
        let (found, stderr) = Start::new(&world).refused().await;
        assert_eq!(found, Some(*code), "{name}: {stderr}");
        told(&stderr, parts, name);
        assert_eq!(std::fs::read(&path).unwrap(), before, "{name} is left as it is, to be looked at");
    }
}

/// A data directory of a server that ran, was written to and ended in order.
async fn stopped_with_content(world: &World) {
    let mut gate = Gate::start(world).await;
    for number in 0..50 {
        let upstream = json!({"type": "roundrobin", "nodes": {"127.0.0.1:1": 1}, "desc": "x".repeat(200)});
        gate.admin().put(&format!("upstreams/u{number}"), &upstream).await;
    }
    gate.signal(Signal::TERM);
    assert_eq!(gate.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_store_that_is_gone_begins_anew_and_one_that_is_whole_is_kept() {
    let world = World::new();
    stopped_with_content(&world).await;
    let gate = Gate::start(&world).await;
    let kept: Value = gate.admin().get("/apisix/admin/upstreams").await.json();
    assert_eq!(kept["total"], 50);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_named() {
    if rustix::process::geteuid().is_root() {
        // Root may write anywhere but where nobody may: a directory in the place of the file.
        let world = World::new();
        std::fs::create_dir_all(world.data_dir().join("state.db")).unwrap();
        let (code, stderr) = Start::new(&world).refused().await;
        assert_eq!(code, Some(6), "{stderr}");
        return told(&stderr, &["state.db", "--data-dir"], "a directory");
    }
    let world = World::new();
    stopped_with_content(&world).await;
    let read_only = std::fs::Permissions::from_mode(0o400);
    std::fs::set_permissions(world.data_dir().join("state.db"), read_only).unwrap();
    let (code, stderr) = Start::new(&world).refused().await;
    assert_eq!(code, Some(6), "{stderr}");
    told(&stderr, &["state.db", "--data-dir"], "a read-only file");
}
