use std::{
    any::Any,
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use metrique_writer::{Entry, EntryConfig, EntryIoStream, EntryWriter, IoStreamError, Value, format::Format};
use metrique_writer_format_emf::Emf;

use crate::record::{Namespace, Record};

/// What tells the time. Injected, so that a test or a replay can fix it.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// Records that were not written, since the process started.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// The queue was full, or the output failed.
    pub(crate) dropped: AtomicU64,
    /// The caller got an error value.
    pub(crate) refused: AtomicU64,
}

/// Writes each record as one line of Embedded Metric Format, and on a flush what was lost since
/// the last.
pub(crate) struct EmfStream<W> {
    application: Emf,
    business: Emf,
    security: Emf,
    output: W,
    line: Vec<u8>,
    clock: Clock,
    losses: Arc<Losses>,
    reported_dropped: u64,
    reported_refused: u64,
}

impl<W: Write> EmfStream<W> {
    pub(crate) fn new(prefix: &str, output: W, clock: Clock, losses: Arc<Losses>) -> Self {
        // The one empty set stands for "without dimensions"; a record adds its own.
        let emf = |namespace: Namespace| Emf::builder(format!("{prefix}/{}", namespace.name()), vec![vec![]]).build();
        Self {
            application: emf(Namespace::Application),
            business: emf(Namespace::Business),
            security: emf(Namespace::Security),
            output,
            line: Vec::new(),
            clock,
            losses,
            reported_dropped: 0,
            reported_refused: 0,
        }
    }

    fn write_line(&mut self, entry: &impl Entry) -> Result<(), IoStreamError> {
        let emf = match namespace_of(entry) {
            Namespace::Application => &mut self.application,
            Namespace::Business => &mut self.business,
            Namespace::Security => &mut self.security,
        };
        self.line.clear();
        emf.format(entry, &mut self.line)?;
        // One write, so that no other writer's text gets into the line.
        self.output.write_all(&self.line)?;
        Ok(())
    }

    fn report_losses(&mut self) -> io::Result<()> {
        let dropped = self.losses.dropped.load(Ordering::Relaxed);
        let refused = self.losses.refused.load(Ordering::Relaxed);
        if dropped == self.reported_dropped && refused == self.reported_refused {
            return Ok(());
        }
        let mut record = Record::new(Namespace::Application, (self.clock)());
        record.count("DroppedRecords", as_f64(dropped.saturating_sub(self.reported_dropped)));
        record.count("RefusedRecords", as_f64(refused.saturating_sub(self.reported_refused)));
        record.text("level", "WARN");
        record.text("event", "MONITORING_RECORDS_LOST");
        self.write_line(&record).map_err(|error| match error {
            IoStreamError::Io(error) => error,
            IoStreamError::Validation(error) => io::Error::other(error),
        })?;
        self.reported_dropped = dropped;
        self.reported_refused = refused;
        Ok(())
    }
}

impl<W: Write> EntryIoStream for EmfStream<W> {
    fn next(&mut self, entry: &impl Entry) -> Result<(), IoStreamError> {
        self.write_line(entry).inspect_err(|_| {
            self.losses.dropped.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.report_losses()?;
        self.output.flush()
    }
}

/// A count as a metric's value; beyond 2^53 the difference does not matter.
#[expect(clippy::cast_precision_loss)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// The namespace that an entry is configured with. An entry of the library's own (it reports a
/// line that it could not format) has none and goes to the application's.
fn namespace_of(entry: &impl Entry) -> Namespace {
    struct NamespaceReader(Namespace);

    impl<'a> EntryWriter<'a> for NamespaceReader {
        fn timestamp(&mut self, _: SystemTime) {}

        fn value(&mut self, _: impl Into<Cow<'a, str>>, _: &(impl Value + ?Sized)) {}

        fn config(&mut self, config: &'a dyn EntryConfig) {
            if let Some(namespace) = (config as &dyn Any).downcast_ref::<Namespace>() {
                self.0 = *namespace;
            }
        }
    }

    let mut reader = NamespaceReader(Namespace::Application);
    entry.write(&mut reader);
    reader.0
}
