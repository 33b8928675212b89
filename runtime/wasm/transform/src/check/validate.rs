//! The validator, with exactly the features that the settings allow, and what it knows on the way: how high the operands of each function stack.

use crate::module::invalid;
use crate::settings::Settings;
use crate::verdict::Verdict;
use wasmparser::{BinaryReaderError, FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures};

/// The language of contracts.
pub(crate) fn features(settings: &Settings) -> WasmFeatures {
    let mut features = WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::TAIL_CALL;
    features.set(WasmFeatures::FLOATS, settings.floats);
    features.set(WasmFeatures::SIMD, settings.simd);
    features
}

/// Validates, and returns the deepest operand stack of each defined function. Time: linear in the bytes, but for operands of branches, whose
/// number the limits bound.
pub(crate) fn operand_heights(wasm: &[u8], settings: &Settings, verdict: &mut Verdict) -> Option<Vec<u32>> {
    match heights(wasm, features(settings)) {
        Ok(heights) => Some(heights),
        Err(error) => {
            // If a feature that has been complained about is all that is wrong, it has been said already.
            let any = WasmFeatures::all();
            match heights(wasm, any) {
                Err(error) => verdict.add(invalid(&error)),
                Ok(_) if verdict.is_empty() => verdict.add(invalid(&error)),
                Ok(_) => {}
            }
            None
        }
    }
}

fn heights(wasm: &[u8], features: WasmFeatures) -> Result<Vec<u32>, BinaryReaderError> {
    let mut validator = Validator::new_with_features(features);
    let mut allocations = FuncValidatorAllocations::default();
    let mut heights = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let ValidPayload::Func(function, body) = validator.payload(&payload?)? else { continue };
        let mut function = function.into_validator(allocations);
        let mut reader = body.get_binary_reader();
        function.read_locals(&mut reader)?;
        reader.set_features(features);
        let mut highest = 0;
        while !reader.eof() {
            let at = reader.original_position();
            reader.visit_operator(&mut function.visitor(at))??;
            highest = highest.max(function.operand_stack_height());
        }
        reader.finish_expression(&function.visitor(reader.original_position()))?;
        heights.push(highest);
        allocations = function.into_allocations();
    }
    Ok(heights)
}
