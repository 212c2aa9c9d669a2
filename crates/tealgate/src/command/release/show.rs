//! `release status` and `list`.

use crate::cli::release::{ListArgs, StatusArgs};
use crate::client::Client;
use crate::clock;
use crate::command::output::Output;
use crate::command::release::follow::{self, Following};
use crate::command::release::{act, client, ending, paths};
use crate::error::{Failure, Outcome};
use crate::exit::Exit;
use crate::terminal;
use crate::tree;
use crate::tree::picture::Picture;
use release::report::duration;
use release::view::ReleaseView;
use serde_json::{Value, json};

/// The exit code says how the release stands, also without `--watch`.
pub(super) async fn status(arguments: &StatusArgs, output: Output) -> Outcome {
    let client = client(&arguments.server)?;
    let app = &arguments.app;
    let view = match &arguments.release {
        Some(id) => follow::view_of(client.get(&paths::release(app, id)).await?)?,
        None => newest(&client, app).await?,
    };
    if arguments.watch {
        let following = Following { app, release: &view.release, timeout: arguments.timeout };
        return follow::until_the_end(&client, &following, output).await;
    }
    if output.json {
        output.data(&serde_json::to_value(&view).map_err(Failure::internal)?);
    } else {
        let (columns, style) = terminal::of_stdout();
        output.text(&format!("{}\n", tree::render(&Picture::of(&view, clock::now_ms()), columns, style)));
    }
    Ok(ending::exit(&view))
}

pub(super) async fn list(arguments: &ListArgs, output: Output) -> Outcome {
    let client = client(&arguments.server)?;
    match &arguments.app {
        Some(app) => {
            let views = releases(&client, app).await?;
            if output.json {
                output.data(&json!({"list": views, "total": views.len()}));
            } else {
                output.text(&table(
                    &views.iter().map(row).collect::<Vec<_>>(),
                    ["RELEASE", "VERSION", "STANDS", "TOOK", "BY"],
                ));
            }
        }
        None => {
            let apps = client.get(paths::APPS).await?;
            if output.json {
                output.data(&apps);
            } else {
                let rows: Vec<[String; 3]> = entries(&apps).map(app_row).collect();
                output.text(&table(&rows, ["APP", "SERVICE", "TARGET"]));
            }
        }
    }
    Ok(Exit::Done)
}

/// The releases of an app, newest first.
pub(super) async fn releases(client: &Client, app: &str) -> Outcome<Vec<ReleaseView>> {
    let answer = client.get(&paths::releases(app)).await?;
    entries(&answer).cloned().map(follow::view_of).collect()
}

pub(super) async fn newest(client: &Client, app: &str) -> Outcome<ReleaseView> {
    releases(client, app).await?.into_iter().next().ok_or_else(|| act::none(app))
}

fn entries(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("list").and_then(Value::as_array).into_iter().flatten()
}

fn row(view: &ReleaseView) -> [String; 5] {
    let stands = Picture::of(view, clock::now_ms()).headline;
    let end = view.decided_at_ms.unwrap_or_else(clock::now_ms);
    let took = u64::try_from(end.saturating_sub(view.started_at_ms)).unwrap_or(0);
    [view.release.clone(), view.version.clone(), stands, duration(took), view.started_by.clone()]
}

fn app_row(entry: &Value) -> [String; 3] {
    let value = entry.get("value").unwrap_or(&Value::Null);
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let target =
        value.get("target").and_then(Value::as_object).and_then(|target| target.keys().next().cloned());
    [text("id"), text("service_id"), target.unwrap_or_default()]
}

/// Columns as wide as their widest entry.
fn table<const N: usize>(rows: &[[String; N]], titles: [&str; N]) -> String {
    let mut widths = titles.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut titles.into_iter());
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn a_table_is_aligned() {
        let rows = [["shop-1".to_owned(), "v1".to_owned()], ["s".to_owned(), "v2".to_owned()]];
        assert_eq!(table(&rows, ["ID", "V"]), "ID      V\nshop-1  v1\ns       v2\n");
    }
}
