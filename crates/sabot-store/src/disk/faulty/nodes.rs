//! Files and directories in memory, each with what is durable of it and what has happened since.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};

use super::Random;

/// All files and directories ever made, by number; an open file stays usable after its name is gone.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Node>);

#[derive(Debug)]
enum Node {
    File(FileNode),
    Dir(DirNode),
}

#[derive(Debug, Default)]
struct FileNode {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<FileChange>,
}

/// A change to a file's bytes that is not durable yet.
#[derive(Debug)]
pub(super) enum FileChange {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

#[derive(Debug, Default)]
struct DirNode {
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<DirChange>,
}

#[derive(Clone, Debug)]
enum DirChange {
    Add(String, usize),
    Remove(String),
    Rename(String, String),
}

const ROOT: usize = 0;

impl Default for Nodes {
    fn default() -> Self {
        Self(vec![Node::Dir(DirNode::default())])
    }
}

impl FileChange {
    /// Applies it, of a write only the first `limit` bytes.
    fn apply(&self, bytes: &mut Vec<u8>, limit: usize) {
        match self {
            Self::SetLen(len) => bytes.resize(usize::try_from(*len).unwrap_or(usize::MAX), 0),
            Self::Write { offset, data } => {
                let kept = data.get(..limit.min(data.len())).unwrap_or_default();
                let start = usize::try_from(*offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(kept.len());
                if !kept.is_empty() && bytes.len() < end {
                    bytes.resize(end, 0);
                }
                if let Some(place) = bytes.get_mut(start..end) {
                    place.copy_from_slice(kept);
                }
            }
        }
    }
}

impl DirChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl DirNode {
    fn change(&mut self, change: DirChange) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

fn names_of(path: &Path) -> impl Iterator<Item = String> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    })
}

impl Nodes {
    fn dir(&self, node: usize) -> Option<&DirNode> {
        match self.0.get(node) {
            Some(Node::Dir(dir)) => Some(dir),
            _ => None,
        }
    }

    fn dir_mut(&mut self, node: usize) -> io::Result<&mut DirNode> {
        match self.0.get_mut(node) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&self, node: usize) -> io::Result<&FileNode> {
        match self.0.get(node) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn file_mut(&mut self, node: usize) -> io::Result<&mut FileNode> {
        match self.0.get_mut(node) {
            Some(Node::File(file)) => Ok(file),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        let step = |node: usize, name: String| self.dir(node)?.live.get(&name).copied();
        names_of(path).try_fold(ROOT, step).ok_or_else(|| not_found(path))
    }

    pub(super) fn dir_at(&self, path: &Path) -> io::Result<usize> {
        let node = self.find(path)?;
        self.dir(node).map(|_| node).ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }

    pub(super) fn file_at(&self, path: &Path) -> io::Result<usize> {
        let node = self.find(path)?;
        self.file(node).map(|_| node)
    }

    fn add(&mut self, dir: usize, name: String, node: Node) -> io::Result<usize> {
        let number = self.0.len();
        self.0.push(node);
        self.dir_mut(dir)?.change(DirChange::Add(name, number));
        Ok(number)
    }

    pub(super) fn make_dirs(&mut self, path: &Path) -> io::Result<usize> {
        let mut node = ROOT;
        for name in names_of(path) {
            let next = self.dir_mut(node)?.live.get(&name).copied();
            node = match next {
                Some(next) => next,
                None => self.add(node, name, Node::Dir(DirNode::default()))?,
            };
        }
        self.dir_mut(node).map(|_| node)
    }

    fn parent_and_name(&self, path: &Path) -> io::Result<(usize, String)> {
        let name = names_of(path).last().ok_or_else(|| not_found(path))?;
        let parent = path.parent().map_or(Ok(ROOT), |parent| self.dir_at(parent))?;
        Ok((parent, name))
    }

    pub(super) fn make_file(&mut self, path: &Path) -> io::Result<usize> {
        let (parent, name) = self.parent_and_name(path)?;
        self.add(parent, name, Node::File(FileNode::default()))
    }

    pub(super) fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.parent_and_name(path)?;
        self.dir_mut(parent)?.change(DirChange::Remove(name));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let ((parent, old), (target, new)) = (self.parent_and_name(from)?, self.parent_and_name(to)?);
        if parent != target {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.dir_mut(parent)?.change(DirChange::Rename(old, new));
        Ok(())
    }

    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        match self.dir_at(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            found => Ok(self.dir(found?).map(|dir| dir.live.keys().cloned().collect()).unwrap_or_default()),
        }
    }

    pub(super) fn len(&self, node: usize) -> io::Result<u64> {
        Ok(self.file(node)?.live.len() as u64)
    }

    pub(super) fn read(&self, node: usize, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let end = start.saturating_add(bytes.len());
        let found = self.file(node)?.live.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    pub(super) fn change(&mut self, node: usize, change: FileChange) -> io::Result<()> {
        let file = self.file_mut(node)?;
        change.apply(&mut file.live, usize::MAX);
        file.pending.push(change);
        Ok(())
    }

    pub(super) fn corrupt(&mut self, node: usize, offset: usize) -> io::Result<()> {
        let file = self.file_mut(node)?;
        for bytes in [&mut file.live, &mut file.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 0xFF;
            }
        }
        file.live.get(offset).map(drop).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    pub(super) fn sync_file(&mut self, node: usize) -> io::Result<()> {
        let file = self.file_mut(node)?;
        for change in std::mem::take(&mut file.pending) {
            change.apply(&mut file.durable, usize::MAX);
        }
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, node: usize) {
        if let Some(Node::Dir(dir)) = self.0.get_mut(node) {
            dir.durable.clone_from(&dir.live);
            dir.pending.clear();
        }
    }

    /// Bytes of all files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        let mut total = 0;
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop().and_then(|node| self.dir(node)) {
            for node in dir.live.values() {
                match self.file(*node) {
                    Ok(file) => total += file.live.len() as u64,
                    Err(_) => dirs.push(*node),
                }
            }
        }
        total
    }

    /// What a power cut leaves; everything in it is durable.
    pub(super) fn survivors(&self, random: &mut Random) -> Self {
        Self(self.0.iter().map(|node| node.survivor(random)).collect())
    }
}

impl Node {
    fn survivor(&self, random: &mut Random) -> Self {
        match self {
            Self::File(file) => {
                let mut bytes = file.durable.clone();
                for change in &file.pending {
                    match (change, random.below(3)) {
                        (_, 0) => {}
                        (FileChange::Write { data, .. }, 1) => change.apply(&mut bytes, random.below(data.len() + 1)),
                        _ => change.apply(&mut bytes, usize::MAX),
                    }
                }
                Self::File(FileNode { live: bytes.clone(), durable: bytes, pending: Vec::new() })
            }
            Self::Dir(dir) => {
                let mut names = dir.durable.clone();
                let kept = random.below(dir.pending.len() + 1);
                dir.pending.iter().take(kept).for_each(|change| change.apply(&mut names));
                Self::Dir(DirNode { live: names.clone(), durable: names, pending: Vec::new() })
            }
        }
    }
}
