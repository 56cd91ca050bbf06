//! The thread that writes: as many changes to a transaction as came while the last one was under way.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use redb::{Database, Durability};
use tokio::sync::watch;

use super::{EVENTS, META, OBJECTS, PersistError, encode, key_of};
use crate::store::{Event, EventKind};

/// How many changes go into one transaction at most.
const BATCH: usize = 4096;
/// How many logs of a resource's length are kept on disk, of all resources together.
const LOGS: u64 = 4;
/// The log on disk is cut by so many revisions at a time.
const CUT: u64 = 256;

/// What is on disk.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The last revision that survives.
    revision: u64,
    /// Compactions carried out.
    compactions: u64,
    /// Why there will be no more.
    failed: Option<Arc<str>>,
}

/// An open store on disk. Clones are handles on the same; the file is closed with the last [`Disk`].
#[derive(Debug)]
pub(crate) struct Disk {
    queue: Option<Sender<Job>>,
    compactions: u64,
    durable: Durable,
    thread: Option<JoinHandle<()>>,
}

/// Waits for revisions to be on disk.
#[derive(Clone, Debug)]
pub(crate) struct Durable(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    progress: Mutex<Progress>,
    moved: Condvar,
    /// The same for tasks; the number only says that something moved.
    wakes: watch::Sender<u64>,
}

enum Job {
    /// A change, with the count of random draws behind it.
    Write(Arc<Event>, u64),
    /// Forgets the events up to a revision.
    Compact(u64),
}

struct Writer {
    database: Database,
    capacity: u64,
    compacted: u64,
}

// === impl Disk ===

impl Disk {
    pub(super) fn start(database: Database, path: String, capacity: u64, revision: u64, compacted: u64) -> Self {
        let (queue, jobs) = channel();
        let progress = Mutex::new(Progress { revision, ..Progress::default() });
        let durable = Durable(Arc::new(Shared { progress, moved: Condvar::new(), wakes: watch::Sender::new(0) }));
        let shared = durable.clone();
        let thread = std::thread::Builder::new().name("argo-embedded-disk".to_owned()).spawn(move || {
            Writer { database, capacity, compacted }.run(&jobs, &path, &shared);
        });
        if let Err(error) = &thread {
            durable.fail(&format!("no thread for it: {error}"));
        }
        Self { queue: Some(queue), compactions: 0, durable, thread: thread.ok() }
    }

    /// The handle that waits.
    pub(crate) fn durable(&self) -> Durable {
        self.durable.clone()
    }

    /// Hands a change over; it survives once [`Durable`] says so.
    ///
    /// # Errors
    /// An earlier write failed.
    pub(crate) fn write(&self, event: Arc<Event>, drawn: u64) -> Result<(), PersistError> {
        self.hand(Job::Write(event, drawn))
    }

    /// Forgets the events up to `revision`. Returns what to wait for.
    ///
    /// # Errors
    /// An earlier write failed.
    pub(crate) fn compact(&mut self, revision: u64) -> Result<u64, PersistError> {
        self.hand(Job::Compact(revision))?;
        self.compactions += 1;
        Ok(self.compactions)
    }

    fn hand(&self, job: Job) -> Result<(), PersistError> {
        self.durable.0.progress.lock().check()?;
        let gone = || PersistError::Failed { why: "its writer has ended".into() };
        self.queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())
    }
}

impl Drop for Disk {
    /// Writes what is left, and gives the file free.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

// === impl Progress ===

impl Progress {
    fn check(&self) -> Result<(), PersistError> {
        self.failed.as_ref().map_or(Ok(()), |why| Err(PersistError::Failed { why: why.clone() }))
    }

    /// Whether a revision is on disk; an error if it will never be.
    fn reached(&self, revision: u64) -> Result<bool, PersistError> {
        if self.revision >= revision { Ok(true) } else { self.check().map(|()| false) }
    }
}

// === impl Durable ===

impl Durable {
    /// Waits until a revision is on disk. Leaves the runtime idle meanwhile: not for virtual time.
    ///
    /// # Errors
    /// It will never be.
    pub(crate) async fn reached(&self, revision: u64) -> Result<(), PersistError> {
        let mut wakes = None;
        loop {
            if self.0.progress.lock().reached(revision)? {
                return Ok(());
            }
            // Subscribed before the second look, so that no move is missed.
            match &mut wakes {
                None => wakes = Some(self.0.wakes.subscribe()),
                Some(wakes) => {
                    // The sender lives as long as this handle.
                    let _ = wakes.changed().await;
                }
            }
        }
    }

    /// As [`Durable::reached`], blocking the thread.
    pub(crate) fn wait(&self, revision: u64) -> Result<(), PersistError> {
        let mut progress = self.0.progress.lock();
        while !progress.reached(revision)? {
            self.0.moved.wait(&mut progress);
        }
        Ok(())
    }

    /// Waits for a compaction, blocking the thread.
    pub(crate) fn wait_compacted(&self, compaction: u64) -> Result<(), PersistError> {
        let mut progress = self.0.progress.lock();
        while progress.compactions < compaction {
            progress.check()?;
            self.0.moved.wait(&mut progress);
        }
        Ok(())
    }

    fn advance(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.0.progress.lock());
        self.0.moved.notify_all();
        self.0.wakes.send_modify(|count| *count += 1);
    }

