//! One `MiniStack` process: started on a free loopback port, stopped when dropped.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::path_from_env;

/// It is ready in under a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// Time to end its functions' processes before it is killed.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// A running `MiniStack`, with a folder of its own for all that it and its functions write.
#[derive(Debug)]
pub struct MiniStack {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl MiniStack {
    /// Starts it and waits until it is ready. Where there are roles, `authorise` has it enforce their policies. What a model of Bedrock
    /// says comes from the server at `models`.
    #[must_use]
    pub fn start(authorise: bool, models: &str) -> Self {
        // The port is free when asked for and may be taken a moment later, hence the attempts.
        let mut output = String::new();
        for _ in 0..3 {
            let mut ministack = Self::spawn(authorise, models);
            match ministack.wait_until_ready() {
                Ok(()) => return ministack,
                Err(reason) => output = format!("{reason}\n{}", ministack.output()),
            }
        }
        panic!("MiniStack did not become ready: {output}");
    }

    fn spawn(authorise: bool, models: &str) -> Self {
        let program = path_from_env("MINISTACK");
        let folder = tempfile::Builder::new().prefix("ministack-").tempdir().expect("a temporary folder");
        let port = free_port();
        let output = File::create(folder.path().join("ministack.log")).expect("a log file");
        let process = Command::new(&program)
            // The functions inherit this environment, so nothing of the caller's may be in it.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
            .env("AUTH", authorise.to_string())
            // What was called, for `aws cloudtrail lookup-events`.
            .env("CLOUDTRAIL_RECORDING", "1")
            // As a real account has it, whatever this machine has room for.
            .env("LAMBDA_ACCOUNT_CONCURRENCY", "1000")
            .env("MINISTACK_BEDROCK_PROXY_URL", models)
            // Both would listen on further ports.
            .env("IOT_MTLS_ENABLED", "0")
            .env("SFTP_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle of the log file"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        // For scripts/test.sh, which stops it if this process cannot any more.
        fs::write(folder.path().join("ministack.pid"), process.id().to_string()).expect("a pid file");
        Self { process, port, folder }
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if self.is_healthy() {
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                return Err(format!("not healthy after {READY_WITHIN:?}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_healthy(&self) -> bool {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.lines().next().is_some_and(|status| status.contains(" 200")))
    }

    /// Where AWS clients find it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port of loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A folder that goes when the process goes.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The warnings and errors of its log.
    #[must_use]
    pub fn complaints(&self) -> String {
        self.output()
            .lines()
            .filter(|line| ["WARN", "ERROR", "Traceback", "Error:"].iter().any(|word| line.contains(word)))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("ministack.log")).unwrap_or_default()
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        // Asked first: it ends its functions' processes. Killed, it would leave them behind.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let asked = Instant::now();
        while asked.elapsed() < STOPPED_WITHIN {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free loopback port")
        .port()
}
