//! [`FileBus`]: a bus that survives `kill -9`.
//!
//! One journal of JSON lines. An event counts as accepted, and an acknowledgement as given, once its
//! line is on the disk; lines of many callers are synced together. A line that was cut off by a crash
//! was never accepted: it is dropped at the next start. When most of the journal is about what is
//! done with, it is rewritten beside itself and put in place by a rename.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use argo_core::Clock;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    BusError, Channel, Delivery, EventBus, Group, Limits, Published, Subject, Subscription,
    log::{Log, Record, published},
    memory::Shared,
};
use crate::api::Event;

/// Rewrite when the journal is at least this large and twice what it was after the last rewrite.
const REWRITE_AT: u64 = 4 << 20;
/// No record is longer: what comes without a line end for so long is not a journal.
const MAX_LINE: u64 = 64 << 20;
/// How many callers wait for the journal at most before others wait to wait.
const QUEUE: usize = 1024;

/// A durable bus. Clones share it; the journal is open until the last is gone.
#[derive(Clone)]
pub struct FileBus {
    shared: Arc<Shared>,
    journal: mpsc::Sender<Job>,
    path: Arc<PathBuf>,
    open: watch::Receiver<()>,
}

/// Something to write, and who wants to know.
struct Job {
    work: Work,
    done: oneshot::Sender<Result<Published, BusError>>,
}

enum Work {
    Publish { channel: Channel, event: Event },
    Record(Record),
}

impl FileBus {
    /// Opens a journal, or makes an empty one. Blocking calls are made: during start-up only.
    ///
    /// # Errors
    /// When the file can not be read or written, another process has it open, or it is damaged
    /// anywhere but at its end.
    pub fn open(path: impl Into<PathBuf>, clock: Clock) -> Result<Self, BusError> {
        Self::open_with(path, clock, Limits::default())
    }

    /// As [`FileBus::open`], with other limits.
    ///
    /// # Errors
    /// As [`FileBus::open`].
    pub fn open_with(path: impl Into<PathBuf>, clock: Clock, limits: Limits) -> Result<Self, BusError> {
        let path = path.into();
        let mut log = Log::new(limits);
        let journal = Journal::open(path.clone(), &mut log)?;
        let shared = Arc::new(Shared::new(clock, log));
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (ended, open) = watch::channel(());
        let writer = Writer { shared: shared.clone(), journal, _ended: ended };
        let name = "event-bus-journal".to_owned();
        // A thread of its own: syncing a disk is no work for the runtime's threads.
        let spawned = std::thread::Builder::new().name(name).spawn(move || writer.run(receiver));
        spawned.map_err(|it| BusError::Journal { path: path.display().to_string(), message: it.to_string() })?;
        Ok(Self { shared, journal: sender, path: Arc::new(path), open })
    }

    /// Waits until every clone and subscription is gone and the journal is closed.
    pub async fn closed(self) {
        let mut open = self.open.clone();
        drop(self);
        // Nothing is ever sent: it ends when the writer does.
        while open.changed().await.is_ok() {}
    }

    /// Where the journal is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many events wait to be acknowledged.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.with(|log| log.len())
    }

    async fn write(&self, work: Work) -> Result<Published, BusError> {
        send(&self.journal, work).await
    }
}

