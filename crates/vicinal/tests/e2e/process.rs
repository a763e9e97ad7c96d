//! `vicinal` processes: started, listened to, stopped, killed.

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};
use vicinal_client::{Client, Retry};
use vicinal_types::{Clock as _, SystemClock};

/// How long anything may take: machines are busy at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at something that takes a while.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// A command line of the binary, without settings of whoever runs the tests.
pub(crate) fn vicinal<S: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vicinal"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VICINAL_") {
            command.env_remove(name);
        }
    }
    command
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = SystemClock.now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        let waited = SystemClock.now().saturating_duration_since(started);
        assert!(waited < PATIENCE, "{what} did not come about in {waited:?}");
        std::thread::park_timeout(POLL);
    }
}

/// How a server is started: its data directory and its settings.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    directory: PathBuf,
    settings: Vec<(String, String)>,
}

/// A server that is on its way up, or has failed.
pub(crate) struct Starting {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

/// A server that serves; dropped, it is killed.
pub(crate) struct Server {
    process: Starting,
    grpc: SocketAddr,
    http: SocketAddr,
}

/// A process that is over: its status and what it wrote to standard error.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) lines: Vec<String>,
}

impl Setup {
    /// A server with its data below `directory`, free ports, few threads and
    /// any free space on the disk.
    pub(crate) fn new(directory: &Path) -> Self {
        let setup = Self { directory: directory.join("data"), settings: Vec::new() };
        setup
            .with("SERVER__ADDRESS", "127.0.0.1:0")
            .with("HTTP__ADDRESS", "127.0.0.1:0")
            .with("SERVER__WORKER_THREADS", 2)
            .with("STORAGE__LOG_FILE_BYTES", 1 << 20)
            .with("STORAGE__DISK_RESERVE_BYTES", 0)
            .with("SEARCH__THREADS", 1)
            .with("SEARCH__PIN_THREADS", false)
            .with("SEARCH__PROFILE_MACHINE", false)
            .with("FLUSH__WORKERS", 1)
            .with("FLUSH__BUILD_THREADS", 1)
    }

    /// The same with a setting `SECTION__KEY` of another value.
    pub(crate) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != key);
        self.settings.push((key.to_owned(), value.to_string()));
        self
    }

    /// Where the data is.
    pub(crate) fn data(&self) -> &Path {
        &self.directory
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(&self) -> Starting {
        let mut command = vicinal(["serve"]);
        command.env("VICINAL_STORAGE__DIRECTORY", &self.directory);
        for (key, value) in &self.settings {
            command.env(format!("VICINAL_{key}"), value);
        }
        Starting::new(command)
    }

    /// Starts a server and waits until it serves.
    #[track_caller]
    pub(crate) fn start(&self) -> Server {
        match self.spawn().up() {
            Ok(server) => server,
            Err(ended) => panic!("the server did not start: {ended:#?}"),
        }
    }

    /// Starts a server that must not come up.
    #[track_caller]
    pub(crate) fn refused(&self) -> Ended {
        match self.spawn().up() {
            Ok(server) => panic!("the server started: {:#?}", server.process.seen),
            Err(ended) => ended,
        }
    }
}

impl Starting {
    /// Runs a command and collects its standard error line by line.
    pub(crate) fn new(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, lines) = channel();
        let read = move || {
            let lines = BufReader::new(stderr).lines();
            // Ends with the process, or when nobody listens any more.
            let _end = lines.map_while(Result::ok).try_for_each(|line| sender.send(line));
        };
        let reader = std::thread::Builder::new().name("stderr".into()).spawn(read);
        reader.expect("a thread");
        Self { child, lines, seen: Vec::new() }
    }

    /// Waits for a line with these words; none if the process ends before.
    #[track_caller]
    pub(crate) fn line_with(&mut self, words: &str) -> Option<String> {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(words) {
                        return Some(line);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => panic!("no `{words}` in {:#?}", self.seen),
            }
        }
    }

    /// Waits until the server serves, or is over.
    #[track_caller]
    pub(crate) fn up(mut self) -> Result<Server, Ended> {
        let Some(line) = self.line_with("(gRPC)") else {
            return Err(self.ended());
        };
        let address = |before: &str, after: &str| {
            let (_, rest) = line.split_once(before).expect(before);
            let (address, _) = rest.split_once(after).expect(after);
            address.parse().expect("an address")
        };
        let (grpc, http) = (address("serves ", " (gRPC)"), address("(gRPC) and ", " (HTTP)"));
        Ok(Server { process: self, grpc, http })
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Ended {
        self.child.kill().expect("a process of ours");
        self.ended()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process of ours");
    }

    /// Waits for the end of the process, which is near.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let status =
            until("the end of the process", || self.child.try_wait().expect("a process of ours"));
        let mut lines = std::mem::take(&mut self.seen);
        lines.extend(self.lines.iter());
        Ended { status, lines }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // Both fail only if the process is over, which is what they are for.
        let _killed = self.child.kill();
        let _waited = self.child.wait();
    }
}

impl Server {
    /// Where gRPC is served.
    pub(crate) fn address(&self) -> String {
        self.grpc.to_string()
    }

    /// A connection for messages that the client would not send; made when it is used.
    pub(crate) fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.grpc));
        endpoint.expect("an address").connect_lazy()
    }

    /// A client that reports every failure at once.
    pub(crate) async fn client(&self) -> Client {
        let address = self.address();
        let client = Client::builder().retry(Retry::NEVER).connect(&address);
        client.await.expect("the server answers")
    }

    /// A page of the HTTP port: its status and its body.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        http(self.http, path).expect("the server answers")
    }

    /// The address of the HTTP port.
    pub(crate) fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// Runs a client command against this server.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = vicinal(arguments);
        command.env("VICINAL_ADDRESS", self.address());
        command
    }

    /// Runs a client command to its end; gives what it wrote to standard output.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            self.command(arguments).output().expect("the binary starts");
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "vicinal {arguments:?}: {status}: {stderr}");
        String::from_utf8(stdout).expect("UTF-8")
    }

    /// Runs a client command that must fail; gives its one line.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(1), "vicinal {arguments:?}");
        one_line(&output)
    }

    /// SIGKILL.
    pub(crate) fn kill(self) -> Ended {
        self.process.kill()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.process.terminate();
    }

    /// Waits for the end of the process, which is near.
    #[track_caller]
    pub(crate) fn ended(self) -> Ended {
        self.process.ended()
    }

    /// Stops the server in order.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.terminate();
        let ended = self.ended();
        assert!(ended.status.success(), "{ended:#?}");
        ended
    }
}

impl Ended {
    /// Asserts that the process failed with one line that has these words.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        let errors = self.lines.iter().filter(|line| line.starts_with("error: "));
        let [error] = errors.collect::<Vec<_>>()[..] else {
            panic!("not one line of error: {self:#?}");
        };
        for word in words {
            assert!(error.contains(word), "`{error}` does not say `{word}`");
        }
    }
}

/// The one line that a failed command wrote to standard error.
#[track_caller]
pub(crate) fn one_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    assert!(text.starts_with("error: ") && !text.contains('\n'), "{text}");
    text
}

/// A page of an HTTP server; none if nobody answers.
pub(crate) fn http(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Puts a file there.
#[expect(clippy::disallowed_methods, reason = "files that tests hand to the binary")]
pub(crate) fn write_file(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The names in a directory, sorted; none if it is not there.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = entries.filter_map(Result::ok).map(name).collect();
    names.sort();
    names
}
