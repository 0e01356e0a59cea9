//! What happens in the mesh, step by step, and is written down as it happens.

mod elsewhere;
mod look;
mod manifest;
mod place;
mod scene;
mod steps;
mod waypoint;
mod wrong;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Version;
use super::pod::{Pod, PodSpec, Role};
use super::workload::{Answer, Question};
use crate::desk::Ran;
use scene::Scene;

const PATIENCE: Duration = Duration::from_secs(60);
/// Clients that never stop asking while something is changed.
const CLIENTS: usize = 4;
/// So many answers in a row show that every worker and every open connection has come along.
const IN_A_ROW: usize = 20;

/// The service that is called.
const PAYMENTS: PodSpec = sidecar("pay", "payments", 12, true);
/// Who may call it.
const WEB: PodSpec = sidecar("shop", "web", 11, false);
/// Who may not.
const CRAWLER: PodSpec = sidecar("shop", "crawler", 13, false);
/// A pod that comes later.
const LATE: PodSpec = sidecar("pay", "refunds", 14, true);
/// The way in from outside.
const GATEWAY: PodSpec = PodSpec { role: Role::Gateway, ..sidecar("edge", "gateway", 15, false) };

/// What has happened so far.
pub(super) struct Story {
    scene: Scene,
    lines: Vec<String>,
    passed: usize,
}

/// A caller of the story.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Web,
    Crawler,
}

/// Plays it all on one version of Istio; what is left of it is in `dir`. Gives the transcript and how much was shown.
///
/// # Errors
/// Something was not as it should be.
pub fn tell(version: &Version, dir: &Path) -> Result<(String, usize), String> {
    let mut story = Story { scene: Scene::set(version, dir)?, lines: Vec::new(), passed: 0 };
    match steps::all(&mut story) {
        Ok(()) => Ok((story.lines.join("\n"), story.passed)),
        Err(e) => Err(format!("{e}\n(everything that was printed: {})", dir.display())),
    }
}

/// Sets the scene, says how to get into it, and leaves it standing until the standard input ends.
///
/// # Errors
/// Something does not come up.
pub fn stay(version: &Version, dir: &Path) -> Result<(), String> {
    let scene = Scene::set(version, dir)?;
    scene.invite();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map(|_| ()).map_err(|e| e.to_string())
}

impl Story {
    /// A line of the transcript.
    fn say(&mut self, line: impl Into<String>) {
        let line = line.into();
        #[allow(clippy::print_stdout, reason = "a transcript that is seen as it comes about")]
        {
            println!("{line}");
        }
        self.lines.push(line);
    }

    fn heading(&mut self, text: &str) {
        self.say(format!("\n--- {text}"));
    }

    /// Counts something that was as it should be.
    fn shown(&mut self, what: impl Into<String>) {
        self.passed += 1;
        self.say(format!("  ok: {}", what.into()));
    }

    /// Runs `sidegate` in the network team's folder, and shows what it says.
    fn ran(&mut self, line: &str) -> Result<Ran, String> {
        self.say(format!("$ sidegate {line}"));
        let ran = self.scene.desk.sidegate(line)?;
        ran.text.lines().for_each(|line| self.say(format!("  {line}")));
        Ok(ran)
    }

    /// The same, where it is to succeed.
    fn sidegate(&mut self, line: &str) -> Result<(), String> {
        if self.ran(line)?.is_success { Ok(()) } else { Err(format!("`sidegate {line}` failed")) }
    }

    /// The same, where it is to refuse.
    fn refused(&mut self, line: &str) -> Result<(), String> {
        if self.ran(line)?.is_success { Err(format!("expected `sidegate {line}` to refuse")) } else { Ok(()) }
    }

    /// Runs kubectl in the network team's folder.
    fn kubectl(&mut self, line: &str) -> Result<(), String> {
        self.say(format!("$ kubectl {line}"));
        let arguments: Vec<&str> = line.split(' ').collect();
        let text = self.scene.kubectl(&arguments)?;
        text.lines().for_each(|line| self.say(format!("  {line}")));
        Ok(())
    }

    fn pod(&mut self, who: Who) -> &mut Pod {
        match who {
            Who::Web => &mut self.scene.web,
            Who::Crawler => &mut self.scene.crawler,
        }
    }

    fn ask(&mut self, who: Who, path: &str) -> Result<Answer, String> {
        let question = question(path);
        self.pod(who).client().ask(&question)
    }

    /// Asks until the status is as expected often enough in a row: configuration comes when it comes, and connections
    /// between sidecars that are open then are still served as before for a while.
    fn settle(&mut self, who: Who, path: &str, status: u16) -> Result<Duration, String> {
        let begin = Instant::now();
        let mut row = 0;
        loop {
            let answer = self.ask(who, path);
            row = if answer.as_ref().is_ok_and(|answer| answer.status == status) { row + 1 } else { 0 };
            if row == IN_A_ROW {
                return Ok(begin.elapsed());
            }
            if begin.elapsed() > PATIENCE {
                let what = format!("expected {status} for {path} from {}, got {answer:?}", who.name());
                return Err(self.scene.payments.with_log(&what));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The same, said and counted.
    fn expect(&mut self, who: Who, path: &str, status: u16, why: &str) -> Result<Answer, String> {
        self.settle(who, path, status)?;
        let answer = self.ask(who, path)?;
        self.shown(format!("{} GET {path}: {status}, {why}", who.name()));
        Ok(answer)
    }

    /// Does something while clients never stop asking what is allowed before and after; each of them must be.
    fn under_load(&mut self, change: impl FnOnce(&mut Self) -> Result<(), String>) -> Result<(), String> {
        let question = question("/v1/charges/7");
        self.scene.web.client().load(&question, CLIENTS)?;
        std::thread::sleep(Duration::from_millis(300));
        let changed = change(self);
        std::thread::sleep(Duration::from_millis(500));
        let tally = self.scene.web.client().stop()?;
        changed?;
        let asked = tally.asked();
        if tally.statuses.get(&200) != Some(&asked) || asked < 50 {
            return Err(format!("expected 200 for every request meanwhile, got {tally:?}"));
        }
        self.shown(format!("{asked} requests meanwhile, all answered 200"));
        Ok(())
    }

    /// Waits for something that the payments' sidecar says of itself.
    fn wait(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(&mut Pod) -> Result<bool, String>,
    ) -> Result<(), String> {
        let found = until(what, || is_so(&mut self.scene.payments));
        found.map_err(|e| self.scene.payments.with_log(&e))
    }

    /// What the payments' sidecar is configured with.
    fn dump(&mut self) -> Result<Value, String> {
        let text = self.scene.payments.admin("/config_dump")?;
        serde_json::from_str(&text).map_err(|e| format!("expected a configuration: {e}"))
    }
}

const fn sidecar(namespace: &'static str, workload: &'static str, number: u8, serves: bool) -> PodSpec {
    PodSpec { namespace, workload, account: workload, number, role: Role::Sidecar, serves }
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Crawler => "crawler",
        }
    }
}

/// Waits until `is_so`.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            return Err(format!("expected {what} within {PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn question(path: &str) -> Question {
    let mut question = Question::get(PAYMENTS.service(), &PAYMENTS.host(), path);
    question.headers.push(("x-internal-debug".to_owned(), "1".to_owned()));
    question
}
