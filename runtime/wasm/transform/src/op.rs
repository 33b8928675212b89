//! What an operator is: its name, the proposal that it belongs to, and the class of work that it is priced by.
//!
//! Everything that depends on *which* of the some six hundred operators stands in a body is decided here, so that no pass needs a
//! list of its own and an operator that nobody thought of has no class, hence no price, hence no way in.

use wasmparser::Operator;

/// Name of an operator as the parser spells it, and its proposal in lower case (`mvp`, `simd`, `threads`, …).
pub fn describe(op: &Operator<'_>) -> (&'static str, &'static str) {
    macro_rules! table {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $( Operator::$op { .. } => (stringify!($op), stringify!($proposal)), )*
                _ => ("unknown operator", "unknown"),
            }
        };
    }
    wasmparser::for_each_operator!(table)
}

/// Whether the operator computes with, moves or names floating-point numbers.
pub fn is_float(op: &Operator<'_>) -> bool {
    use wasmparser::{BlockType, ValType};
    match op {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
            matches!(blockty, BlockType::Type(ValType::F32 | ValType::F64))
        }
        Operator::TypedSelect { ty } => matches!(ty, ValType::F32 | ValType::F64),
        _ => by_name(op).1,
    }
}

/// A class of work. Each has one price in the gas table, so a table is a page and not a book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Structure only: no machine instruction comes of it.
    Free,
    /// Constants, locals, integer arithmetic and comparisons, `select`, conversions between integers.
    Simple,
    /// Integer multiplication.
    Multiply,
    /// Integer division and remainder.
    Divide,
    /// Reading or writing a global.
    Global,
    /// A load from memory.
    Load,
    /// A store to memory.
    Store,
    /// `br`, `br_if`, `if`, `return`.
    Branch,
    /// `br_table`.
    Switch,
    /// A call whose target is known.
    Call,
    /// A call through a table.
    CallIndirect,
    /// Floating point but for the next class.
    Float,
    /// Floating-point division, square root and rounding.
    FloatSlow,
    /// A vector operation.
    Vector,
    /// Access to one element of a table, and references.
    Table,
    /// An operation whose work is its operand: the base of its own rate, [`bulk`].
    Bulk(Bulk),
}

/// Operations priced by an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bulk {
    /// `memory.copy`, by bytes.
    MemoryCopy,
    /// `memory.fill`, by bytes.
    MemoryFill,
    /// `memory.init`, by bytes.
    MemoryInit,
    /// `memory.grow`, by pages.
    MemoryGrow,
    /// `table.copy`, by elements.
    TableCopy,
    /// `table.fill`, by elements.
    TableFill,
    /// `table.init`, by elements.
    TableInit,
    /// `table.grow`, by elements.
    TableGrow,
}

/// The operation whose work is its last operand, if it is one.
pub fn bulk(op: &Operator<'_>) -> Option<Bulk> {
    Some(match op {
        Operator::MemoryCopy { .. } => Bulk::MemoryCopy,
        Operator::MemoryFill { .. } => Bulk::MemoryFill,
        Operator::MemoryInit { .. } => Bulk::MemoryInit,
        Operator::MemoryGrow { .. } => Bulk::MemoryGrow,
        Operator::TableCopy { .. } => Bulk::TableCopy,
        Operator::TableFill { .. } => Bulk::TableFill,
        Operator::TableInit { .. } => Bulk::TableInit,
        Operator::TableGrow { .. } => Bulk::TableGrow,
        _ => return None,
    })
}

/// The class of an operator; `None` for everything that a contract may not contain whatever the settings.
pub fn class(op: &Operator<'_>) -> Option<Class> {
    use Operator as O;
    if let Some(bulk) = bulk(op) {
        return Some(Class::Bulk(bulk));
    }
    Some(match op {
        O::Nop | O::Block { .. } | O::Loop { .. } | O::Else | O::End | O::Unreachable | O::Drop => Class::Free,
        O::Br { .. } | O::BrIf { .. } | O::If { .. } | O::Return => Class::Branch,
        O::BrTable { .. } => Class::Switch,
        O::Call { .. } | O::ReturnCall { .. } => Class::Call,
        O::CallIndirect { .. } | O::ReturnCallIndirect { .. } => Class::CallIndirect,
        O::GlobalGet { .. } | O::GlobalSet { .. } => Class::Global,
        O::I32Mul | O::I64Mul => Class::Multiply,
        O::I32DivS | O::I32DivU | O::I32RemS | O::I32RemU | O::I64DivS | O::I64DivU | O::I64RemS | O::I64RemU => {
            Class::Divide
        }
        O::F32Div | O::F64Div | O::F32Sqrt | O::F64Sqrt => Class::FloatSlow,
        O::F32Ceil | O::F64Ceil | O::F32Floor | O::F64Floor => Class::FloatSlow,
        O::F32Trunc | O::F64Trunc | O::F32Nearest | O::F64Nearest => Class::FloatSlow,
        O::MemorySize { .. } | O::TableSize { .. } | O::DataDrop { .. } | O::ElemDrop { .. } => Class::Table,
        O::TableGet { .. } | O::TableSet { .. } => Class::Table,
        O::RefNull { .. } | O::RefIsNull | O::RefFunc { .. } => Class::Table,
        _ => return by_name(op).0,
    })
}

