//! How much stack a frame takes, in a measure that no compiler and no machine has a say in.
//!
//! A frame is its parameters, its locals and the deepest that its operands stack, at eight bytes each, or sixteen in a function that
//! touches vectors or a module that passes them, and 32 bytes for itself. Compiled code usually takes less (values live in registers) and sometimes more (spills, padding),
//! so the native stack has to be several times the limit; a test of the host makes the deepest recursion that the limit allows.

use crate::module::Module;
use crate::op::{self, Class};
use crate::settings::Settings;
use crate::verdict::{Complaint, Verdict};
use wasmparser::ValType;

/// Bytes that every frame takes.
pub const FRAME: u64 = 32;

/// Bytes of one frame of each defined function, by the highest stack of its operands. Complains about those that no stack could hold.
pub(crate) fn frames(module: &Module<'_>, heights: &[u32], settings: &Settings, verdict: &mut Verdict) -> Vec<u32> {
    // A vector can also come from a call, without a vector operation in sight.
    let any_vector = |ty: &wasmparser::FuncType| ty.params().iter().chain(ty.results()).any(|ty| *ty == ValType::V128);
    let vectors_pass = module.types.iter().any(any_vector);
    let limit = u64::from(settings.bounds.stack_bytes);
    let imported = module.imported_count();
    let mut frames = Vec::with_capacity(module.code.len());
    for ((body, &height), index) in module.code.iter().zip(heights).zip(imported..) {
        let params = module.function_type(index).map_or(&[][..], |ty| ty.params());
        let vector = |ty: &ValType| *ty == ValType::V128;
        let wide = vectors_pass
            || body.locals.iter().any(|(_, ty)| vector(ty))
            || body.ops.iter().any(|op| op::class(op) == Some(Class::Vector));
        let values = params.len() as u64 + u64::from(body.local_count()) + u64::from(height);
        let bytes = FRAME + values * if wide { 16 } else { 8 };
        if bytes > limit {
            verdict.add(Complaint::Frame { function: module.name_of(index), bytes, limit });
        }
        // Beyond the limit it has been complained about; below, it fits.
        frames.push(u32::try_from(bytes).unwrap_or(u32::MAX));
    }
    frames
}