    fn fail(&self, why: &str) {
        self.advance(|progress| progress.failed = Some(why.into()));
    }
}

// === impl Writer ===

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>, path: &str, durable: &Durable) {
        while let Ok(first) = jobs.recv() {
            let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(BATCH - 1)).collect();
            if let Err(error) = self.write(&batch) {
                tracing::error!(path, %error, "the store could not be written");
                durable.fail(&format!("{path}: {error}"));
                // Whoever comes now is told so.
                return;
            }
            durable.advance(|progress| {
                for job in &batch {
                    match job {
                        Job::Write(event, _) => progress.revision = event.revision,
                        Job::Compact(_) => progress.compactions += 1,
                    }
                }
            });
        }
    }

    fn write(&mut self, batch: &[Job]) -> Result<(), redb::Error> {
        let mut write = self.database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        {
            let mut objects = write.open_table(OBJECTS)?;
            let mut events = write.open_table(EVENTS)?;
            let mut meta = write.open_table(META)?;
            let mut last = None;
            let mut compacted = self.compacted;
            for job in batch {
                let (event, drawn) = match job {
                    Job::Compact(revision) => {
                        compacted = compacted.max(*revision);
                        continue;
                    }
                    Job::Write(event, drawn) => (event, drawn),
                };
                let key = key_of(event);
                match event.kind {
                    EventKind::Deleted => {
                        objects.remove(key.as_str())?;
                    }
                    EventKind::Added | EventKind::Modified => {
                        objects.insert(key.as_str(), event.object.to_string().as_bytes())?;
                    }
                }
                events.insert(event.revision, encode(event).to_string().as_bytes())?;
                last = Some((event.revision, *drawn));
            }
            if let Some((revision, drawn)) = last {
                meta.insert("revision", revision)?;
                meta.insert("drawn", drawn)?;
                let oldest = revision.saturating_sub(self.capacity.saturating_mul(LOGS));
                if oldest >= compacted + CUT {
                    compacted = oldest;
                }
            }
            if compacted > self.compacted {
                events.retain_in(..=compacted, |_, _| false)?;
                meta.insert("compacted", compacted)?;
                self.compacted = compacted;
            }
        }
        write.commit()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::store::{GroupResource, ObjectKey, Op};

    /// A store on disk with a short log, and a resource in it.
    fn store(folder: &tempfile::TempDir, capacity: usize) -> (crate::persist::Restored, GroupResource) {
        let restored = crate::persist::open(&folder.path().join("store"), capacity, 0).expect("opened");
        (restored, GroupResource::new("", "things"))
    }

    #[test]
    fn changes_that_wait_share_a_transaction() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut restored, things) = store(&folder, 10_000);
        for number in 0..2000 {
            let op = Op::Create { key: ObjectKey::new(None, &number.to_string()), object: json!({ "n": number }) };
            let event = restored.store.apply(&things, op).expect("created");
            restored.disk.write(event, 0).expect("taken");
        }
        let durable = restored.disk.durable();
        durable.wait(2000).expect("on disk");
        let transactions = *durable.0.wakes.borrow();
        assert!(transactions < 1000, "{transactions} transactions for 2000 changes");
        drop(restored);
        assert_eq!(store(&folder, 10_000).0.store.count(&things), 2000);
    }

    #[test]
    fn log_and_file_stay_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut restored, things) = store(&folder, 100);
        let (key, text) = (ObjectKey::new(None, "one"), "x".repeat(1000));
        let create = Op::Create { key: key.clone(), object: json!({ "text": text }) };
        let event = restored.store.apply(&things, create).expect("created");
        restored.disk.write(event, 0).expect("taken");
        for round in 1..=20u64 {
            for _ in 0..1000 {
                let op = Op::Update { key: key.clone(), object: json!({ "text": text }), expected: None };
                let event = restored.store.apply(&things, op).expect("updated");
                restored.disk.write(event, round).expect("taken");
            }
            restored.disk.durable().wait(restored.store.revision()).expect("on disk");
        }
        drop(restored);
        let size = std::fs::metadata(folder.path().join("store")).expect("a file").len();
        // 20,000 events of 2 kB went through; 400 to 656 stay.
        assert!(size < 24 << 20, "{size} bytes");
        let (restored, _) = store(&folder, 1000);
        let revision = restored.store.revision();
        assert_eq!((revision, restored.drawn), (20_001, 20));
        assert!(restored.store.events_since(&things, revision - 400).is_ok_and(|events| events.len() == 400));
        assert!(restored.store.events_since(&things, revision - 700).is_err(), "older events are forgotten");
    }

    #[test]
    fn a_compaction_outlives_the_process() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut restored, things) = store(&folder, 100);
        let op = Op::Create { key: ObjectKey::new(None, "one"), object: json!({}) };
        let event = restored.store.apply(&things, op).expect("created");
        restored.disk.write(event, 0).expect("taken");
        let compaction = restored.disk.compact(1).expect("taken");
        restored.disk.durable().wait_compacted(compaction).expect("done");
        drop(restored);
        let (restored, _) = store(&folder, 100);
        assert!(restored.store.events_since(&things, 0).is_err());
        assert!(restored.store.events_since(&things, 1).is_ok_and(|events| events.is_empty()));
    }
}
