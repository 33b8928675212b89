//! Who carries operations out on a disk.

use crate::disk::{Disk, DiskFile};
use crate::plan::{DiskOp, File, Plan, ZEROS};
use crate::{LogError, Next, Writer};
use std::io;
use std::sync::Arc;

static NOTHING: [u8; ZEROS] = [0; ZEROS];

/// A disk, and the files that are in use on it.
pub struct Hands {
    disk: Arc<dyn Disk>,
    /// Few at any time.
    open: Vec<(File, Arc<dyn DiskFile>)>,
}

impl Hands {
    /// Hands that have nothing open.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: Vec::new() }
    }

    /// The file, if it is in use.
    #[must_use]
    pub fn held(&self, file: File) -> Option<&Arc<dyn DiskFile>> {
        self.open.iter().find(|(name, _)| *name == file).map(|(_, open)| open)
    }

    /// Closes all segments before this one.
    pub fn let_go_before(&mut self, generation: u64) {
        self.open.retain(|(file, _)| !matches!(file, File::Segment(older) if *older < generation));
    }

    fn file(&mut self, file: File) -> io::Result<&Arc<dyn DiskFile>> {
        let at = match self.open.iter().position(|(name, _)| *name == file) {
            Some(at) => at,
            None => {
                let opened = self.disk.open(&file.name())?;
                self.open.push((file, opened));
                self.open.len() - 1
            }
        };
        Ok(&self.open[at].1)
    }

    /// Carries one operation out.
    ///
    /// # Errors
    /// As the system says; nothing is known then about what has become of the file.
    pub fn perform(&mut self, op: &DiskOp) -> io::Result<()> {
        match op {
            DiskOp::Create(file) => {
                self.open.retain(|(name, _)| name != file);
                let made = self.disk.create(&file.name())?;
                self.open.push((*file, made));
                Ok(())
            }
            DiskOp::Write { file, offset, bytes } => self.file(*file)?.write_at(bytes, *offset),
            DiskOp::Zeros { file, offset, len } => {
                let zeros = NOTHING.get(..*len).ok_or(io::ErrorKind::InvalidInput)?;
                self.file(*file)?.write_at(zeros, *offset)
            }
            DiskOp::Sync(file) => self.file(*file)?.sync(),
            DiskOp::Rename { from, to } => {
                self.open.retain(|(name, _)| name != to);
                self.disk.rename(&from.name(), &to.name())?;
                // Only segments are written under the name that they get.
                self.open.retain(|(name, _)| name != from || matches!(to, File::Segment(_)));
                for (name, _) in &mut self.open {
                    if name == from {
                        *name = *to;
                    }
                }
                Ok(())
            }
            DiskOp::Remove(file) => {
                self.open.retain(|(name, _)| name != file);
                self.disk.remove(&file.name())
            }
            DiskOp::SyncNames => self.disk.sync_dir(),
        }
    }

    /// Carries a plan out.
    ///
    /// # Errors
    /// [`LogError::Io`]: the first operation that failed.
    pub fn carry_out(&mut self, mut plan: Plan) -> Result<(), LogError> {
        while let Some(op) = plan.poll_op() {
            let result = self.perform(op);
            plan.handle_done(result)?;
        }
        Ok(())
    }

    /// Carries out what a writer asks for. `preparation` waits for the segment that is being prepared elsewhere, if the writer
    /// has need of it.
    ///
    /// # Errors
    /// [`LogError`]: the first operation that failed, or the preparation.
    pub fn serve(
        &mut self,
        writer: &mut Writer,
        preparation: &mut dyn FnMut() -> Result<(), LogError>,
    ) -> Result<(), LogError> {
        loop {
            match writer.poll() {
                Next::Op(op) => {
                    let result = self.perform(op);
                    writer.handle_done(result)?;
                }
                Next::Preparation => writer.handle_prepared(preparation())?,
                Next::Nothing => return Ok(()),
            }
        }
    }
}
