//! What happens to the sidecar.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Clock;
use super::live::Live;
use super::sidecar::{Sidecar, WORKERS};
use crate::bundle_server::Reply;
use crate::hostile::Random;
use crate::mix::{ASKS, Answer, Client, bundle};
use crate::rollout::Publisher;

/// How long something may take that is to come by itself: polls that fail come seldomer, up to ten intervals.
const PATIENCE: Duration = Duration::from_secs(60);
/// From the first worker that decides by a policy to the last, generously: an interval and two ticks.
const SPREAD: Duration = Duration::from_secs(2);

/// A configuration that comes back finds what it had when it was in force, if that is no longer ago than half a minute.
const LEFT_BEHIND: Duration = Duration::from_secs(35);

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A new version is published.
    Forward,
    /// An older version is published again.
    Back,
    /// A new version is published while the server is down, which comes back.
    Down,
    /// The server is slower than the time-out, then not.
    Slow,
    /// The server sends what is no pointer, then a pointer.
    Garbage,
    /// VMs trap.
    Trap,
    /// VMs trap while the server is down.
    TrapAlone,
    /// The clock is ahead or behind for a while; a version is published meanwhile.
    Clock,
    /// The filter gets another good configuration.
    Filter,
    /// The filter gets a bad configuration.
    BadFilter,
    /// The listener gets another good configuration.
    Listener,
    /// The listener gets a bad configuration.
    BadListener,
    /// Another process takes over.
    HotRestart,
    /// The process ends, and another begins.
    Restart,
}

/// All of them, the frequent ones more than once.
pub const EVENTS: &[Event] = &[
    Event::Forward,
    Event::Forward,
    Event::Forward,
    Event::Back,
    Event::Back,
    Event::Down,
    Event::Slow,
    Event::Garbage,
    Event::Trap,
    Event::TrapAlone,
    Event::Clock,
    Event::Clock,
    Event::Filter,
    Event::BadFilter,
    Event::Listener,
    Event::BadListener,
    Event::HotRestart,
    Event::Restart,
];

/// Whoever lets events happen.
pub struct Chaos<'a> {
    /// The sidecar.
    pub sidecar: &'a mut Sidecar,
    /// Who publishes.
    pub net: Publisher,
    /// Its clock.
    pub clock: Clock,
    /// What may be answered.
    pub live: &'a Live,
    /// Where the choices come from.
    pub random: Random,
    /// The version that was published last.
    pub version: u32,
    /// The highest that ever was.
    pub highest: u32,
    /// When which version was replaced.
    pub replaced: Vec<(Instant, u32)>,
}

