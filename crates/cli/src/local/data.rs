//! The folder of a local run: the tables, where the run stands, and who has it open.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a run reads its series from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// The simulated application.
    Simulation,
    /// Files.
    Replay {
        /// As it was named.
        path: PathBuf,
        /// Of the content.
        digest: u64,
    },
    /// Real `CloudWatch`.
    CloudWatch,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// What it reads.
    pub origin: Origin,
    /// The time up to which it has come.
    pub at: Timestamp,
    /// Whether it has come to its end.
    pub complete: bool,
}

/// A folder that this process has to itself.
#[derive(Debug)]
pub struct Data {
    folder: PathBuf,
    _lock: File,
}

impl Data {
    /// Opens or makes the folder. Fails when another process has it.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        match Self::try_open(folder)? {
            Some(data) => Ok(data),
            None => bail!(
                "{} is in use by another monitorctl; wait for it, or name another folder with --data",
                folder.display()
            ),
        }
    }

    /// Opens or makes the folder; `None` when another process has it.
    pub fn try_open(folder: &Path) -> anyhow::Result<Option<Self>> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.with_context(|| format!("cannot write {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { folder: folder.to_owned(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// The file of the tables.
    pub fn tables(&self) -> PathBuf {
        tables(&self.folder)
    }

    /// The file of what actions change, which stands in for an AWS account.
    pub fn targets(&self) -> PathBuf {
        targets(&self.folder)
    }

    /// Where the last run stands.
    pub fn position(&self) -> anyhow::Result<Option<Position>> {
        position(&self.folder)
    }

    /// Says where the run stands, in one step, so that a crash leaves the old word or the new one.
    pub fn set_position(&self, position: &Position) -> anyhow::Result<()> {
        let (path, fresh) = (self.folder.join("position.json"), self.folder.join("position.json.new"));
        std::fs::write(&fresh, serde_json::to_vec(position)?)
            .with_context(|| format!("cannot write {}", fresh.display()))?;
        std::fs::rename(&fresh, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Says where the tables are served, for other processes.
    pub fn set_endpoint(&self, endpoint: Option<&str>) -> anyhow::Result<()> {
        let path = self.folder.join("endpoint");
        match endpoint {
            Some(endpoint) => {
                std::fs::write(&path, endpoint).with_context(|| format!("cannot write {}", path.display()))
            }
            None => remove(&path),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) -> anyhow::Result<()> {
        for name in
            ["dynamodb.sqlite", "dynamodb.sqlite-wal", "dynamodb.sqlite-shm", "position.json", "endpoint", TARGETS]
        {
            remove(&self.folder.join(name))?;
        }
        Ok(())
    }
}

/// The file of the tables of a folder.
pub fn tables(folder: &Path) -> PathBuf {
    folder.join("dynamodb.sqlite")
}

const TARGETS: &str = "aws.json";

/// The file of what actions change in a folder, whoever has it open.
pub fn targets(folder: &Path) -> PathBuf {
    folder.join(TARGETS)
}

/// Where the last run in a folder stands, whoever has it open.
pub fn position(folder: &Path) -> anyhow::Result<Option<Position>> {
    let path = folder.join("position.json");
    match std::fs::read(&path) {
        Ok(json) => {
            let position = serde_json::from_slice(&json);
            Ok(Some(position.with_context(|| format!("{} cannot be read; start over with --fresh", path.display()))?))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Where the process that has the folder open serves its tables.
pub fn endpoint(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join("endpoint")).ok().filter(|endpoint| endpoint.starts_with("http://127.0.0.1:"))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
