//! The pictures and the page in a real browser: what is measured there is what a person sees.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that fails may panic"
)]

#[allow(dead_code, reason = "the other test draws more of them")]
#[path = "graph/meshes.rs"]
mod meshes;
#[path = "graph/sparse.rs"]
mod sparse;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use sidegate_compiler::declare::Mesh;
use sidegate_compiler::graph::{Graph, View, html, svg};

use meshes::{HOSTILE, hostile, mesh, sample};

struct Browser {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

/// The first of these programs that there is.
fn program() -> String {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let is_there =
        |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    let found = names.iter().find(is_there);
    found.expect("expected Chromium, found none in PATH; run: apt-get install chromium").to_string()
}

impl Browser {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/graph/browser.mjs");
        let mut child = Command::new("node")
            .args([driver, &program()])
            .arg(folder.path().join("profile"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("expected Node, found none in PATH; run: apt-get install nodejs");
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, folder }
    }

    fn tell(&mut self, question: &Value) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let reply: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{question}: no answer"));
        assert!(reply.get("error").is_none(), "{question}: {reply}");
        reply["answer"].clone()
    }

    fn ask(&mut self, script: &str) -> Value {
        self.tell(&json!({"ask": script}))
    }

    fn text(&mut self, selector: &str) -> String {
        self.ask(&format!("document.querySelector({selector:?}).textContent")).as_str().unwrap().to_owned()
    }

    fn press(&mut self, keys: &[&str]) {
        for key in keys {
            self.tell(&json!({"press": key}));
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn open(&mut self, path: &Path, dark: bool) {
        let url = format!("file://{}", path.display());
        self.tell(&json!({"open": url, "width": 1600, "height": 900, "dark": dark}));
    }

    fn page(&mut self, mesh: &Mesh) {
        let graph = Graph::of(mesh);
        let path = self.file("page.html", &html(&graph, View::of(&graph)));
        self.open(&path, false);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser when nothing more is asked.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Every text that lies on another one, leaves the picture, or leaves the box around it.
const COLLISIONS: &str = r#"(() => {
  const size = (element) => element.getBoundingClientRect();
  const whole = size(document.querySelector("svg"));
  const texts = [...document.querySelectorAll("svg text")].map((text) => ({ text: text.textContent, at: size(text) }));
  const found = texts.filter(({ at }) => at.left < whole.left || at.right > whole.right || at.top < whole.top || at.bottom > whole.bottom)
    .map(({ text }) => `outside: ${text}`);
  texts.sort((a, b) => a.at.left - b.at.left);
  texts.forEach((one, at) => {
    for (const other of texts.slice(at + 1)) {
      if (other.at.left >= one.at.right - 0.5) break;
      // Lines of text may touch, as lines do.
      if (other.at.top < one.at.bottom - 3 && one.at.top < other.at.bottom - 3) found.push(`${one.text} on ${other.text}`);
    }
  });
  for (const block of document.querySelectorAll("svg .block")) {
    const box = block.querySelector("rect");
    if (box) for (const text of block.querySelectorAll("text")) {
      if (size(text).right > size(box).right - 4 || size(text).left < size(box).left + 4) found.push(`leaves its box: ${text.textContent}`);
    }
  }
  return found;
})()"#;

/// How well the text can be read: the least contrast of any text with the ground behind the picture.
const CONTRAST: &str = r#"(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((part) => Number(part) / 255).map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const ground = light(getComputedStyle(document.querySelector(".ground")).fill);
  const of = (selector, property) => [...document.querySelectorAll(selector)].map((part) => ratio(light(getComputedStyle(part)[property]), ground));
  return [Math.min(...of("svg text", "fill")), Math.min(...of("svg path.wire", "stroke"))];
})()"#;

#[test]
fn labels_do_not_overlap_and_can_be_read() {
    let mut browser = Browser::start();
    let meshes = [("12", sample()), ("200", mesh(sparse::sparse(200))), ("hostile", hostile())];
    for (name, mesh) in meshes {
        let graph = Graph::of(&mesh);
        for view in [View::Services, View::Listed, View::Namespaces] {
            let path = browser.file("picture.svg", &svg(&graph, view));
            for dark in [false, true] {
                browser.open(&path, dark);
                let found = browser.ask(COLLISIONS);
                assert_eq!(found, json!([]), "{name} {view:?}");
                let contrast = browser.ask(CONTRAST);
                let [text, line] = [0, 1].map(|at| contrast[at].as_f64().unwrap());
                // WCAG 2.2: 4.5 for text (1.4.3), 3 for what has to be seen of pictures (1.4.11).
                assert!(text >= 4.5 && line >= 3.0, "{name} {view:?} dark {dark}: {contrast}");
            }
        }
    }
}

