//! The command gate.

use super::{context, run};
use release::clock;
use release::gate::{GateContext, GateOutcome, Verdict};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

async fn shell(script: &str, context: &GateContext) -> GateOutcome {
    run(json!({"command": {"command": ["/bin/sh", "-c", script]}}), context).await
}

fn output_file(context: &GateContext) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(&context.output_dir).unwrap().flatten().collect();
    assert_eq!(files.len(), 1);
    files[0].path()
}

#[tokio::test]
async fn a_program_finds_the_version_under_test_and_passes_with_status_0() {
    let directory = tempfile::tempdir().unwrap();
    let mut context = context(&directory);
    context.instances = vec![("127.0.0.1".to_owned(), 8_001), ("::1".to_owned(), 8_002)];
    let script = "env | grep TEALGATE_ | sort; pwd; cat no-such-file; exit 0";
    let outcome = shell(script, &context).await;
    assert_eq!(
        (outcome.verdict, outcome.summary.as_str()),
        (Verdict::Pass, "the test program exited with status 0")
    );
    let file = output_file(&context);
    assert_eq!(outcome.evidence[1], format!("its output is kept in {}", file.display()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let expected = [
        "TEALGATE_ADDRESS=127.0.0.1:8001",
        "TEALGATE_ADDRESSES=127.0.0.1:8001,[::1]:8002",
        "TEALGATE_APP=shop",
        "TEALGATE_COLOUR=green",
        "TEALGATE_RELEASE=r7",
        "TEALGATE_VERSION=v2",
    ];
    assert_eq!(lines[..6], expected);
    assert_eq!(lines[6], directory.path().canonicalize().unwrap().to_str().unwrap());
    assert!(lines[7].contains("no-such-file"), "stderr is kept, too: {text}");
    assert_eq!(outcome.evidence.last().unwrap(), &format!("| {}", lines[7]));
}

#[tokio::test]
async fn another_status_or_a_signal_fails() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = shell("echo it is broken; exit 4", &context(&directory)).await;
    assert_eq!(
        (outcome.verdict, outcome.summary.as_str()),
        (Verdict::Fail, "the test program exited with status 4")
    );
    assert!(outcome.evidence.contains(&"| it is broken".to_owned()), "{outcome:?}");
    let outcome = shell("kill -9 $$", &context(&directory)).await;
    assert_eq!(
        (outcome.verdict, outcome.summary.as_str()),
        (Verdict::Fail, "the test program was ended by signal 9")
    );
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_inconclusive() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = run(json!({"command": {"command": ["./no-such-test"]}}), &context(&directory)).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.summary.contains("no-such-test cannot be found"), "{outcome:?}");
    let check = json!({"command": {"command": ["env"], "env": {"KEY": {"from_file": "no-such-key"}}}});
    let outcome = run(check, &context(&directory)).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert!(outcome.summary.contains("env.KEY: cannot read the secret file"), "{outcome:?}");
    let check = json!({"command": {"command": ["env"], "working_dir": "no-such-directory"}});
    assert_eq!(run(check, &context(&directory)).await.verdict, Verdict::Inconclusive);
}

#[tokio::test]
async fn a_program_that_does_not_end_in_time_is_inconclusive_and_killed_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let mut context = context(&directory);
    context.timeout_ms = 300;
    let outcome = shell("trap '' TERM; sleep 1000 & echo child $!; wait", &context).await;
    assert_eq!(outcome.verdict, Verdict::Inconclusive);
    assert_eq!(outcome.summary, "the test program did not end within 300 ms and was killed");
    let child = outcome.evidence.last().unwrap().strip_prefix("| child ").unwrap();
    until_gone(child).await;
}

#[tokio::test]
async fn a_gate_that_nobody_waits_for_any_more_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let context = context(&directory);
    let file = directory.path().join("child");
    let script = format!("sleep 1000 & echo $! >{}.new; mv {0}.new {0}; wait", file.display());
    let running = tokio::spawn(async move { shell(&script, &context).await });
    let child = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Ok(child) = std::fs::read_to_string(&file) {
                return child;
            }
            clock::pause(Duration::from_millis(5)).await;
        }
    });
    let child = child.await.unwrap();
    running.abort();
    until_gone(child.trim()).await;
}

#[tokio::test]
async fn a_secret_of_the_program_and_the_preview_token_are_masked_in_file_and_evidence() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("key"), "s3cret-key\n").unwrap();
    let mut context = context(&directory);
    context.preview = Some(("X-Look".to_owned(), "t0ken".to_owned()));
    let check = json!({"command": {
        "command": ["/bin/sh", "-c", "echo key=$KEY word=$WORD path=${PATH:+set}; echo t0ken"],
        "env": {"KEY": {"from_file": "key"}, "WORD": "plain {port}"}}});
    let outcome = run(check, &context).await;
    assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:?}");
    let line = "key=*** word=plain {port} path=set";
    assert!(outcome.evidence.contains(&format!("| {line}")), "{outcome:?}");
    assert!(std::fs::read_to_string(output_file(&context)).unwrap().starts_with(line));
    assert!(!format!("{outcome:?}").contains("t0ken"));
}

async fn until_gone(pid: &str) {
    let stat = format!("/proc/{pid}/stat");
    let gone = tokio::time::timeout(Duration::from_secs(30), async {
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            clock::pause(Duration::from_millis(5)).await;
        }
    });
    gone.await.expect("it was to be killed");
}
