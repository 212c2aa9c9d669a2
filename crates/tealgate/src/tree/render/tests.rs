use super::*;

const ICONS: Style = Style { colours: false, icons: true };
const ASCII: Style = Style { colours: false, icons: false };

fn phase(name: &str, standing: Standing, duration_ms: Option<u64>, detail: &str) -> PhaseRow {
    PhaseRow { duration_ms, detail: detail.to_owned(), ..PhaseRow::new(name, standing) }
}

/// A release in the middle of its shift.
pub(in crate::tree) fn shifting() -> Picture {
    let row = |colour, version: &str, share, requests, errors, p50, p99, note: &str| ColourRow {
        colour,
        version: version.to_owned(),
        share,
        requests,
        errors,
        p50_ms: Some(p50),
        p99_ms: Some(p99),
        note: note.to_owned(),
    };
    let mut test = phase("test", Standing::Done, Some(812), "");
    test.children = vec![
        phase("readiness", Standing::Done, None, "2 of 2 ready"),
        phase("smoke", Standing::Done, None, "3 requests"),
    ];
    let mut shift = phase("shift", Standing::Running, Some(4_000), "watching");
    shift.steps = Some(Steps { shares: vec![1, 10, 50, 100], begun: 2 });
    Picture {
        app: "shop".to_owned(),
        release: "shop-7".to_owned(),
        from: Some("v1".to_owned()),
        to: "v2".to_owned(),
        headline: "shift".to_owned(),
        mood: Mood::Neutral,
        elapsed_ms: 12_440,
        colours: vec![
            row(Colour::Blue, "v1", 90, 10_240, 0, 1.2, 4.8, "live"),
            row(Colour::Green, "v2", 10, 1_138, 2, 1.3, 5.1, ""),
        ],
        phases: vec![
            phase("provision", Standing::Done, Some(2_100), "2 of 2 instances ready"),
            test,
            shift,
            phase("soak", Standing::Ahead, None, ""),
            phase("decommission", Standing::Ahead, None, ""),
        ],
        waiting: vec!["step 10 %, at most 3.0 s".to_owned()],
        ways: Vec::new(),
        remarks: Vec::new(),
    }
}

#[test]
fn a_release_in_its_shift() {
    let expected = "\
shop  v1 → v2                                                                    shift · 12.4 s

  ● blue   v1  ██████████████████████░░  90 %   10,240 req  0 err  p50 1.2 ms  p99 4.8 ms  live
  ● green  v2  ██░░░░░░░░░░░░░░░░░░░░░░  10 %    1,138 req  2 err  p50 1.3 ms  p99 5.1 ms

  ├─ ✔ provision         2.1 s   2 of 2 instances ready
  ├─ ✔ test              0.8 s
  │  ├─ ✔ readiness              2 of 2 ready
  │  └─ ✔ smoke                  3 requests
  ├─ ▶ shift             4.0 s   1 › [10] › 50 › 100 %   watching
  ├─ ○ soak
  └─ ○ decommission

… waits for step 10 %, at most 3.0 s";
    assert_eq!(render(&shifting(), 110, ICONS), expected);
}

#[test]
fn without_icons_it_is_plain_ascii() {
    let text = render(&shifting(), 80, ASCII);
    assert!(text.is_ascii(), "{text}");
    assert!(text.contains("  |- > shift             4.0 s   1 > [10] > 50 > 100 %"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [40, 60, 80, 120] {
        for line in render(&shifting(), width, ICONS).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn where_there_is_little_room_the_median_goes_first() {
    let row = |width| render(&shifting(), width, ICONS).lines().nth(2).unwrap_or_default().to_owned();
    assert_eq!(row(76), "  ● blue   v1  ███████████████░░  90 %   10,240 req  0 err  p99 4.8 ms  live");
    assert!(row(64).ends_with("p99 4.8 ms"), "{}", row(64));
}

#[test]
fn the_smallest_share_shows_and_only_the_whole_fills_the_bar() {
    let bar = |share| {
        let mut picture = shifting();
        picture.colours[0].share = share;
        let text = render(&picture, 110, ICONS);
        text.lines().nth(2).unwrap().matches('█').count()
    };
    assert_eq!([0, 1, 99, 100].map(bar), [0, 1, LONGEST_BAR - 1, LONGEST_BAR]);
}

#[test]
fn a_release_that_went_back_says_why() {
    let mut picture = shifting();
    picture.headline = "rolled back".to_owned();
    picture.mood = Mood::Bad;
    picture.waiting.clear();
    picture.remarks = vec![(Mood::Bad, "limits exceeded: 12 of 40 requests failed".to_owned())];
    let text = render(&picture, 110, Style { colours: true, icons: true });
    assert!(text.contains("\x1b[31mrolled back\x1b[0m"), "{text}");
    assert!(text.ends_with("\x1b[31m✖ \x1b[0mlimits exceeded: 12 of 40 requests failed"), "{text}");
}

#[test]
fn what_there_is_to_know_is_broken_between_words_and_cut_off_only_after_a_few_lines() {
    let mut picture = shifting();
    picture.waiting.clear();
    let remark = |text: &str| (Mood::Neutral, text.to_owned());
    picture.remarks =
        vec![remark("ünë two three four five six"), remark(&"x".repeat(50)), remark(&"y ".repeat(400))];
    let text = render(&picture, 20, ICONS);
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with('·')).collect();
    let long = format!("· {}…", "x".repeat(17));
    assert_eq!(lines[..3], ["· ünë two three four", "  five six", long.as_str()]);
    assert_eq!(lines.len(), 3 + MOST_LINES);
    assert!(lines.iter().all(|line| line.chars().count() <= 20) && lines[6].ends_with('…'), "{lines:#?}");
}

#[test]
fn what_there_is_to_say_of_a_row_is_broken_below_itself_and_the_tree_goes_on_beside_it() {
    let mut picture = shifting();
    (picture.waiting, picture.phases[0].detail) =
        (Vec::new(), "one two three four five six seven".to_owned());
    picture.phases[1].detail = picture.phases[0].detail.clone();
    picture.phases[1].children[1].detail = picture.phases[0].detail.clone();
    picture.phases[2].detail = "the guard has fired (hang)".to_owned();
    let text = render(&picture, 60, ICONS);
    let tree: Vec<&str> = text.lines().skip(5).collect();
    let expected = [
        "  ├─ ✔ provision         2.1 s   one two three four five six",
        "  │                              seven",
        "  ├─ ✔ test              0.8 s   one two three four five six",
        "  │  │                           seven",
        "  │  ├─ ✔ readiness              2 of 2 ready",
        "  │  └─ ✔ smoke                  one two three four five six",
        "  │                              seven",
        "  ├─ ▶ shift             4.0 s   1 › [10] › 50 › 100 %",
        "  │                              the guard has fired (hang)",
        "  ├─ ○ soak",
        "  └─ ○ decommission",
    ];
    assert_eq!(tree, expected, "{text}");
}
