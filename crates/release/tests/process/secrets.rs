//! Secrets reach the process and nothing else.

use crate::world::{World, get, spec, target};
use model::target::{EnvValue, SecretReference};
use release::target::EnvironmentDriver;
use std::path::Path;

const SECRET: &str = "correct-horse-battery";

fn files_under(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        if entry.path().is_dir() { files_under(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

#[tokio::test]
async fn a_secret_is_in_no_file_of_the_data_directory_no_argument_and_no_debug_text() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("key"), format!("{SECRET}\n")).unwrap();
    let mut spec = spec();
    spec.base_dir = outside.path().to_str().unwrap().to_owned();
    let reference = EnvValue::Reference(SecretReference::FromFile("key".to_owned()));
    target(&mut spec).env.insert("KEY".to_owned(), reference);
    let status = world.up(&spec).await;
    assert!(get(&status, 0, "/env").await.contains(&format!("KEY={SECRET}\n")));
    let pid = status.instances[0].pid.unwrap();
    assert!(!std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains(SECRET));
    let mut files = Vec::new();
    files_under(world.directory.path(), &mut files);
    assert!(files.iter().any(|file| file.ends_with("shop/blue/0.json")), "{files:?}");
    for file in files {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains(SECRET), "{}", file.display());
    }
    assert!(!format!("{:?} {status:?}", world.driver).contains(SECRET));
    world.driver.stop(&spec).await.unwrap();
}

#[tokio::test]
async fn a_secret_that_the_process_itself_logs_is_masked_when_lines_are_handed_out() {
    let world = World::new();
    let mut spec = crate::world::script("echo the key is $KEY; exec sleep 1000");
    spec.base_dir = world.directory.path().to_str().unwrap().to_owned();
    std::fs::write(world.directory.path().join("key"), SECRET).unwrap();
    let reference = EnvValue::Reference(SecretReference::FromFile("key".to_owned()));
    target(&mut spec).env.insert("KEY".to_owned(), reference);
    world.driver.provision(&spec).await.unwrap();
    assert_eq!(world.logged(&spec, "the key is ").await, "***");
    world.driver.stop(&spec).await.unwrap();
}
