//! Wrong use is an error of the compiler, at its place, and says what to do.

#[test]
fn wrong_use_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
