//! Draws the shipped dashboard from a real run: three Envoys, a real Prometheus, and some minutes in which all that it
//! shows happens.
#![allow(clippy::print_stdout, reason = "a program that says what it does")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sidegate_tests::observe::{Period, Scene, draw};
use sidegate_tests::places;

/// Seconds of the whole run.
const LENGTH: u64 = 240;

fn main() -> ExitCode {
    let out = places::root().join("docs/images/dashboard.svg");
    match run(&out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(out: &Path) -> Result<(), String> {
    let dir = tempfile::TempDir::new().map_err(|e| e.to_string())?;
    let mut scene = Scene::start(dir.path())?;
    println!("dashboard: three sidecars and Prometheus run; requests for {LENGTH} s");
    let (begin, start) = (now(), Instant::now());
    // What happens, and after how many seconds.
    let mut plot: Vec<(u64, &str)> = vec![
        (40, "a candidate is published to be tried in shadow, on two of three sidecars"),
        (80, "somebody whose key nobody trusts publishes on the third's server"),
        (120, "the third's server answers 500"),
        (160, "all servers have the newest"),
        (190, "one server is away"),
        (215, "it is there again"),
    ];
    plot.reverse();
    let mut round = 0;
    while start.elapsed() < Duration::from_secs(LENGTH) {
        if let Some((at, what)) = plot.last().copied()
            && start.elapsed() >= Duration::from_secs(at)
        {
            println!("dashboard: {at} s: {what}");
            match at {
                40 => scene.publish_candidate(),
                80 => scene.publish_badly(),
                120 => scene.break_second_server(),
                160 => scene.publish_everywhere(),
                190 => scene.set_down(true),
                _ => scene.set_down(false),
            }
            plot.pop();
        }
        round += 1;
        scene.requests(round)?;
        // More in the middle than at either end.
        let pause = 400 - 300 * start.elapsed().as_secs().min(LENGTH / 2) / (LENGTH / 2);
        std::thread::sleep(Duration::from_millis(pause));
    }
    let period = Period { start: begin + 4, end: now(), step_s: 2 };
    let title = "Sidegate: three sidecars of shop/cart, four minutes, drawn from Prometheus' answers (make dashboard)";
    draw(&scene.prometheus, period, title, out)?;
    println!("dashboard: {}", out.display());
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
