//! `docs/walkthrough.md`, done: its files are written, its commands are run, in their order and in one folder, and
//! what the terminal shows has to be what stands there. `BLESS=1 cargo test -p sidegate --test walkthrough` writes
//! the output anew; read it before you commit it.
//!
//! A block `console` has commands after `$ ` and what they print, both outputs as they come; a block with
//! `file=PATH` is written to that path. Commands run in bash, each with the exit code of the one before as `$?`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The page, taken apart so that all lines put together are the page again.
enum Part {
    Text(String),
    File { path: String, text: String, whole: String },
    Console { lines: Vec<String> },
}

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/walkthrough.md")
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            parts.push(Part::Text(format!("{line}\n")));
            continue;
        };
        let inside: Vec<String> =
            lines.by_ref().take_while(|line| *line != "```").map(str::to_owned).collect();
        let text: String = inside.iter().map(|line| format!("{line}\n")).collect();
        let whole = format!("{line}\n{text}```\n");
        parts.push(match info.split_once("file=") {
            _ if info == "console" => Part::Console { lines: inside },
            Some((_, path)) => Part::File { path: path.to_owned(), text, whole },
            None => Part::Text(whole),
        });
    }
    parts
}

/// The commands of a console, and what each prints.
fn commands(lines: &[String]) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), String::new())),
            (None, Some((_, output))) => output.push_str(&format!("{line}\n")),
            (None, None) => panic!("expected a command before `{line}`"),
        }
    }
    commands
}

/// Runs a command where a new user would; what it prints, and its exit code.
fn run(dir: &Path, command: &str, code: i32) -> (String, i32) {
    let program = Path::new(env!("CARGO_BIN_EXE_sidegate"));
    let path = std::env::var("PATH").unwrap();
    let output = Command::new("bash")
        .args(["-c", &format!("(exit {code}); {command}")])
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .env("COLUMNS", "100")
        .current_dir(dir)
        .stdin(Stdio::null())
        // One after the other, as a terminal shows them: none of our commands writes to both in turns.
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (text.lines().map(|line| format!("{}\n", timeless(line))).collect(), output.status.code().unwrap())
}

/// A line without what differs from run to run: how long a test took.
fn timeless(line: &str) -> String {
    match line.rsplit_once(" (") {
        Some((before, time))
            if time.ends_with("s)") && time.starts_with(|first: char| first.is_ascii_digit()) =>
        {
            format!("{before} (…)")
        }
        _ => line.to_owned(),
    }
}

#[test]
fn the_walkthrough_goes_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let page_text = fs::read_to_string(page()).unwrap();
    let mut code = 0;
    let mut written = String::new();
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for part in parts(&page_text) {
        match part {
            Part::Text(text) => written.push_str(&text),
            Part::File { path, text, whole } => {
                let path = dir.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
                written.push_str(&whole);
            }
            Part::Console { lines } => {
                written.push_str("```console\n");
                for (command, wanted) in commands(&lines) {
                    let (got, now) = run(dir.path(), &command, code);
                    code = now;
                    asked += 1;
                    written.push_str(&format!("$ {command}\n{got}"));
                    if !got.is_empty() && !got.ends_with('\n') {
                        written.push('\n');
                    }
                    if got.trim_end() != wanted.trim_end() {
                        wrong.push(format!("$ {command}\nexpected:\n{wanted}\ngot:\n{got}"));
                    }
                }
                written.push_str("```\n");
            }
        }
    }
    assert!(asked > 0, "the page has commands");
    if std::env::var_os("BLESS").is_some() {
        fs::write(page(), written).unwrap();
    } else {
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}
