//! Declarations from logs, as a team meets them on its first day; completions and manual pages.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use assert_cmd::Command;
use serde_json::{Value, json};

/// Exit code, output, errors.
fn sidegate(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("sidegate").unwrap().current_dir(dir).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn line(minute: u32, caller: Option<&str>, request: &str) -> Value {
    let (method, path) = request.split_once(' ').unwrap();
    json!({
        "start_time": format!("2026-11-24T10:{minute:02}:00.000Z"), "method": method, "path": path, "response_code": 200,
        "content_type": if path.contains("v1.") { "application/grpc" } else { "-" },
        "upstream_cluster": "inbound|8080||",
        "downstream_peer_uri_san": caller.map(|caller| format!("spiffe://cluster.local/ns/{}", caller.replacen('/', "/sa/", 1))),
        "downstream_local_uri_san": "spiffe://cluster.local/ns/pay/sa/charges",
        "workload_namespace": "pay", "workload_name": "charges",
    })
}

fn traffic() -> String {
    let mut lines = Vec::new();
    for minute in 0..20 {
        lines.push(line(minute, Some("shop/web"), &format!("GET /v1/charges/{}?full=1", minute % 6)));
        lines.push(line(minute, None, "GET /healthz"));
    }
    lines.push(line(20, Some("shop/web"), "POST /v1/charges"));
    lines.push(line(21, Some("shop/web"), "GET /v1/charges/mine"));
    lines.push(line(22, Some("batch/night"), "GET /v1/charges/17"));
    lines.push(line(23, Some("batch/night"), "POST /pay.v1.Charges/Close"));
    lines.push(line(24, Some("shop/web"), "GET /v1//charges"));
    let mut refused = line(25, Some("shop/web"), "GET /admin");
    if let Some(code) = refused.get_mut("response_code") {
        *code = json!(403);
    }
    lines.push(refused);
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    text.push_str("2026-11-24T10:30:00Z info Envoy proxy is ready\n");
    text
}

#[test]
fn a_service_gets_a_file_to_review() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("access.json"), traffic()).unwrap();
    let (code, out, err) =
        sidegate(dir.path(), &["suggest", "access.json", "-o", "policies", "--owner", "team-pay"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let wanted = include_str!("fixtures/suggest/report.txt");
    assert_eq!(out, wanted);
    let file = fs::read_to_string(dir.path().join("policies/services/pay/charges.yaml")).unwrap();
    assert_eq!(file, include_str!("fixtures/suggest/charges.yaml"));
    let (code, out, err) = sidegate(dir.path(), &["check", "policies"]);
    assert_eq!(code, 0, "{out}{err}");

    // The same again: there is nothing to add, and nothing is touched.
    let (code, out, _) = sidegate(dir.path(), &["suggest", "access.json", "-o", "policies"]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with("47 records: 0 requests suggested for 0 services, 44 allowed already\n"),
        "{out}"
    );
    let (code, _, _) = sidegate(dir.path(), &["suggest", "access.json", "-o", "policies", "--strict"]);
    assert_eq!(code, 1);

    // Something new is a rule to add.
    let new = line(30, Some("shop/web"), "DELETE /v1/charges/mine").to_string();
    fs::write(dir.path().join("new.json"), new).unwrap();
    let (code, out, err) = sidegate(dir.path(), &["suggest", "new.json", "--existing", "policies"]);
    assert_eq!(code, 0, "{err}");
    let wanted = "# policies/services/pay/charges.yaml: add below `allow:`
  # 1 request, at 2026-11-24T10:30:00Z
  - from: [{serviceAccount: shop/web}]
    to:
    - methods: [DELETE]
      paths:
      - \"/v1/charges/mine\" # 1 request
";
    assert_eq!(out, wanted);
    let mut added = file;
    added.push_str(out.split_once('\n').unwrap().1);
    fs::write(dir.path().join("policies/services/pay/charges.yaml"), added).unwrap();
    let (code, out, err) = sidegate(dir.path(), &["check", "policies", "--strict"]);
    assert!(out.contains("declare_unknown_caller") && code == 1, "{out}{err}");
    let (code, out, _) =
        sidegate(dir.path(), &["suggest", "new.json", "--existing", "policies", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report.get("allowed_already").unwrap()), (0, &json!(1)));
}

#[test]
fn a_file_that_is_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("access.json"), traffic()).unwrap();
    fs::create_dir_all(dir.path().join("out/services/pay")).unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("out/services/pay/charges.yaml"), "mine").unwrap();
    let (code, _, err) =
        sidegate(dir.path(), &["suggest", "access.json", "-o", "out", "--existing", "empty"]);
    assert!(code == 2 && err.contains("is there already, and is left as it is"), "{err}");
    let (code, _, err) = sidegate(dir.path(), &["suggest", "access.json", "-o", "out"]);
    assert!(code == 1 && err.contains("charges.yaml:1:1"), "{err}");
    assert_eq!(fs::read_to_string(dir.path().join("out/services/pay/charges.yaml")).unwrap(), "mine");
}

