//! A proxy on loopback that numbers the HTTP requests that pass, and does to them what a network does.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// Signals that the process that sent a request dies now.
pub type Crash = Arc<watch::Sender<u64>>;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks.
    Drop,
    /// Nothing more is heard until [`Proxy::release`] lets it go on.
    Stall,
    /// Whoever sent it dies.
    Crash,
    /// The receiver answers this instead: a status and a body. Only before.
    Answer(u16, &'static str),
}

/// Which request, and when.
#[derive(Clone, Debug)]
pub struct Point {
    after: bool,
    nth: Option<usize>,
    operation: Option<&'static str>,
    about: Option<String>,
}

/// Before the `nth` request from now on, from 1, reaches the receiver.
pub fn before(nth: usize) -> Point {
    Point { after: false, nth: Some(nth), operation: None, about: None }
}

/// After the `nth` request from now on was carried out, and before its answer arrives.
pub fn after(nth: usize) -> Point {
    Point { after: true, ..before(nth) }
}

/// Before each request, from now on.
pub fn every() -> Point {
    Point { nth: None, ..before(1) }
}

impl Point {
    /// Counts requests of this operation only: `PutItem`.
    #[must_use]
    pub fn of(self, operation: &'static str) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Counts requests only whose body contains this.
    #[must_use]
    pub fn about(self, text: &str) -> Self {
        Self { about: Some(text.to_owned()), ..self }
    }

    fn matches(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation)
            && self.about.as_ref().is_none_or(|text| request.body.contains(text))
    }
}

/// A request that passed, or was to pass.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// Of `DynamoDB`, else the last part of the path, else the topic.
    pub operation: String,
    pub body: String,
}

impl Request {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        matches!(self.operation.as_str(), "GetItem" | "Query" | "BatchGetItem" | "GetParameter" | "actions/look")
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.body)
    }
}

#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
}

/// The outside calls of a world in the order in which they happen, whoever they go to: each proxy notes its requests
/// here, and the topics what is published. One point counts across them all.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<CallState>>);

#[derive(Debug, Default)]
struct CallState {
    seen: Vec<Request>,
    armed: Option<(Point, Fault, usize)>,
    struck: Option<Request>,
}

impl Calls {
    /// Does this to one call.
    pub fn arm(&self, point: Point, fault: Fault) {
        self.0.lock().unwrap().armed = Some((point, fault, 0));
    }

    /// The call that it was done to.
    pub fn struck(&self) -> Option<Request> {
        self.0.lock().unwrap().struck.clone()
    }

    /// What was called so far, faults included.
    pub fn seen(&self) -> Vec<Request> {
        self.0.lock().unwrap().seen.clone()
    }

    pub fn count(&self) -> usize {
        self.0.lock().unwrap().seen.len()
    }

    /// Notes a call, and says what happens to it: before, or after.
    pub fn note(&self, request: &Request) -> Option<(bool, Fault)> {
        let mut state = self.0.lock().unwrap();
        state.seen.push(request.clone());
        let (point, fault, count) = state.armed.as_mut().filter(|(point, ..)| point.matches(request))?;
        *count += 1;
        let struck = point.nth.is_none_or(|nth| nth == *count).then_some((point.after, *fault));
        if struck.is_some() {
            state.struck = Some(request.clone());
        }
        struck
    }
}

#[derive(Debug)]
struct Plan {
    state: Mutex<State>,
    calls: Calls,
    crash: Crash,
    stalled: Notify,
    /// How stalled requests go on; each release is a new generation.
    released: watch::Sender<(u64, Release)>,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Request>,
    armed: Vec<(Point, Fault, usize)>,
    down: bool,
    stalled: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    GoOn,
    Break,
}

impl Proxy {
    pub async fn start(upstream: SocketAddr, calls: Calls, crash: Crash) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (released, _) = watch::channel((0, Release::GoOn));
        let plan = Arc::new(Plan { state: Mutex::default(), calls, crash, stalled: Notify::new(), released });
        let shared = Arc::clone(&plan);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = Arc::clone(&shared);
                // A broken connection is what this proxy is for.
                tokio::spawn(async move { drop(pass(client, upstream, &plan).await) });
            }
        });
        Self { address, plan }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does this to one request.
    pub fn arm(&self, point: Point, fault: Fault) {
        self.plan.state.lock().unwrap().armed.push((point, fault, 0));
    }

    /// Breaks every connection until [`Proxy::up`].
    pub fn down(&self) {
        self.plan.state.lock().unwrap().down = true;
    }

    /// Everything passes again; what was armed and has not struck is forgotten.
    pub fn up(&self) {
        let mut state = self.plan.state.lock().unwrap();
        state.down = false;
        state.armed.clear();
    }

    /// Waits until a request stalls.
    pub async fn stalled(&self) {
        loop {
            let notified = self.plan.stalled.notified();
            if self.plan.state.lock().unwrap().stalled > 0 {
                return;
            }
            notified.await;
        }
    }

    /// Lets what stalls go on.
    pub fn release(&self) {
        self.plan.released.send_modify(|(generation, how)| (*generation, *how) = (*generation + 1, Release::GoOn));
    }

    /// Breaks the connections of what stalls.
    pub fn break_stalled(&self) {
        self.plan.released.send_modify(|(generation, how)| (*generation, *how) = (*generation + 1, Release::Break));
    }

    /// What has arrived so far, faults included.
    pub fn seen(&self) -> Vec<Request> {
        self.plan.state.lock().unwrap().seen.clone()
    }

    pub fn count(&self) -> usize {
        self.plan.state.lock().unwrap().seen.len()
    }
}

