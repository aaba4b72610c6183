//! A child process whose output is read all the time, and which does not outlive its test.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::eventually;

/// How a process ended.
#[derive(Clone, Debug)]
pub(crate) struct Exited {
    /// None where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
}

impl Process {
    /// `errors` is where its standard error goes if it is not to be read.
    pub(crate) fn spawn(command: &mut Command, errors: Option<&File>) -> Self {
        let stderr = errors.map_or_else(Stdio::piped, |file| file.try_clone().unwrap().into());
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = piped.spawn().expect("the server's binary");
        let stdout = Pipe::drain(child.stdout.take().unwrap());
        let stderr = match child.stderr.take() {
            Some(stderr) => Pipe::drain(stderr),
            None => Pipe::drain(std::io::empty()),
        };
        Self { child, stdout, stderr }
    }

    /// What the process has written so far, to both of its outputs.
    pub(crate) fn output(&self) -> String {
        format!("{}{}", self.stdout.text(), self.stderr.text())
    }

    /// Where the process says that it listens, as `127.0.0.1:port`; addresses that occur in `foreign` are not meant.
    pub(crate) fn address(&self, foreign: &str) -> Option<String> {
        let output = self.output();
        let shown = output.split("http://127.0.0.1:").skip(1);
        let ports = shown.map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or(""));
        let mut addresses = ports.filter(|port| !port.is_empty()).map(|port| format!("127.0.0.1:{port}"));
        addresses.find(|address| !foreign.contains(address))
    }

    /// Sends a signal by name. The tests have no other safe way to one.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("the kill command").success(), "could not send {name}");
    }

    /// Sets how many files the process may have open, from the next one that it opens on.
    pub(crate) fn limit_files(&self, most: u32) {
        let (pid, limit) = (self.child.id().to_string(), format!("--nofile={most}:"));
        let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(set.expect("the prlimit command").success(), "could not limit the files to {most}");
    }

    /// Sets how many bytes a file of the process may have, or lifts that bound.
    pub(crate) fn limit_file_size(&self, most: Option<u64>) {
        let most = most.map_or("unlimited".to_owned(), |most| most.to_string());
        let (pid, limit) = (self.child.id().to_string(), format!("--fsize={most}:"));
        let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(set.expect("the prlimit command").success(), "could not limit the size of files to {most}");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process to kill");
    }

    /// How the process ended, if it has.
    pub(crate) fn try_exit(&mut self) -> Option<Exited> {
        let status = self.child.try_wait().expect("a process to wait for")?;
        Some(Exited { code: status.code(), stdout: self.stdout.finish(), stderr: self.stderr.finish() })
    }

    /// Waits until the process has ended.
    pub(crate) async fn exit(&mut self) -> Exited {
        eventually("the server to exit", async || self.try_exit()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Of no effect on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One output of a process, read by a thread: a full pipe would stop the process.
#[derive(Debug)]
struct Pipe {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Pipe {
    fn drain(from: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while let Ok(1..) = from.read_until(b'\n', &mut line) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// All of the text of a process that has ended.
    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader of a pipe");
        }
        self.text()
    }
}
