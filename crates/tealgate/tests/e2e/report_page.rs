//! The report as a page: written, opened, by the API, and its course over a restart of the controller.

use crate::harness::cli::{release, run};
use crate::harness::gate::{Gate, Start, tealgate};
use crate::harness::shop::{self, approval, policy};
use crate::harness::world::World;
use load::kind::RequestKind;
use load::run::Load;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use testkit::clock::eventually;

fn points(report: &Value) -> Vec<Value> {
    report["course"].as_array().cloned().unwrap_or_default()
}

/// The last seconds before a kill are not written down yet; what is stays as it was, and what comes later goes on behind it.
fn goes_on_behind_what_was_written(before: &[Value], after: &[Value]) {
    let kept = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    assert!(kept > 1, "not one entry is the same: {before:?} and {after:?}");
    assert!(after.len() > kept, "nothing came behind it: {after:?}");
    let times: Vec<i64> = after.iter().map(|point| point["at_ms"].as_i64().unwrap()).collect();
    assert!(times.windows(2).all(|two| two[0] < two[1]), "{times:?}");
}

fn requests(report: &Value, colour: &str) -> u64 {
    points(report).iter().map(|point| point[colour]["requests"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_course_of_a_release_survives_the_controller_and_stands_in_the_page() {
    let world = World::new();
    let mut gate = Start::new(&world).staying().ready().await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let changes = json!({"steps": [{"share": 20, "pause_ms": 1_500}, 100], "gates": approval("each_step")});
    shop::change(&gate, shop::target(&world), policy(changes)).await;
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    release(&gate, &["start", "shop", "--version", "v2", "--detach"]).await;
    let asked = |view: &Value| view["share"] == 20 && view["waiting_for"][0]["asks_person"] == true;
    shop::until(&gate, "the question", asked).await;
    // One entry is written by now; what comes after a kill goes on behind it.
    let before = shop::report(&gate).await;
    assert!(!points(&before).is_empty(), "{}", before["course"]);
    says_what_is_known_now(&gate, &before).await;
    load.stop().await;
    gate.crash();
    let gate = Start::new(&world).where_it_was(&gate).ready().await;
    let mix = vec![RequestKind::get("/echo")];
    let load = Load { mix, ..Load::closed_loop(gate.gateway(), "shop.example", 2) }.start().unwrap();
    let answered = |view: &Value| asked(view) && view["colours"][1]["requests"].as_u64() > Some(100);
    shop::until(&gate, "the question, and answers of the new version", answered).await;
    release(&gate, &["abort", "shop"]).await.exits(0);
    load.stop().await;
    let after = shop::report(&gate).await;
    goes_on_behind_what_was_written(&points(&before), &points(&after));
    assert!(requests(&after, "blue") > requests(&after, "green") && requests(&after, "green") > 0, "{after}");

    shop::until(&gate, "nothing left to do", |view| !view["ended_at_ms"].is_null()).await;
    let file = world.path().join("report.html");
    let file = file.to_str().unwrap();
    let said = run(&gate, &["release", "report", "shop", "--html", file], None).await.exits(0);
    assert_eq!(said.out.trim(), file);
    let page = std::fs::read_to_string(file).unwrap();
    for part in [
        "<!DOCTYPE html>",
        "aborted",
        r#"class="area blue"#,
        r#"class="area green"#,
        "gateway",
        "Nothing is left to do.",
    ] {
        assert!(page.contains(part), "{part} is missing in:\n{page}");
    }
    assert!(page.trim_end().ends_with("</html>"));
    let printed = run(&gate, &["release", "report", "shop", "--format", "html"], None).await.exits(0).out;
    assert_eq!(printed, page, "of a release that has ended it is made of the journal alone");
}

/// Of a release that waits for a person: why, what goes on, and what was counted until now.
async fn says_what_is_known_now(gate: &Gate, report: &Value) {
    let standing = &report["standing"];
    assert_eq!((&standing["goes_on"], &standing["phase"]), (&json!(true), &json!("shift")), "{standing}");
    assert_eq!(standing["waiting_for"][0]["asks_person"], true, "{standing}");
    let view = shop::newest(gate).await;
    let on_green = view["colours"][1]["requests"].as_u64().unwrap();
    let rows = report["counts"]["rows"].as_array().unwrap();
    let answered = |row: &Value| (row["answerer"] == "green" && row["lane"] == "share").then(|| row.clone());
    let counted: u64 =
        rows.iter().filter_map(answered).map(|row| row["counts"]["whole"][1].as_u64().unwrap()).sum();
    assert!(counted > 20 && counted <= on_green, "{counted} of {on_green} until now");
    assert!(report["ledger"]["green"].as_u64().unwrap() > 20, "{}", report["ledger"]);
    let markdown = run(gate, &["release", "report", "shop"], None).await.exits(0).out;
    for part in [
        "shift, needs a person",
        "still running.** It needs a person: it waits for approval of gate yes",
        "* `tealgate release promote shop --release shop-2` approves gate yes",
        "* `tealgate release abort shop --release shop-2` takes it back: all users get v1",
    ] {
        assert!(markdown.contains(part), "{part} is missing in:\n{markdown}");
    }
}

#[tokio::test]
async fn the_page_is_opened_by_what_the_desktop_has() {
    let world = World::new();
    let gate = Gate::start(&world).await;
    shop::put(&gate, shop::target(&world), policy(json!({}))).await;
    release(&gate, &["start", "shop", "--version", "v1"]).await.exits(0);
    let opener = world.file("bin/xdg-open", "#!/bin/sh\nprintf %s \"$1\" > \"$0.opened\"\n");
    std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = |path: &str| {
        let mut command = tealgate();
        command.args(["release", "report", "shop", "--open", "--data-dir"]).arg(gate.data_dir());
        command.env("PATH", path).env("TMPDIR", world.path());
        command.output().unwrap()
    };
    let path = format!("{}:/usr/bin:/bin", world.path().join("bin").display());
    let output = open(&path);
    assert!(output.status.success(), "{output:?}");
    let file = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let opened = format!("{opener}.opened");
    let is_opened = async || std::fs::read_to_string(&opened).is_ok_and(|opened| opened == file);
    eventually("the page to be opened", is_opened).await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("<!DOCTYPE html>"));
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "a report is not everybody's");
    let output = open(world.path().join("nothing").to_str().unwrap());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no browser can be opened") && said.contains("open it yourself: "), "{said}");
}