/// What the name and the proposal of an operator say about it: its class, where it is not listed above, and whether it is floating point. Decided
/// at compile time, since every operator is asked about several times.
fn by_name(op: &Operator<'_>) -> (Option<Class>, bool) {
    macro_rules! table {
        ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
            match op {
                $( Operator::$op { .. } => const { classify(stringify!($op), stringify!($proposal)) }, )*
                _ => (None, false),
            }
        };
    }
    wasmparser::for_each_operator!(table)
}

const fn classify(name: &str, proposal: &str) -> (Option<Class>, bool) {
    let float = has(name, "F32") || has(name, "F64");
    let class = if has(proposal, "relaxed_simd") {
        None
    } else if has(proposal, "simd") {
        Some(Class::Vector)
    } else if has(proposal, "mvp")
        || has(proposal, "sign_extension")
        || has(proposal, "saturating_float_to_int")
        || has(proposal, "reference_types")
    {
        if has(name, "Load") {
            Some(Class::Load)
        } else if has(name, "Store") {
            Some(Class::Store)
        } else if float {
            Some(Class::Float)
        } else {
            Some(Class::Simple)
        }
    } else {
        None
    };
    (class, float)
}

/// Whether a text contains another.
const fn has(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    let mut at = 0;
    while at + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[at + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        at += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmparser::{Ieee32, MemArg};

    fn memarg() -> MemArg {
        MemArg { align: 0, max_align: 0, offset: 0, memory: 0 }
    }

    #[test]
    fn a_name_and_a_proposal() {
        assert_eq!(describe(&Operator::I32Add), ("I32Add", "mvp"));
        assert_eq!(describe(&Operator::I32x4Add), ("I32x4Add", "simd"));
        assert_eq!(describe(&Operator::AtomicFence), ("AtomicFence", "threads"));
        assert_eq!(describe(&Operator::I8x16RelaxedSwizzle), ("I8x16RelaxedSwizzle", "relaxed_simd"));
    }

    #[test]
    fn classes() {
        assert_eq!(class(&Operator::I32Load8S { memarg: memarg() }), Some(Class::Load));
        assert_eq!(class(&Operator::F64Store { memarg: memarg() }), Some(Class::Store));
        assert_eq!(class(&Operator::I64Rotl), Some(Class::Simple));
        assert_eq!(class(&Operator::I64RemU), Some(Class::Divide));
        assert_eq!(class(&Operator::F32Const { value: Ieee32::from(1.0) }), Some(Class::Float));
        assert_eq!(class(&Operator::F64Sqrt), Some(Class::FloatSlow));
        assert_eq!(class(&Operator::I64TruncSatF64U), Some(Class::Float));
        assert_eq!(class(&Operator::F32x4Mul), Some(Class::Vector));
        assert_eq!(class(&Operator::TableGrow { table: 0 }), Some(Class::Bulk(Bulk::TableGrow)));
    }

    #[test]
    fn what_contracts_may_not_contain_has_no_class() {
        for op in [
            Operator::AtomicFence,
            Operator::I8x16RelaxedSwizzle,
            Operator::RefEq,
            Operator::I64Add128,
            Operator::ThrowRef,
            Operator::MemoryAtomicNotify { memarg: memarg() },
            Operator::CallRef { type_index: 0 },
        ] {
            assert_eq!(class(&op), None, "{op:?}");
        }
    }

    #[test]
    fn floats_are_seen_wherever_they_hide() {
        assert!(is_float(&Operator::I32TruncF32S));
        assert!(is_float(&Operator::I64ReinterpretF64));
        assert!(is_float(&Operator::F64x2Add));
        assert!(is_float(&Operator::TypedSelect { ty: wasmparser::ValType::F32 }));
        assert!(!is_float(&Operator::I32Const { value: 64 }));
    }
}