#[test]
fn a_log_that_does_not_say_who_calls_is_refused_with_what_to_configure() {
    let dir = tempfile::tempdir().unwrap();
    let istio = "[2026-11-24T10:00:00.123Z] \"GET /healthz HTTP/1.1\" 200 - via_upstream - \"-\" 0 2 1 0 \"-\" \"curl/8\" \"id\" \"pay\" \"10.0.0.1:80\" inbound|80|| 127.0.0.6:1 10.0.0.1:80 10.0.0.2:1 - default\n";
    fs::write(dir.path().join("text.log"), istio.repeat(3)).unwrap();
    let json = r#"{"method":"GET","path":"/healthz","response_code":200,"upstream_cluster":"inbound|80||","start_time":"2026-11-24T10:00:00Z"}"#;
    fs::write(dir.path().join("json.log"), json).unwrap();
    fs::write(dir.path().join("empty.log"), "").unwrap();
    for (log, reason) in [("text.log", "(not_json)"), ("json.log", "(no_peer)")] {
        let (code, out, err) = sidegate(dir.path(), &["suggest", log]);
        assert_eq!((code, out.as_str()), (2, ""));
        for part in [reason, &format!("first: {log}:1"), "accessLogEncoding: JSON", "docs/suggest.md"] {
            assert!(err.contains(part), "{part}: {err}");
        }
    }
    let (code, _, err) = sidegate(dir.path(), &["suggest", "empty.log"]);
    assert_eq!(
        (code, err.as_str()),
        (2, "sidegate: expected requests, got none that can be used in 0 records\n")
    );
    assert_eq!(sidegate(dir.path(), &["suggest", "nothing.log"]).0, 2);
    for wrong in [
        ["--open", "/a/{id}/{**}"],
        ["--open", "/a"],
        ["--to", "pay"],
        ["--since", "today"],
        ["--min-values", "0"],
    ] {
        assert_eq!(sidegate(dir.path(), &["suggest", "empty.log", wrong[0], wrong[1]]).0, 2, "{wrong:?}");
    }
}

#[test]
fn owners_come_from_codeowners_and_gzip_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let gzip = Process::new("gzip")
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut gzip = gzip.unwrap();
    std::io::Write::write_all(gzip.stdin.as_mut().unwrap(), traffic().as_bytes()).unwrap();
    let bytes = gzip.wait_with_output().unwrap().stdout;
    fs::write(dir.path().join("access.json.gz"), &bytes).unwrap();
    fs::create_dir(dir.path().join("policies")).unwrap();
    fs::write(dir.path().join("CODEOWNERS"), "/policies/services/pay/ @org/team-charges\n").unwrap();
    let args = ["suggest", "access.json.gz", "-o", "policies", "--codeowners", "CODEOWNERS"];
    let (code, _, err) = sidegate(dir.path(), &args);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = sidegate(dir.path(), &["check", "policies", "--codeowners", "CODEOWNERS"]);
    assert_eq!(code, 0, "{out}{err}");

    let half = bytes.get(..bytes.len() / 2).unwrap();
    fs::write(dir.path().join("half.gz"), half).unwrap();
    let (_, _, err) = sidegate(dir.path(), &["suggest", "half.gz"]);
    assert!(err.contains("`half.gz` ends early"), "{err}");
}

#[test]
fn shells_and_man_take_what_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, out, err) = sidegate(dir.path(), &["completions", shell]);
        assert_eq!(code, 0, "{err}");
        for verb in ["check", "publish", "suggest", "completions"] {
            assert!(out.contains(verb), "{shell}: {verb}");
        }
        fs::write(dir.path().join(shell), out).unwrap();
    }
    let bash = Process::new("bash").arg("-n").arg(dir.path().join("bash")).output().unwrap();
    assert!(bash.status.success(), "{bash:?}");
    // What the script offers, asked as the shell would ask.
    let ask = "source ./bash; COMP_WORDS=(sidegate sugg); COMP_CWORD=1; _sidegate sidegate sugg sidegate; echo ${COMPREPLY[@]}";
    let bash = Process::new("bash").current_dir(dir.path()).args(["-c", ask]).output().unwrap();
    assert_eq!(String::from_utf8(bash.stdout).unwrap(), "suggest\n");

    let (code, out, _) = sidegate(dir.path(), &["man", "-o", "man"]);
    assert_eq!(code, 0);
    let pages = fs::read_dir(dir.path().join("man")).unwrap().count();
    assert_eq!(out, format!("man: {pages} pages\n"));
    let (_, help, _) = sidegate(dir.path(), &["--help"]);
    let verbs =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .collect();
    assert!(verbs.len() > 9, "{verbs:?}");
    for verb in verbs {
        let (code, page, _) = sidegate(dir.path(), &["man", verb]);
        assert_eq!(code, 0, "{verb}");
        assert_eq!(page, fs::read_to_string(dir.path().join(format!("man/sidegate-{verb}.1"))).unwrap());
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
            assert!(page.contains(part), "{verb}: {part}");
        }
    }
    let man = Process::new("man")
        .current_dir(dir.path())
        .env("MANWIDTH", "80")
        .args(["--warnings", "-l", "man/sidegate-suggest.1"])
        .output();
    let man = man.unwrap_or_else(|_| {
        Process::new("sh")
            .args(["-c", "echo expected man, found none, run: apt-get install man-db >&2; exit 1"])
            .output()
            .unwrap()
    });
    let (text, warnings) = (String::from_utf8_lossy(&man.stdout), String::from_utf8_lossy(&man.stderr));
    assert!(man.status.success() && warnings.is_empty(), "{warnings}");
    assert!(text.contains("--min-values"), "{text}");
    assert_eq!(sidegate(dir.path(), &["man", "nothing"]).0, 2);
}