#[test]
fn the_page_is_used_with_keys_alone() {
    let mut browser = Browser::start();
    browser.page(&sample());
    assert_eq!(browser.text("#found"), "12 of 12 services");
    browser.press(&["Tab", "Tab"]);
    assert_eq!(browser.ask("document.activeElement.id"), "search");
    browser.tell(&json!({"type": "refund"}));
    assert_eq!(browser.text("#found"), "2 of 12 services");
    assert_eq!(browser.ask("document.getElementById('found').getAttribute('aria-live')"), "polite");
    browser.press(&["ArrowDown", "End", "Enter"]);
    assert_eq!(browser.text("#details h2"), "pay/payments");
    let details = browser.text("#details");
    for part in [
        "owner team-payments",
        "services/pay/payments.yaml:14 refund",
        "POST /v1/charges/{id}/refunds, when claim realm_access › roles is `refunds` or `finance`",
        "May call (1)pay/ledger",
    ] {
        assert!(details.contains(part), "{part} in {details}");
    }
    let selected = "[...document.querySelectorAll('[role=option][aria-selected=true]')].map((option) => option.ariaLabel)";
    assert_eq!(browser.ask(selected), json!(["pay/payments"]));
    // The map shows it and its neighbours: four lines to it, one from it.
    assert_eq!(browser.ask("document.querySelectorAll('#map .line.lit').length"), 5);
    assert_eq!(browser.ask("document.querySelector('#map .row.chosen').ariaLabel"), "pay/payments");
    browser.press(&["Escape"]);
    assert_eq!(browser.text("#details h2"), "No service chosen");
    assert_eq!(browser.ask("document.querySelectorAll('#map .lit').length"), 0);

    // Tabs by arrows; the table says the same.
    browser.ask("document.getElementById('search').value = ''");
    browser.ask("document.getElementById('search').dispatchEvent(new Event('input'))");
    browser.ask("document.getElementById('tab-map').focus()");
    browser.press(&["ArrowRight"]);
    assert_eq!(browser.ask("document.activeElement.id"), "tab-table");
    assert_eq!(browser.ask("document.querySelectorAll('#edges tr').length"), 22);
    assert_eq!(browser.ask("document.getElementById('panel-map').hidden"), true);

    // On the map: arrows go from row to row, Enter chooses.
    browser.press(&["ArrowLeft"]);
    browser.ask("document.querySelector('#map [tabindex=\"0\"]').focus()");
    browser.press(&["ArrowDown", "ArrowDown", "Enter"]);
    let focused = browser.ask("document.activeElement.ariaLabel");
    assert_eq!(json!(browser.text("#details h2")), focused);
    assert_eq!(browser.ask("requests").as_array().unwrap().len(), 1, "the page itself, and nothing else");
    assert_eq!(browser.ask("complaints"), json!([]));
}

#[test]
fn two_hundred_services_are_searched_filtered_and_shown_one_by_one() {
    let mut browser = Browser::start();
    browser.page(&mesh(sparse::sparse(200)));
    assert_eq!(browser.text("#found"), "200 of 200 services");
    browser.ask("document.getElementById('namespace').value = 'billing'");
    browser.ask("document.getElementById('namespace').dispatchEvent(new Event('change'))");
    assert_eq!(browser.text("#found"), "10 of 200 services");
    assert_eq!(browser.ask("document.querySelectorAll('#services [role=option]').length"), 10);
    browser.ask("document.querySelectorAll('#services [role=option]')[1].click()");
    assert_eq!(browser.text("#details h2"), "billing/billing-api");
    // The map has namespaces only: the service is shown with its neighbours.
    assert_eq!(browser.ask("document.getElementById('tab-near').getAttribute('aria-selected')"), "true");
    assert_eq!(
        browser.ask("document.querySelector('#panel-near .near.chosen').ariaLabel"),
        "billing/billing-api"
    );
    let near = browser.ask("document.querySelectorAll('#panel-near .near').length").as_u64().unwrap();
    assert!(near > 5, "{near}");
    assert_eq!(browser.ask("complaints"), json!([]));
}

#[test]
fn hostile_names_are_shown_and_do_nothing() {
    let mut browser = Browser::start();
    browser.page(&hostile());
    browser.ask("document.querySelectorAll('#services [role=option]')[1].click()");
    assert_eq!(browser.text("#details .facts"), format!("owner {HOSTILE}"));
    assert!(browser.text("#details").contains(HOSTILE));
    assert_eq!(
        browser.ask("document.querySelectorAll('img, b, #details script, #panel-table script').length"),
        0
    );
    // Even markup that got in would be stopped.
    let stopped = "new Promise((done) => { document.addEventListener('securitypolicyviolation', () => done(true)); \
        const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script); })";
    assert_eq!(browser.ask(stopped), true);
    assert_eq!(browser.ask("window.ran === undefined"), true);
}
