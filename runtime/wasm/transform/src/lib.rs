//! One model of a wasm module, and passes over it. Pure: bytes in, bytes out.