impl Plan {
    /// Notes a request, and says what happens to it: before, and after.
    fn note(&self, request: Request) -> Option<(bool, Fault)> {
        let called = self.calls.note(&request);
        let mut state = self.state.lock().unwrap();
        let mut struck = called.or(state.down.then_some((false, Fault::Drop)));
        for (point, fault, count) in &mut state.armed {
            if point.matches(&request) {
                *count += 1;
                if point.nth.is_none_or(|nth| nth == *count) {
                    struck = struck.or(Some((point.after, *fault)));
                }
            }
        }
        state.seen.push(request);
        struck
    }

    /// Whether the request goes on.
    async fn strike(&self, fault: Fault, client: &mut Wire) -> io::Result<bool> {
        match fault {
            Fault::Drop => Ok(false),
            Fault::Crash => {
                self.crash.send_modify(|count| *count += 1);
                client.closed().await;
                Ok(false)
            }
            Fault::Stall => {
                let mut released = self.released.subscribe();
                self.state.lock().unwrap().stalled += 1;
                self.stalled.notify_waiters();
                let changed = released.changed().await;
                self.state.lock().unwrap().stalled -= 1;
                Ok(changed.is_ok() && released.borrow().1 == Release::GoOn)
            }
            Fault::Answer(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                client.write(format!("{head}{body}").as_bytes()).await?;
                Ok(false)
            }
        }
    }
}

async fn pass(client: TcpStream, upstream: SocketAddr, plan: &Plan) -> io::Result<()> {
    let mut client = Wire::new(client)?;
    let mut server = None;
    while let Some(message) = client.message().await? {
        let struck = plan.note(message.request());
        if let Some((false, fault)) = struck
            && !plan.strike(fault, &mut client).await?
        {
            if matches!(fault, Fault::Answer(..)) {
                continue;
            }
            return Ok(());
        }
        let server = match &mut server {
            Some(server) => server,
            none => none.insert(Wire::new(TcpStream::connect(upstream).await?)?),
        };
        server.write(&message.bytes).await?;
        let answer = server.message().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some((true, fault)) = struck
            && !plan.strike(fault, &mut client).await?
        {
            return Ok(());
        }
        client.write(&answer.bytes).await?;
    }
    Ok(())
}

/// HTTP/1.1 over a connection, as far as loopback needs it.
struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

struct Message {
    bytes: Vec<u8>,
    head: usize,
}

impl Wire {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The next message whole; `None` when the other side has closed.
    async fn message(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(head) = position(&self.buffer, b"\r\n\r\n")
                && let Some(length) = length(&self.buffer, head + 4)
            {
                let rest = self.buffer.split_off(length);
                return Ok(Some(Message { bytes: std::mem::replace(&mut self.buffer, rest), head: head + 4 }));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    async fn closed(&mut self) {
        while self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0) {}
    }
}

impl Message {
    fn request(&self) -> Request {
        let head = String::from_utf8_lossy(&self.bytes[..self.head]);
        let target = header(&head, "x-amz-target").and_then(|target| target.rsplit('.').next().map(str::to_owned));
        let path = head.split(' ').nth(1).unwrap_or_default();
        let operation = target.unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().to_owned());
        Request { operation, body: String::from_utf8_lossy(&self.bytes[self.head..]).into_owned() }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

/// The length of the first message in the buffer, whose body begins at `body`; `None` while it is not whole.
fn length(buffer: &[u8], body: usize) -> Option<usize> {
    let head = String::from_utf8_lossy(&buffer[..body]);
    let end = if header(&head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        body + position(&buffer[body..], b"0\r\n\r\n")? + 5
    } else {
        body + header(&head, "content-length").map_or(0, |length| length.parse().unwrap_or(0))
    };
    (buffer.len() >= end).then_some(end)
}

fn position(buffer: &[u8], wanted: &[u8]) -> Option<usize> {
    buffer.windows(wanted.len()).position(|window| window == wanted)
}