impl Chaos<'_> {
    /// Lets it happen, and waits until all is as it should be.
    ///
    /// # Errors
    /// What should come does not.
    pub fn play(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Forward => self.forward(),
            Event::Back => {
                let least = self.version.saturating_sub(3).max(1);
                self.publish(least);
            }
            Event::Down => {
                self.sidecar.server.set_down(true);
                self.forward();
                self.pause(500, 4000);
                self.sidecar.server.set_down(false);
            }
            Event::Slow => {
                self.forward();
                let reply = self.reply();
                let slow = Reply { delay: Duration::from_secs(3), ..reply.clone() };
                self.sidecar.server.set(&Publisher::path(), slow);
                self.pause(2000, 5000);
                self.sidecar.server.set(&Publisher::path(), reply);
            }
            Event::Garbage => {
                let mut reply = self.reply();
                let whole = reply.clone();
                match self.random.below(4) {
                    0 => reply.body.truncate(self.random.below(reply.body.len())),
                    1 => self.random.spoil(&mut reply.body),
                    2 => reply = Reply { status: 200, ..Reply::page(200) },
                    _ => reply = Reply::page(500),
                }
                self.sidecar.server.set(&Publisher::path(), reply);
                self.pause(1000, 3000);
                self.sidecar.server.set(&Publisher::path(), whole);
                self.forward();
            }
            Event::Trap => self.trap()?,
            Event::TrapAlone => {
                self.sidecar.server.set_down(true);
                self.trap()?;
                // By what they share, with nobody to ask.
                self.settle()?;
                self.sidecar.server.set_down(false);
            }
            Event::Clock => {
                let seconds = self.random.pick(&[7200, -7200, 10, -10, 86_400 * 20, -86_400 * 20]);
                let expired = |sidecar: &Sidecar| sidecar.stat("sidegate.refused.pointer_expired");
                let before = expired(self.sidecar)?;
                self.clock.set(seconds)?;
                self.forward();
                if seconds > 3600 {
                    // So the proxy does have this clock.
                    self.wait("a pointer to have expired", |sidecar| Ok(expired(sidecar)? > before))?;
                }
                self.pause(500, 4000);
                self.clock.set(0)?;
            }
            Event::Filter => self.filter()?,
            Event::BadFilter => self.bad_filter()?,
            Event::Listener => self.listener()?,
            Event::BadListener => self.bad_listener()?,
            Event::HotRestart => {
                self.live.excuse("hot restart", PATIENCE);
                self.sidecar.hot_restart()?;
                self.live.excuse("hot restart", Duration::from_secs(3));
            }
            Event::Restart => {
                self.live.excuse("restart", PATIENCE);
                self.sidecar.restart()?;
                self.live.excuse("restart", Duration::from_secs(5));
            }
        }
        self.settle()
    }

    fn pause(&mut self, least: u64, most: u64) {
        let more = self.random.bits() % (most - least);
        std::thread::sleep(Duration::from_millis(least + more));
    }

    fn forward(&mut self) {
        self.highest += 1;
        self.publish(self.highest);
    }

    fn publish(&mut self, version: u32) {
        self.live.add(version);
        self.replaced.push((Instant::now(), self.version));
        self.version = version;
        self.net.publish(&self.sidecar.server, &bundle(version));
    }

    /// A good reply, with a pointer of its own to what was published last.
    fn reply(&mut self) -> Reply {
        let layer = Publisher::put_blob(&self.sidecar.server, &bundle(self.version));
        let pointer = self.net.next(layer);
        Reply::ok(self.net.sign(&pointer))
    }

    /// Waits until all workers decide by what was published last.
    fn settle(&mut self) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        let mut client = Client::new(self.sidecar.address(), self.sidecar.friend());
        let mut in_a_row = 0;
        while in_a_row < WORKERS * 6 {
            let answer = self.live.ask(&mut client, &ASKS[in_a_row % ASKS.len()]);
            let is_it = matches!(answer, Answer::Decided { version, .. } if version == self.version);
            in_a_row = if is_it { in_a_row + 1 } else { 0 };
            client.hang_up();
            if !is_it {
                std::thread::sleep(Duration::from_millis(20));
            }
            if Instant::now() > until {
                let what = format!("expected version {} to decide, got {answer:?}", self.version);
                return Err(self.sidecar.envoy()?.with_log(&what));
            }
        }
        std::thread::sleep(SPREAD);
        self.live.settle(self.version);
        Ok(())
    }

    fn trap(&mut self) -> Result<(), String> {
        let times = 1 + self.random.below(WORKERS * 2);
        self.live.excuse("trap", PATIENCE);
        let before = self.sidecar.stat("vm_reload_success")?;
        for _ in 0..times {
            if !self.sidecar.trap()? {
                return Err(self.sidecar.envoy()?.with_log("expected 503 of a VM that traps"));
            }
            self.pause(50, 400);
        }
        self.wait("VMs to be made anew", |sidecar| Ok(sidecar.stat("vm_reload_success")? > before))?;
        self.live.excuse("trap", Duration::from_secs(3));
        Ok(())
    }

    /// Another configuration is about to come into force.
    fn look_back(&self) {
        for (at, version) in &self.replaced {
            if at.elapsed() < LEFT_BEHIND {
                self.live.add(*version);
            }
        }
    }

    fn filter(&mut self) -> Result<(), String> {
        self.look_back();
        let before = self.sidecar.stat("http_filter.sidegate.config_reload")?;
        let entries = self.random.pick(&[0, 100, 1000, 4096, 8000]);
        let mut filter = self.sidecar.filter(entries);
        // Another one than before, whatever was picked.
        filter["config"]["name"] = json!(format!("sidegate-{}", self.random.below(1 << 30)));
        self.sidecar.put_filter(&filter)?;
        self.wait("the filter's configuration to be taken", |sidecar| {
            Ok(sidecar.stat("http_filter.sidegate.config_reload")? > before)
        })
    }

    fn bad_filter(&mut self) -> Result<(), String> {
        let failures = |sidecar: &Sidecar| refused(sidecar, "http_filter.sidegate.");
        let before = failures(self.sidecar)?;
        let good = self.sidecar.filter(4096);
        let mut bad = good.clone();
        let config = &mut bad["config"];
        match self.random.below(4) {
            0 => config["configuration"]["value"] = json!("{\"version\": 99}"),
            1 => config["configuration"]["value"] = json!("{"),
            2 => config["vm_config"]["code"]["local"]["filename"] = json!("/nowhere.wasm"),
            _ => config["vm_config"]["runtime"] = json!("envoy.wasm.runtime.nothing"),
        }
        self.sidecar.put_filter(&bad)?;
        self.wait("a bad configuration of the filter to be refused", |sidecar| {
            Ok(failures(sidecar)? > before)
        })?;
        self.pause(200, 1000);
        self.look_back();
        self.sidecar.put_filter(&good)
    }

    fn listener(&mut self) -> Result<(), String> {
        let before = self.sidecar.stat("listener_manager.listener_modified")?;
        let mut listener = self.sidecar.listener();
        let number = self.random.below(1 << 30);
        listener["metadata"] = json!({"filter_metadata": {"soak": {"number": number}}});
        for chain in listener["filter_chains"].as_array_mut().into_iter().flatten() {
            chain["filters"][0]["typed_config"]["stat_prefix"] = json!(format!("soak_{}", number % 10));
        }
        self.live.excuse("listener", PATIENCE);
        self.sidecar.put_listener(&listener)?;
        self.wait("the listener to be taken", |sidecar| {
            Ok(sidecar.stat("listener_manager.listener_modified")? > before
                || sidecar.stat("listener_manager.listener_in_place_updated")? > before)
        })?;
        // The old one is drained.
        self.live.excuse("listener", Duration::from_secs(5));
        Ok(())
    }

    fn bad_listener(&mut self) -> Result<(), String> {
        let refused = |sidecar: &Sidecar| refused(sidecar, "listener_manager.lds.");
        let before = refused(self.sidecar)?;
        let good = self.sidecar.listener();
        let mut bad = good.clone();
        let manager = &mut bad["filter_chains"][0]["filters"][0]["typed_config"];
        match self.random.below(4) {
            // A value that is not allowed; the same chain twice; nowhere to listen.
            0 => manager["stat_prefix"] = json!(""),
            1 => bad["filter_chains"][1] = bad["filter_chains"][0].clone(),
            2 => bad["address"] = json!(null),
            _ => {
                // No listener at all: it cannot be read, and counts nowhere.
                manager["no_such_field"] = json!(1);
                self.sidecar.put_listener(&bad)?;
                self.pause(500, 1500);
                return self.sidecar.put_listener(&good);
            }
        }
        self.sidecar.put_listener(&bad)?;
        self.wait("a bad listener to be refused", |sidecar| Ok(refused(sidecar)? > before))?;
        self.pause(200, 1000);
        self.live.excuse("listener", Duration::from_secs(5));
        self.sidecar.put_listener(&good)
    }

    fn wait(&self, what: &str, is_so: impl Fn(&Sidecar) -> Result<bool, String>) -> Result<(), String> {
        let until = Instant::now() + PATIENCE;
        while !is_so(self.sidecar)? {
            if Instant::now() > until {
                return Err(self.sidecar.envoy()?.with_log(&format!("expected {what} within {PATIENCE:?}")));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

/// How often Envoy refused what it was given: what it cannot read, and what it can.
fn refused(sidecar: &Sidecar, of: &str) -> Result<u64, String> {
    let kinds = ["update_rejected", "update_failure", "config_fail"];
    let counts = kinds.map(|kind| sidecar.stat(&format!("{of}{kind}")));
    counts.into_iter().sum()
}