async fn send(journal: &mpsc::Sender<Job>, work: Work) -> Result<Published, BusError> {
    let (done, answer) = oneshot::channel();
    let gone = || BusError::Unavailable("the journal is closed".to_owned());
    journal.send(Job { work, done }).await.map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

#[async_trait::async_trait]
impl EventBus for FileBus {
    async fn publish(&self, channel: &Channel, event: &Event) -> Result<Published, BusError> {
        self.write(Work::Publish { channel: channel.clone(), event: event.clone() }).await
    }

    async fn subscribe(&self, group: &Group, subjects: &BTreeSet<Subject>) -> Result<Box<dyn Subscription>, BusError> {
        self.write(Work::Record(Record::Subscribe { group: group.clone(), subjects: subjects.clone() })).await?;
        let epoch = self.shared.begin(group);
        let state = self.shared.with(|log| log.state(group));
        let (shared, journal) = (self.shared.clone(), self.journal.clone());
        Ok(Box::new(Member { shared, journal, group: group.clone(), epoch, state }))
    }

    async fn groups(&self, channel: &Channel, sensor: &str) -> Result<Vec<Group>, BusError> {
        Ok(self.shared.with(|log| log.groups(channel, sensor)))
    }

    async fn forget(&self, group: &Group) -> Result<(), BusError> {
        self.write(Work::Record(Record::Forget { group: group.clone() })).await.map(|_| ())
    }
}

struct Member {
    shared: Arc<Shared>,
    journal: mpsc::Sender<Job>,
    group: Group,
    epoch: u64,
    state: Option<Value>,
}

#[async_trait::async_trait]
impl Subscription for Member {
    fn state(&self) -> Option<&Value> {
        self.state.as_ref()
    }

    async fn next(&mut self) -> Result<Delivery, BusError> {
        self.shared.next(&self.group, self.epoch).await
    }

    async fn commit(&mut self, sequence: Option<u64>, state: Option<Value>) -> Result<(), BusError> {
        self.shared.check(&self.group, self.epoch)?;
        let record = Record::Commit { group: self.group.clone(), sequence, state: state.clone() };
        send(&self.journal, Work::Record(record)).await?;
        self.state = state.or_else(|| self.state.take());
        Ok(())
    }
}

/// The one that writes.
struct Writer {
    shared: Arc<Shared>,
    journal: Journal,
    _ended: watch::Sender<()>,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        while jobs.blocking_recv_many(&mut batch, QUEUE) > 0 {
            self.work(batch.drain(..));
            let now = self.shared.clock.now();
            if self.journal.is_due() {
                let records = self.shared.with(|log| log.snapshot(now));
                if let Err(error) = self.journal.rewrite(&records) {
                    tracing::warn!(%error, "the event bus journal could not be rewritten; it goes on growing");
                }
            }
        }
    }

    /// Writes everything that came together, syncs once, then makes it true and tells.
    fn work(&mut self, jobs: impl Iterator<Item = Job>) {
        let mut waiting = Vec::new();
        let mut lines = Vec::new();
        let mut ids = BTreeSet::new();
        for job in jobs {
            let record = match job.work {
                Work::Record(record) => Some(record),
                Work::Publish { channel, event } => {
                    // Two of the same id in one batch: the second waits for the next, and is a duplicate then.
                    if !ids.insert((channel.clone(), event.id.clone())) {
                        self.flush(&mut lines, &mut waiting);
                        ids.clear();
                    }
                    let now = self.shared.clock.now();
                    let taken = waiting.len();
                    match self.shared.with(|log| log.offer_after(&channel, &event, now, taken)) {
                        Ok(record) => record,
                        Err(error) => {
                            let _ = job.done.send(Err(error));
                            continue;
                        }
                    }
                }
            };
            let before = lines.len();
            if let Some(record) = &record
                && let Err(error) = serde_json::to_writer(&mut lines, record)
            {
                lines.truncate(before);
                let path = self.journal.path.display().to_string();
                let _ = job.done.send(Err(BusError::Journal { path, message: error.to_string() }));
                continue;
            }
            if record.is_some() {
                lines.push(b'\n');
            }
            waiting.push((record, job.done));
        }
        self.flush(&mut lines, &mut waiting);
    }

    fn flush(&mut self, lines: &mut Vec<u8>, waiting: &mut Waiting) {
        let written = if lines.is_empty() { Ok(()) } else { self.journal.append(lines) };
        lines.clear();
        for (record, done) in waiting.drain(..) {
            let answer = match &written {
                Ok(()) => {
                    let answer = published(&record);
                    if let Some(record) = record {
                        self.shared.apply(record);
                    }
                    Ok(answer)
                }
                Err(message) => {
                    Err(BusError::Journal { path: self.journal.path.display().to_string(), message: message.clone() })
                }
            };
            let _ = done.send(answer);
        }
    }
}

type Waiting = Vec<(Option<Record>, oneshot::Sender<Result<Published, BusError>>)>;

/// What a journal asks of its file.
trait Disk: Send {
    /// Writes at the end, and waits until it is on the disk.
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()>;

    /// Forgets everything after `length`.
    fn cut(&mut self, length: u64) -> std::io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.write_all(bytes)?;
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> std::io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(|_| ())
    }
}

/// The file.
struct Journal {
    path: PathBuf,
    file: Box<dyn Disk>,
    length: u64,
    rewritten: u64,
    /// Set when the file's end is not known any more: nothing can be accepted then.
    broken: Option<String>,
}

