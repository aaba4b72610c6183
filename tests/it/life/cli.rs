//! The command line and its settings: what is read from where, and the words for what cannot be used.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::harness::{Exited, Launch, Server};

/// Fails unless the process ended with this code and these words on standard error.
fn assert_says(exited: &Exited, code: i32, words: &[&str]) {
    assert_eq!(exited.code, Some(code), "{exited:?}");
    // The log may have said something before.
    let has_error = exited.stderr.lines().any(|line| line.starts_with("error: "));
    assert!(has_error && !exited.stderr.contains("panicked"), "{exited:?}");
    for words in words {
        assert!(exited.stderr.contains(words), "not a word of {words:?}: {exited:?}");
    }
}

#[tokio::test]
async fn the_servers_settings_break_no_other_command() {
    let broken = Launch::bare(&["version"])
        .env("WORKERS", "abc")
        .env("PORT", "tcp://10.0.0.1:3000")
        .env("LOG_FORMAT", "xml")
        .env("RUST_LOG", "nonsense");
    for args in [&["version"][..], &["openapi"], &["completions", "zsh"], &["--help"], &["help", "serve"]] {
        let exited = broken.command(args).await;
        assert_eq!((exited.code, exited.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
    assert_says(&broken.verify().await, 1, &["there is no store at", "--data-dir"]);
    assert_eq!(broken.command(&[]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_variable_is_as_good_as_none() {
    let empty = [
        "HOST",
        "ADMIN_TOKEN",
        "ADMIN_TOKEN_FILE",
        "WORKERS",
        "QUEUE_CAPACITY",
        "MAX_CONNECTIONS",
        "MAX_CONNECTIONS_PER_IP",
        "MAX_FEED_CLIENTS",
        "JOURNAL_KEEP_DAYS",
        "FULFILLMENT_URL",
        "FULFILLMENT_SECRET",
        "FULFILLMENT_SECRET_FILE",
        "FULFILLMENT_TIMEOUT_MS",
        "FULFILLMENT_ATTEMPTS",
        "FULFILLMENT_RETRY_DELAY_MS",
        "FULFILLMENT_MAX_RETRY_DELAY_MS",
        "FULFILLMENT_ALLOW_PRIVATE",
        "RATE_LIMIT_PER_USER",
        "RATE_LIMIT_PER_IP",
        "TRUSTED_PROXIES",
        "RUST_LOG",
        "LOG_FORMAT",
    ];
    let launch = empty.into_iter().fold(Server::with(), |launch, variable| launch.env(variable, ""));
    let server = launch.start().await;
    assert_eq!(server.get("/queue").await.expect(200).body["capacity"], 100_000);
    drop(server);
    let launch = Launch::bare(&["verify"]).env("DATA_DIR", "");
    assert_says(&launch.run().await, 1, &["there is no store at ./flashsale-data/flashsale.redb"]);
    // An empty variable does not hide what the file says.
    let launch = Server::with().env("QUEUE_CAPACITY", "").env("FULFILLMENT_ALLOW_PRIVATE", "");
    let says = "QUEUE_CAPACITY=7\nWORKERS=\nFULFILLMENT_ALLOW_PRIVATE=true\nFULFILLMENT_URL=http://127.0.0.1:1/\n";
    std::fs::write(launch.directory().join(".env"), says).unwrap();
    let server = launch.start().await;
    assert_eq!(server.get("/queue").await.expect(200).body["capacity"], 7);
}

#[tokio::test]
async fn a_broken_env_file_is_told_by_its_line_and_to_those_who_read_it_only() {
    let launch = Server::with();
    let text = "# settings\nHOST=127.0.0.1\nADMIN_TOKEN=hunter2 hunter2 hunter2\nWORKERS=3\n";
    std::fs::write(launch.directory().join(".env"), text).unwrap();
    for args in [&["serve"][..], &[], &["verify"], &["backup", "-o", "x"], &["export", "orders"]] {
        let exited = launch.command(args).await;
        assert_says(&exited, 1, &["line 3 of the file .env"]);
        assert!(!exited.stderr.contains("hunter2"), "{exited:?}");
    }
    for args in [&["version"][..], &["openapi"], &["completions", "bash"]] {
        assert_eq!(launch.command(args).await.code, Some(0), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_a_secret_of_the_env_file_is_substituted() {
    let launch = Server::with().env("HOME", "/home/ada");
    for (line, token) in [
        (r"ADMIN_TOKEN=long$HOME${HOME}x", r"long$HOME${HOME}x"),
        (r#"ADMIN_TOKEN="long$HOME\\${HOME}x" # a comment"#, r"long$HOME\${HOME}x"),
        (r#"export ADMIN_TOKEN='long$HOME#"x'"#, r#"long$HOME#"x"#),
    ] {
        std::fs::write(launch.directory().join(".env"), format!("{line}\n")).unwrap();
        let mut server = launch.clone().start().await;
        server.client().with_token(Some(token)).get("/orders").await.expect(200);
        server.client().with_token(None).get("/orders").await.expect(401);
        // The checks of an orderly end do not know the token.
        server.kill9().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelt_setting_is_an_error_in_the_file_and_a_warning_in_the_environment() {
    let launch = Server::with();
    let server = launch.clone().env("RATE_LIMIT_PER_USERS", "hunter2").start().await;
    let output = server.output();
    assert!(output.contains("RATE_LIMIT_PER_USERS") && output.contains("RATE_LIMIT_PER_USER?"), "{output}");
    assert!(output.contains("WARN") && !output.contains("hunter2"), "{output}");
    drop(server);
    std::fs::write(launch.directory().join(".env"), "ADMIN_TOKE=hunter2hunter2\n").unwrap();
    for args in [&["serve"][..], &["verify"]] {
        let exited = launch.command(args).await;
        assert_says(&exited, 1, &["ADMIN_TOKE, ", "did you mean ADMIN_TOKEN?"]);
        assert!(!exited.stderr.contains("hunter2"), "{exited:?}");
    }
    assert_eq!(launch.command(&["version"]).await.code, Some(0));
}

#[tokio::test]
async fn a_wrong_value_is_told_by_where_it_stood() {
    let launch = Server::with();
    for (variable, value, words) in [
        ("WORKERS", "abc", "must be a whole number from 1 to 4096"),
        ("PORT", "tcp://10.0.0.1:3000", "must be a whole number from 0 to 65535"),
        ("RATE_LIMIT_PER_IP", "-1", "must be a whole number from 0 to"),
        ("JOURNAL_KEEP_DAYS", "0", "must be a whole number from 1 to 36500"),
        ("RUST_LOG", "nonsense", "must be a level"),
        ("WORKERS", " 3", "must be a whole number from 1 to 4096"),
        ("PORT", "+3000", "must be a whole number from 0 to 65535"),
        ("TRUSTED_PROXIES", "192.0.2.7,10.0.0.1/8", "without host bits: 10.0.0.0/8"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "must be an IP address or a network"),
    ] {
        let exited = launch.clone().env(variable, value).run().await;
        assert_says(&exited, 2, &[&format!("for '{variable}'"), words]);
        assert!(!exited.stderr.contains(" <"), "a flag that nobody gave: {exited:?}");
    }
    let flag = launch.clone().env("WORKERS", "3").arg("--workers=abc").run().await;
    assert_says(&flag, 2, &["for '--workers <WORKERS>'", "must be a whole number from 1 to 4096"]);
    assert_says(&launch.clone().arg("--log").arg("inof").run().await, 2, &["must be a level"]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_is_told_by_its_variable() {
    let launch = Server::with();
    let missing = launch.clone().env("ADMIN_TOKEN_FILE", "/nope").run().await;
    assert_says(&missing, 1, &["ADMIN_TOKEN_FILE names /nope, which cannot be read"]);
    let missing = launch.clone().env("FULFILLMENT_SECRET_FILE", "/nope").run().await;
    assert_says(&missing, 1, &["FULFILLMENT_SECRET_FILE names /nope, which cannot be read"]);
    std::fs::write(launch.directory().join("token"), "weak").unwrap();
    let weak = launch.clone().env("ADMIN_TOKEN_FILE", "token").run().await;
    assert_says(&weak, 1, &["ADMIN_TOKEN_FILE, token, must be at least 8 visible"]);
    let weak = launch.clone().env("ADMIN_TOKEN", "weak").run().await;
    assert_says(&weak, 1, &["error: ADMIN_TOKEN must be at least 8 visible"]);
    assert!(!launch.data_dir().exists(), "a store was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_listen_makes_no_store() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let launch = Server::with().arg("--sample-data");
    let exited = launch.clone().env("PORT", &port).run().await;
    assert_says(&exited, 1, &["another server", &port]);
    let elsewhere = launch.clone().env("HOST", "192.0.2.1").env("ADMIN_TOKEN", "long-enough").run().await;
    assert_says(&elsewhere, 1, &["cannot listen on 192.0.2.1"]);
    assert!(!elsewhere.stderr.contains("another server"), "{elsewhere:?}");
    let url = launch.clone().env("FULFILLMENT_URL", "ftp://shop.example/").run().await;
    assert_says(&url, 1, &["http://"]);
    assert!(!launch.data_dir().exists(), "a store was made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_store_is_announced_as_new_and_no_other() {
    let mut server = Server::start().await;
    server.writes("(new; 0 products, 0 orders)").await;
    assert!(!server.output().contains("recovered"), "{}", server.output());
    server.create(1).await;
    server.restart().await;
    server.writes("(1 product, 0 orders)").await;
    server.writes("recovery    clean shutdown; 0 open orders resumed").await;
    server.kill9().await;
    server.restart().await;
    server.writes("recovery    unclean shutdown;").await;
}

/// Runs the binary with something of its own as standard output.
fn run_into(args: &[&str], out: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flashsale"));
    let child = command.args(args).env_clear().stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).spawn();
    let done = child.unwrap().wait_with_output().unwrap();
    (done.status.code(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn a_reader_that_goes_is_no_error_and_a_full_disk_is_one() {
    for args in [&["completions", "bash"][..], &["completions", "zsh"], &["openapi"], &["version"]] {
        let (mut reader, writer) = std::io::pipe().unwrap();
        if args != ["version"] {
            // Who has read the beginning goes before the rest fits into the pipe.
            std::thread::scope(|scope| {
                let run = scope.spawn(|| run_into(args, writer.into()));
                reader.read_exact(&mut [0; 1]).unwrap();
                drop(reader);
                assert_eq!(run.join().unwrap(), (Some(0), String::new()), "{args:?}");
            });
        } else {
            drop(reader);
            assert_eq!(run_into(args, writer.into()), (Some(0), String::new()), "{args:?}");
        }
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { continue };
        let (code, error) = run_into(args, full.into());
        assert_eq!(code, Some(1), "{args:?}: {error}");
        assert!(error.starts_with("error: cannot write to standard output: "), "{args:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_the_api_is_found_with_a_slash_behind_it_as_well() {
    let server = Server::with().env("ADMIN_TOKEN", "long-enough").start().await;
    let stranger = server.client().with_token(None);
    let answer = stranger.get_root("/docs/").await.expect(307);
    assert_eq!(answer.header("location"), "/docs", "{answer}");
    stranger.get_root("/docs").await.expect(200);
}
