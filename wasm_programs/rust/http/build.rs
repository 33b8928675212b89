//! wasi-libc's `poll` keeps its arrays on the stack, about 130 bytes per descriptor: room for some 50,000 connections.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("wasi") {
        println!("cargo::rustc-link-arg-bins=-zstack-size=8388608");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
