//! `flashsale report`: a file that opens without a network, made of the results of a load test.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const REHEARSAL: &str = include_str!("report/rehearsal.json");
const ARTILLERY: &str = include_str!("report/artillery.json");
/// What the audit of the load tests adds to the results of Artillery.
const AUDIT: &str = include_str!("report/audit.json");

/// What a command wrote and how it ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs `flashsale report` in a directory.
fn report(directory: &Path, args: &[&str], input: Stdio) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    let output = command.arg("report").args(args).current_dir(directory).env_clear().stdin(input).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A directory with both kinds of results.
fn results() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("run.json"), REHEARSAL).unwrap();
    std::fs::write(directory.path().join("artillery.json"), ARTILLERY).unwrap();
    directory
}

fn read(directory: &TempDir, name: &str) -> String {
    std::fs::read_to_string(directory.path().join(name)).unwrap()
}

/// The report, after what every report must be was checked.
fn written(directory: &TempDir, args: &[&str], name: &str) -> String {
    let ended = report(directory.path(), args, Stdio::null());
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert!(ended.stdout.contains(name), "{ended:?}");
    let page = read(directory, name);
    let policy = page.split("http-equiv=\"Content-Security-Policy\" content=\"").nth(1).unwrap();
    assert!(policy.starts_with("default-src &#39;none&#39;; style-src "), "{policy:.200}");
    for loads in ["src=\"", "href=\"http", "url(h", "@import", "style=\"", "onload=", "fetch("] {
        assert!(!page.contains(loads), "{loads}");
    }
    page
}

#[test]
fn each_kind_of_results_becomes_one_file_that_loads_nothing() {
    let directory = results();
    let page = written(&directory, &["run.json"], "run.html");
    assert!(page.contains("<h1>7 of 8 checks hold.</h1>"));
    assert!(page.contains("Lamp &#60;script&#62;alert(1)") && !page.contains("<script>alert"));
    let hash = hmac_sha256::Hash::hash(REHEARSAL.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(page.contains(&format!("SHA-256 {hash}")));
    let page = written(&directory, &["artillery.json", "-o", "other.html"], "other.html");
    assert!(page.contains("<h1>1 of 4 checks hold.</h1>") && page.contains("ECONNREFUSED"));
}

/// The results of Artillery with an audit.
fn audited(audit: &str) -> String {
    format!("{},\n \"flashsale\": {audit}}}", ARTILLERY.trim_end().strip_suffix('}').unwrap())
}

#[test]
fn the_audit_of_a_load_test_is_shown_as_its_verdict_and_compared() {
    let directory = results();
    let path = directory.path().join("audited.json");
    std::fs::write(&path, audited(AUDIT)).unwrap();
    let page = written(&directory, &["audited.json"], "audited.html");
    assert!(page.contains("<h1>3 of 7 checks hold.</h1>") && page.contains("from the audit after the run"));
    assert!(page.contains("No acknowledged order lost") && page.contains("order 7 of buyer-7 &#60;i&#62;"));
    assert!(page.contains("Units of each product") && page.contains("Five of a kind"));
    let pair = written(&directory, &["run.json", "audited.json", "-o", "pair.html"], "pair.html");
    assert!(pair.contains("No acknowledged order lost") && pair.contains("Units sold"));
    std::fs::write(&path, audited(&AUDIT.replace("\"holds\": true", "\"holds\": \"yes\""))).unwrap();
    let ended = report(directory.path(), &["audited.json", "-o", "out.html"], Stdio::null());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let said = "error: audited.json has results that do not fit their kind: invalid type: string \"yes\"";
    assert!(ended.stderr.starts_with(said), "{ended:?}");
    assert!(!directory.path().join("out.html").exists());
}

#[test]
fn two_results_are_compared_also_of_different_kinds() {
    let directory = results();
    let page = written(&directory, &["run.json", "artillery.json"], "run-artillery.html");
    assert!(page.contains("Two runs compared.") && page.contains("Latency of all requests, p99"));
    let same = written(&directory, &["run.json", "run.json", "-o", "same.html"], "same.html");
    assert!(same.contains("Units sold") && !same.contains("+0"));
}

#[test]
fn results_come_from_standard_input_as_well() {
    let directory = results();
    let open = || Stdio::from(File::open(directory.path().join("run.json")).unwrap());
    let ended = report(directory.path(), &["-", "-o", "in.html"], open());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(read(&directory, "in.html").contains("standard input, "));
    let ended = report(directory.path(), &["-"], open());
    assert!(ended.code == Some(1) && ended.stderr.contains("--output"), "{ended:?}");
}

#[test]
fn a_file_that_is_there_stays_unless_it_may_be_replaced() {
    let directory = results();
    std::fs::write(directory.path().join("run.html"), "mine").unwrap();
    let ended = report(directory.path(), &["run.json"], Stdio::null());
    assert!(ended.code == Some(1) && ended.stderr.contains("already exists"), "{ended:?}");
    assert_eq!(read(&directory, "run.html"), "mine");
    written(&directory, &["run.json", "--force"], "run.html");
    // Results are no page: nobody loses them by naming them twice.
    let ended = report(directory.path(), &["run.json", "-o", "run.json"], Stdio::null());
    assert!(ended.code == Some(1) && read(&directory, "run.json") == REHEARSAL, "{ended:?}");
}

#[test]
fn what_is_no_result_is_said_in_one_sentence_and_nothing_is_written() {
    let directory = results();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("cut.json"), &REHEARSAL[..REHEARSAL.len() / 2]).unwrap();
    std::fs::write(path("empty.json"), "").unwrap();
    std::fs::write(path("other.json"), r#"{"metrics": {"http_reqs": 7}}"#).unwrap();
    std::fs::write(path("text.json"), "hello").unwrap();
    File::create(path("huge.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    for (name, words) in [
        ("cut.json", "cut.json ends in the middle: the file is truncated"),
        ("empty.json", "empty.json is empty"),
        ("other.json", "other.json has neither the results of `flashsale rehearse` nor those of Artillery 2"),
        ("text.json", "text.json is not JSON"),
        ("huge.json", "huge.json has more than 64 MiB"),
        ("none.json", "none.json cannot be read: No such file"),
        (".", ". cannot be read: Is a directory"),
    ] {
        let ended = report(directory.path(), &[name, "-o", "out.html"], Stdio::null());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{name}: {ended:?}");
        assert!(ended.stderr.starts_with(&format!("error: {words}")), "{name}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{name}: {ended:?}");
        assert!(!path("out.html").exists(), "{name}");
    }
    let ended = report(directory.path(), &["run.json", "cut.json", "-o", "out.html"], Stdio::null());
    assert!(ended.code == Some(1) && !path("out.html").exists(), "{ended:?}");
    assert_eq!(report(directory.path(), &[], Stdio::null()).code, Some(2));
}

#[test]
fn results_that_contradict_themselves_are_shown_as_such() {
    let directory = results();
    std::fs::write(directory.path().join("run.json"), REHEARSAL.replace("\"held\": false", "\"held\": true")).unwrap();
    let page = written(&directory, &["run.json"], "run.html");
    assert!(page.contains("The file says that all holds, but 1 check does not."), "the verdict has no word of it");
}
