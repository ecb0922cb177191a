use std::{
    fmt,
    io::{self, Write},
    num::NonZeroUsize,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use metrique_writer::{
    EntrySink,
    sink::{BackgroundQueue, BackgroundQueueBuilder, BackgroundQueueEvent, BackgroundQueueJoinHandle},
};

use crate::{
    business_metric::{BusinessMetric, MAX_UNCATALOGUED_METRICS},
    distinct_names::DistinctNames,
    emf_stream::{Clock, EmfStream, Losses},
    error::TrackError,
    performance::{MAX_OPERATIONS, Performance},
    record::Record,
    security_event::SecurityEvent,
};

/// How many records wait for standard output at most, unless set otherwise. At the longest stack
/// trace that is some tens of megabytes; usually it is well below one.
pub const QUEUE_CAPACITY: usize = 1024;

/// What the namespaces begin with, unless set otherwise: the catalogue's.
const NAMESPACE_PREFIX: &str = "AI-Nutritionist";
/// The longest prefix, in characters; CloudWatch takes 255 for the whole namespace.
const MAX_NAMESPACE_PREFIX_CHARS: usize = 200;

/// How often lost records are reported when nobody calls `flush`. A line does not wait for it.
const LOSS_REPORT_INTERVAL: Duration = Duration::from_secs(30);
/// How long dropping the last handle tries to write what is queued.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The application's end of the monitoring suite. Cheap to clone; all clones share one queue and
/// one thread that writes.
///
/// No call waits for the output: a record goes to a bounded queue, and when that is full the oldest
/// one is dropped and counted. Call [`flush`](Self::flush) before a Lambda handler returns.
/// Dropping the last clone writes what is queued, for which it waits (two seconds, or as long as one
/// write to a stalled output takes).
#[derive(Clone)]
pub struct Monitoring {
    shared: Arc<Shared>,
}

struct Shared {
    queue: BackgroundQueue<Record>,
    operations: DistinctNames,
    uncatalogued: DistinctNames,
    losses: Arc<Losses>,
    clock: Clock,
    /// Writes what is queued when it is dropped.
    _writer: BackgroundQueueJoinHandle,
}

impl Monitoring {
    /// Writes to standard output, in the catalogue's namespaces.
    ///
    /// # Panics
    /// If the operating system cannot start one more thread.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// For another namespace prefix, output, clock or queue length.
    pub fn builder() -> MonitoringBuilder {
        MonitoringBuilder::default()
    }

    /// Writes a business metric.
    ///
    /// # Errors
    /// If the name or a number is not one that CloudWatch takes. Nothing is written then.
    pub fn track_business_metric(&self, metric: BusinessMetric) -> Result<(), TrackError> {
        self.track(metric.record(&self.shared.uncatalogued, (self.shared.clock)()))
    }

    /// Writes how an operation went.
    ///
    /// # Errors
    /// If the operation is blank, or a number is not one that CloudWatch takes. Nothing is written
    /// then.
    pub fn track_performance(&self, performance: Performance) -> Result<(), TrackError> {
        self.track(performance.record(&self.shared.operations, (self.shared.clock)()))
    }

    /// Writes a security event.
    ///
    /// # Errors
    /// If the kind is blank. Nothing is written then.
    pub fn track_security_event(&self, event: SecurityEvent) -> Result<(), TrackError> {
        self.track(event.record((self.shared.clock)()))
    }

    /// Resolves when everything tracked so far is written, with a line on what was lost, if
    /// anything. Works on any executor.
    pub async fn flush(&self) {
        self.shared.queue.flush_async().await;
    }

    /// Records dropped since the start: the queue was full, or the output failed.
    pub fn dropped(&self) -> u64 {
        self.shared.losses.dropped.load(Ordering::Relaxed)
    }

    /// Records refused with a [`TrackError`] since the start.
    pub fn refused(&self) -> u64 {
        self.shared.losses.refused.load(Ordering::Relaxed)
    }

    fn track(&self, record: Result<Record, TrackError>) -> Result<(), TrackError> {
        match record {
            Ok(record) => {
                self.shared.queue.append(record);
                Ok(())
            }
            Err(error) => {
                self.shared.losses.refused.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Monitoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitoring").field("losses", &self.shared.losses).finish_non_exhaustive()
    }
}

/// Builds a [`Monitoring`] that differs from the usual one.
#[must_use]
pub struct MonitoringBuilder {
    namespace_prefix: String,
    output: Box<dyn Write + Send>,
    clock: Clock,
    queue_capacity: usize,
}

impl Default for MonitoringBuilder {
    fn default() -> Self {
        Self {
            namespace_prefix: NAMESPACE_PREFIX.to_owned(),
            output: Box::new(io::stdout()),
            clock: Arc::new(SystemTime::now),
            queue_capacity: QUEUE_CAPACITY,
        }
    }
}

impl MonitoringBuilder {
    /// What the three namespaces begin with: `<prefix>/Application` and so on.
    ///
    /// # Errors
    /// If CloudWatch would not take it: letters, digits and `.-_/#` only, 1 to 200 of them, and not
    /// `AWS` or something under `AWS/`.
    pub fn namespace_prefix(mut self, prefix: impl Into<String>) -> Result<Self, TrackError> {
        let prefix = prefix.into();
        let valid = (1..=MAX_NAMESPACE_PREFIX_CHARS).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte))
            && prefix != "AWS"
            && !prefix.starts_with("AWS/");
        if !valid {
            return Err(TrackError::InvalidName { field: "namespace_prefix" });
        }
        self.namespace_prefix = prefix;
        Ok(self)
    }

    /// Where the lines go, instead of standard output.
    pub fn output(mut self, output: impl Write + Send + 'static) -> Self {
        self.output = Box::new(output);
        self
    }

    /// What tells the time, instead of the system's clock.
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many records wait for the output at most, instead of [`QUEUE_CAPACITY`].
    pub fn queue_capacity(mut self, records: NonZeroUsize) -> Self {
        self.queue_capacity = records.get();
        self
    }

    /// Starts the thread that writes.
    ///
    /// # Panics
    /// If the operating system cannot start one more thread.
    pub fn build(self) -> Monitoring {
        let losses = Arc::new(Losses::default());
        let stream = EmfStream::new(&self.namespace_prefix, self.output, Arc::clone(&self.clock), Arc::clone(&losses));
        let overflow = Arc::clone(&losses);
        let (queue, writer) = BackgroundQueueBuilder::new()
            .capacity(self.queue_capacity)
            .thread_name("monitoring-track")
            .flush_interval(LOSS_REPORT_INTERVAL)
            .shutdown_timeout(SHUTDOWN_TIMEOUT)
            .observer(move |_queue: &str, event: BackgroundQueueEvent| {
                if let BackgroundQueueEvent::QueueOverflow { .. } = event {
                    overflow.dropped.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build(stream);
        Monitoring {
            shared: Arc::new(Shared {
                queue,
                operations: DistinctNames::new("operations", MAX_OPERATIONS),
                uncatalogued: DistinctNames::new("business metrics", MAX_UNCATALOGUED_METRICS),
                losses,
                clock: self.clock,
                _writer: writer,
            }),
        }
    }
}
