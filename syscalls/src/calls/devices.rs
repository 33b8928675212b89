//! Devices: `/dev/null`, `/dev/zero`, `/dev/full`, `/dev/random` and `/dev/urandom`.

use super::{Ctx, Stop};
use crate::abi::Errno;
use crate::fs::Device;

impl Ctx<'_> {
    /// Reads a device into the buffers in the scratch space. Random numbers are those that `random_get` goes on with.
    pub(super) fn read_device(&mut self, device: Device) -> Result<u32, Stop> {
        if device == Device::Null {
            self.fruitless();
            return Ok(0);
        }
        for range in &self.scratch.iovecs {
            let part = &mut self.memory[range.clone()];
            match device {
                Device::Random => self.process.random.fill(part),
                Device::Null | Device::Zero | Device::Full => part.fill(0),
            }
            self.moved.data(part);
        }
        self.spend();
        self.fruitful();
        Ok(self.moved_u32())
    }

    /// Writes the buffers in the scratch space to a device.
    pub(super) fn write_device(&mut self, device: Device) -> Result<u32, Stop> {
        if device == Device::Full {
            return Err(Errno::NoSpc.into());
        }
        for range in &self.scratch.iovecs {
            self.moved.data(&self.memory[range.clone()]);
        }
        self.spend();
        self.fruitful();
        Ok(self.moved_u32())
    }
}