impl Journal {
    fn open(path: PathBuf, log: &mut Log) -> Result<Self, BusError> {
        let fail =
            |error: std::io::Error| BusError::Journal { path: path.display().to_string(), message: error.to_string() };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BusError::Locked { path: path.display().to_string() }),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let mut length = 0;
        let mut reader = BufReader::new(&mut file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).map_err(fail)?;
            if read == 0 {
                break;
            }
            if read as u64 == MAX_LINE {
                let message = format!("a line is longer than {MAX_LINE} bytes");
                return Err(BusError::Corrupt { path: path.display().to_string(), offset: length, message });
            }
            match serde_json::from_slice(&line) {
                Ok(record) if line.ends_with(b"\n") => log.apply(record),
                // Without its end the line was never accepted.
                _ if !line.ends_with(b"\n") => break,
                Ok(_) => break,
                Err(error) => {
                    // A tear may leave garbage with a line end in it only in what was never synced: the last lines.
                    if reader.fill_buf().map_err(fail)?.is_empty() {
                        break;
                    }
                    return Err(BusError::Corrupt {
                        path: path.display().to_string(),
                        offset: length,
                        message: error.to_string(),
                    });
                }
            }
            length += read as u64;
        }
        file.set_len(length).map_err(fail)?;
        file.seek(SeekFrom::Start(length)).map_err(fail)?;
        file.sync_all().map_err(fail)?;
        sync_parent(&path).map_err(fail)?;
        Ok(Self { path, file: Box::new(file), length, rewritten: length, broken: None })
    }

    fn append(&mut self, lines: &[u8]) -> Result<(), String> {
        if let Some(message) = &self.broken {
            return Err(message.clone());
        }
        match self.file.append(lines) {
            Ok(()) => {
                self.length += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A full disk, say. What was written of it must not be taken for accepted later.
                let back = self.file.cut(self.length);
                if let Err(worse) = back {
                    self.broken = Some(format!("{error}; then {worse}: the bus must be opened again"));
                }
                Err(error.to_string())
            }
        }
    }

    fn is_due(&self) -> bool {
        self.length >= REWRITE_AT && self.length >= 2 * self.rewritten && self.broken.is_none()
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), std::io::Error> {
        let beside = self.path.with_extension("rewrite");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        // The lock goes with the file that carries the name.
        file.try_lock().map_err(std::io::Error::from)?;
        let mut lines = Vec::new();
        for record in records {
            serde_json::to_writer(&mut lines, record)?;
            lines.push(b'\n');
        }
        file.write_all(&lines)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        sync_parent(&self.path)?;
        self.length = lines.len() as u64;
        self.rewritten = self.length;
        self.file = Box::new(file);
        Ok(())
    }
}

fn sync_parent(path: &Path) -> Result<(), std::io::Error> {
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("group", &self.group).finish_non_exhaustive()
    }
}

impl fmt::Debug for FileBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBus({}, {} waiting)", self.path.display(), self.waiting())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk with so much room left, which may be asked to fail at cutting too.
    #[derive(Clone)]
    struct Small {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
        cuts: bool,
    }

    impl Disk for Small {
        fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
            let mut held = self.bytes.lock().unwrap();
            let fits = bytes.len().min(self.room.saturating_sub(held.len()));
            held.extend(&bytes[..fits]);
            if fits < bytes.len() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn cut(&mut self, length: u64) -> std::io::Result<()> {
            if !self.cuts {
                return Err(std::io::ErrorKind::ReadOnlyFilesystem.into());
            }
            self.bytes.lock().unwrap().truncate(length as usize);
            Ok(())
        }
    }

    fn journal(cuts: bool) -> (Journal, Small) {
        let disk = Small { bytes: Arc::default(), room: 10, cuts };
        let file = Box::new(disk.clone());
        (Journal { path: PathBuf::from("bus"), file, length: 0, rewritten: 0, broken: None }, disk)
    }

    #[test]
    fn a_full_disk_refuses_and_what_was_half_written_is_taken_back() {
        let (mut journal, disk) = journal(true);
        journal.append(b"12345\n").unwrap();
        assert!(journal.append(b"67890\n").is_err());
        assert_eq!(*disk.bytes.lock().unwrap(), b"12345\n");
        journal.append(b"abc\n").unwrap();
        assert_eq!(*disk.bytes.lock().unwrap(), b"12345\nabc\n");
    }

    #[test]
    fn a_journal_whose_end_is_not_known_accepts_nothing_more() {
        let (mut journal, _) = journal(false);
        assert!(journal.append(b"123456789012\n").is_err());
        assert!(journal.append(b"1\n").unwrap_err().contains("opened again"));
    }
}
