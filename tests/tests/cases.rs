//! Runs every case through every path and demands the same of each: regorus's interpreter, the decoded
//! bundle, the built filter in a wasm interpreter, and real Envoys.
#![allow(clippy::expect_used, reason = "a failed assumption is a failed test")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Failed, Trial};
use sidegate_tests::case::{CaseFile, RequestCase};
use sidegate_tests::matrix::Tally;
use sidegate_tests::paths::{self, Fleet, Observed, Wasm};
use sidegate_tests::places;
use sidegate_tests::wasm_host::Filter;
use tempfile::TempDir;

struct Cases {
    files: Vec<(CaseFile, Result<Vec<u8>, String>)>,
    filter: OnceLock<Result<Filter, String>>,
    fleets: Vec<LazyFleet>,
}

/// An Envoy of one version, started when the first case asks for it, and the folder of its files.
struct LazyFleet {
    version: String,
    started: OnceLock<Result<Fleet, String>>,
    dir: TempDir,
    /// Of the files that were asked: requests, those of files without a wrong answer, those that are answered otherwise
    /// by newer Envoys.
    counts: [AtomicUsize; 3],
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let files = CaseFile::read_dir(&places::root().join("tests/cases")).expect("readable cases");
    let files = files.into_iter().map(|file| {
        let bundle = paths::build(&file);
        (file, bundle)
    });
    let fleets = places::envoys().into_iter().map(|version| LazyFleet {
        version,
        started: OnceLock::new(),
        dir: TempDir::new().expect("a temporary folder"),
        counts: Default::default(),
    });
    let fleets = fleets.collect();
    let cases = Arc::new(Cases { files: files.collect(), filter: OnceLock::new(), fleets });

    let conclusion = libtest_mimic::run(&arguments, trials(&cases));
    let vms = cases.report_vms();
    // Envoys and upstreams end here, before the process does.
    drop(cases);
    if vms && !conclusion.has_failed() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn trials(cases: &Arc<Cases>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (index, (file, _)) in cases.files.iter().enumerate() {
        let mut add = |path: String, run: fn(&Cases, usize, usize) -> Result<(), String>, which: usize| {
            let cases = Arc::clone(cases);
            let name = format!("{path}::{}", file.name);
            trials.push(Trial::test(name, move || run(&cases, index, which).map_err(Failed::from)));
        };
        add("interpreter".to_owned(), Cases::interpreter, 0);
        add("bundle".to_owned(), Cases::bundle, 0);
        add("wasm".to_owned(), Cases::wasm, 0);
        for (which, LazyFleet { version, .. }) in cases.fleets.iter().enumerate() {
            add(format!("envoy-{version}"), Cases::envoy, which);
        }
    }
    trials
}

impl Cases {
    fn file(&self, index: usize) -> Result<(&CaseFile, &[u8]), String> {
        let (file, bundle) = self.files.get(index).expect("an index of a file");
        Ok((file, bundle.as_deref().map_err(|e| format!("the policy could not be built:\n{e}"))?))
    }

    fn interpreter(&self, index: usize, _: usize) -> Result<(), String> {
        let (file, _) = self.file(index)?;
        let native = paths::interpreter(file)?;
        check(file.all().filter(|request| request.not_in_interpreter.is_none()), |request| {
            native.ask(request)
        })
    }

    fn bundle(&self, index: usize, _: usize) -> Result<(), String> {
        let (file, bundle) = self.file(index)?;
        let native = paths::evaluator(file, bundle)?;
        check(file.all(), |request| native.ask(request))
    }

    fn wasm(&self, index: usize, _: usize) -> Result<(), String> {
        let (file, bundle) = self.file(index)?;
        let load = || Filter::load(&places::filter_wasm()?);
        let filter = self.filter.get_or_init(load).as_ref().map_err(Clone::clone)?;
        let mut wasm = Wasm::new(filter, file, bundle)?;
        check(file.all(), |request| wasm.ask(request))?;
        wasm.finish()
    }

    fn envoy(&self, index: usize, which: usize) -> Result<(), String> {
        let (file, _) = self.file(index)?;
        let LazyFleet { version, started, dir, counts } =
            self.fleets.get(which).expect("an index of an Envoy");
        let start = || {
            let served: Vec<_> = self
                .files
                .iter()
                .filter_map(|(file, bundle)| Some((file, bundle.as_deref().ok()?)))
                .collect();
            Fleet::start(version, &places::filter_wasm()?, &served, dir.path())
        };
        let fleet = started.get_or_init(start).as_ref().map_err(Clone::clone)?;
        let requests: Vec<_> = file.all().map(|request| request.of_envoy(version)).collect();
        let [asked, right, older] = counts;
        asked.fetch_add(requests.len(), Ordering::SeqCst);
        let differing = file.all().filter(|request| request.before_in(version).is_some()).count();
        older.fetch_add(differing, Ordering::SeqCst);
        check(requests.iter(), |request| fleet.ask(file, request))?;
        fleet.check_vms()?;
        right.fetch_add(requests.len(), Ordering::SeqCst);
        Ok(())
    }

    /// After all cases: every VM of every Envoy is the one of its start.
    fn report_vms(&self) -> bool {
        let started = self.fleets.iter().filter_map(|lazy| Some((lazy, lazy.started.get()?.as_ref().ok()?)));
        let mut all = true;
        for (LazyFleet { version, counts, .. }, fleet) in started {
            let [asked, right, older] = counts.each_ref().map(|count| count.load(Ordering::SeqCst));
            println!("{}", Tally { version: version.clone(), asked, right, older }.to_line());
            match fleet.check_vms() {
                Ok(()) => println!("envoy {version}: no VM was reloaded or made anew"),
                Err(e) => {
                    println!("envoy {version}: {e}");
                    all = false;
                }
            }
        }
        all
    }
}

fn check<'a>(
    requests: impl Iterator<Item = &'a RequestCase>,
    mut ask: impl FnMut(&RequestCase) -> Result<Observed, String>,
) -> Result<(), String> {
    let mut report = Vec::new();
    for request in requests {
        match ask(request) {
            Ok(observed) => {
                let lines = observed.differences(request);
                report.extend(lines.into_iter().map(|line| format!("`{}`: {line}", request.name)));
            }
            Err(e) => report.push(format!("`{}`: {e}", request.name)),
        }
    }
    if report.is_empty() { Ok(()) } else { Err(report.join("\n")) }
}
