//! Puts the counters into a body.
//!
//! A body without loops charges where it stands, on the global. A body with loops keeps the gas in a local, so that a round of a loop touches no
//! memory, and writes it to the global before calls and on its way out:
//!
//! ```text
//! block $out_of_gas
//!   block $body -> results
//!     g := gas; …the body, its charges `g -= n; g < 0 -> br $out_of_gas`, its returns as branches here…
//!   end
//!   gas := g; return
//! end
//! gas := -1; unreachable
//! ```
//!
//! Where a host gives gas in slices ([`transform_sliced`](crate::transform_sliced)), a charge that finds too little asks it for more,
//! `g < 0 -> g := refill(g)`, and goes on.
//!
//! Labels of the body keep their depth, since `$body` stands where the function's own label stood. The stack needs no way out: who calls sets
//! what is left for the callee, and nobody reads it but a callee's entry.

use crate::gas::Charge;
use crate::module::{Additions, Body, Emit, Module, WriteError, block_of};
#[cfg(feature = "mutants")]
use crate::mutants::{Mutant, on};
use crate::op;
use crate::price::Rate;
use crate::settings::{OUT_OF_GAS, OUT_OF_STACK, Settings};
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{BlockType, Encode, Function, InstructionSink, ValType};
use wasmparser::Operator;

/// Indices that the counters of a module have.
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    /// The global with the gas.
    pub gas: u32,
    /// The global with the stack.
    pub stack: u32,
}

/// What memory operators become, where the memory is of a fixed number of bytes: to the program it has this many pages.
#[derive(Clone, Copy, Default)]
pub(crate) struct FixedMemory(pub Option<u32>);

/// One body on its way from the model into the output.
pub(crate) struct Meter<'m> {
    pub module: &'m Module<'m>,
    pub settings: &'m Settings,
    pub memory: FixedMemory,
    /// `None`: no counters, class fixed.
    pub counters: Option<Counters>,
    /// Price of each imported function.
    pub imported: &'m [Rate],
    /// Index, in what is written, of the function that is asked for more when the gas is used up; without it that is the end.
    pub refill: Option<u32>,
}

/// The additional locals of a metered body.
struct Locals {
    /// `i64`: gas, in a body with loops.
    gas: Option<u32>,
    /// `i32`: operand of a bulk operation or host call.
    units: Option<u32>,
    /// `i32`: stack left below this frame, in a body that calls.
    stack: Option<u32>,
    declared: Vec<(u32, ValType)>,
}

impl Meter<'_> {
    /// Writes a body with its counters.
    pub(crate) fn body(
        &self,
        index: u32,
        body: &Body<'_>,
        charges: &[Charge],
        frame: u32,
        additions: &mut Additions,
        emit: &mut Emit,
    ) -> Result<Function, WriteError> {
        let Some(counters) = self.counters else { return self.plain(body, emit) };
        let locals = self.locals(index, body, emit)?;
        let results = self.module.function_type(index).map_or(&[][..], |ty| ty.results());
        let around = match locals.gas {
            Some(_) => Some(block_of(results, self.module, additions, emit)?),
            None => None,
        };
        let mut w = Writer { bytes: Vec::new(), locals: &locals, counters, refill: self.refill, depth: 0 };
        w.open(around);
        let mut charges = charges.iter().copied().peekable();
        for (i, op) in body.ops.iter().enumerate() {
            while let Some(charge) = charges.next_if(|charge| charge.at == i) {
                w.charge(charge.gas);
            }
            if i == 0 {
                w.enter_frame(frame);
            }
            self.op(op, frame, &mut w, emit)?;
        }
        w.close();
        let mut function = Function::new(locals.declared.iter().copied());
        function.raw(w.bytes);
        Ok(function)
    }

    fn plain(&self, body: &Body<'_>, emit: &mut Emit) -> Result<Function, WriteError> {
        let mut bytes = Vec::new();
        for op in &body.ops {
            let mut out = sink(&mut bytes);
            match op {
                // A direct call goes where it went, also where references are redirected.
                Operator::Call { function_index } => _ = out.call(emit.place(*function_index)),
                Operator::ReturnCall { function_index } => _ = out.return_call(emit.place(*function_index)),
                _ if self.memory_op(op, &mut out) => {}
                _ => emit.instruction(op.clone())?.encode(&mut bytes),
            }
        }
        let mut function = Function::new(declared(body, emit)?);
        function.raw(bytes);
        Ok(function)
    }

    fn locals(&self, index: u32, body: &Body<'_>, emit: &mut Emit) -> Result<Locals, WriteError> {
        let params = self.module.function_type(index).map_or(0, |ty| ty.params().len() as u32);
        let mut next = params + body.local_count();
        let mut declared = declared(body, emit)?;
        let mut new = |wanted: bool, ty: ValType| {
            wanted.then(|| {
                declared.push((1, ty));
                next += 1;
                next - 1
            })
        };
        let gas = new(body.ops.iter().any(|op| matches!(op, Operator::Loop { .. })), ValType::I64);
        let units = new(body.ops.iter().any(|op| self.rate(op).is_some_and(|rate| rate.each > 0)), ValType::I32);
        let stack = new(body.ops.iter().any(is_call), ValType::I32);
        Ok(Locals { gas, units, stack, declared })
    }

    /// What is charged where an operator stands: the part that its operand decides, and all of a host call.
    fn rate(&self, op: &Operator<'_>) -> Option<Rate> {
        if let Some(bulk) = op::bulk(op) {
            return Some(Rate { base: 0, ..self.settings.gas.bulk(bulk) });
        }
        match op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                self.imported.get(*function_index as usize).copied()
            }
            _ => None,
        }
    }

    fn op(&self, op: &Operator<'_>, frame: u32, w: &mut Writer<'_>, emit: &mut Emit) -> Result<(), WriteError> {
        if let Some(rate) = self.rate(op) {
            w.charge_rate(rate);
        }
        match op {
            Operator::Call { function_index } => {
                w.before_call();
                sink(&mut w.bytes).call(emit.place(*function_index));
                w.after_call();
            }
            Operator::CallIndirect { .. } => {
                w.before_call();
                emit.instruction(op.clone())?.encode(&mut w.bytes);
                w.after_call();
            }
            Operator::ReturnCall { function_index } => {
                w.leave_frame(frame);
                sink(&mut w.bytes).return_call(emit.place(*function_index));
            }
            Operator::ReturnCallIndirect { .. } => {
                w.leave_frame(frame);
                emit.instruction(op.clone())?.encode(&mut w.bytes);
            }
            Operator::Return => w.leave(),
            _ if self.memory_op(op, &mut sink(&mut w.bytes)) => {}
            _ => {
                match op {
                    Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => w.depth += 1,
                    Operator::End => w.depth = w.depth.saturating_sub(1),
                    _ => {}
                }
                emit.instruction(op.clone())?.encode(&mut w.bytes);
            }
        }
        Ok(())
    }

    /// `memory.size` and `memory.grow` of a memory that has bytes instead of pages. True if the operator was one of them.
    fn memory_op(&self, op: &Operator<'_>, out: &mut InstructionSink<'_>) -> bool {
        let Some(pages) = self.memory.0 else { return false };
        match op {
            Operator::MemorySize { .. } => out.i32_const(pages.cast_signed()),
            Operator::MemoryGrow { .. } => {
                out.i32_eqz().if_(BlockType::Result(ValType::I32));
                out.i32_const(pages.cast_signed()).else_().i32_const(-1).end()
            }
            _ => return false,
        };
        true
    }
}

fn declared(body: &Body<'_>, emit: &mut Emit) -> Result<Vec<(u32, ValType)>, WriteError> {
    body.locals.iter().map(|(count, ty)| Ok((*count, emit.val_type(*ty)?))).collect()
}

fn is_call(op: &Operator<'_>) -> bool {
    matches!(
        op,
        Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
    )
}

fn sink(bytes: &mut Vec<u8>) -> InstructionSink<'_> {
    InstructionSink::new(bytes)
}

/// The instructions that the counters are made of.
struct Writer<'w> {
    bytes: Vec<u8>,
    locals: &'w Locals,
    counters: Counters,
    refill: Option<u32>,
    /// Constructs of the body that are open here, the function itself not counted.
    depth: u32,
}

impl Writer<'_> {
    fn open(&mut self, around: Option<BlockType>) {
        let (Some(around), Some(gas)) = (around, self.locals.gas) else { return };
        sink(&mut self.bytes).block(BlockType::Empty).block(around);
        sink(&mut self.bytes).global_get(self.counters.gas).local_set(gas);
    }

    /// Everything behind the last `end` of the body.
    fn close(&mut self) {
        let Some(gas) = self.locals.gas else { return };
        sink(&mut self.bytes).local_get(gas).global_set(self.counters.gas).return_().end();
        sink(&mut self.bytes).i64_const(OUT_OF_GAS).global_set(self.counters.gas).unreachable().end();
    }

    fn charge(&mut self, gas: u64) {
        // Prices and sizes are bounded so that sums stay below 2^57.
        let amount = i64::try_from(gas).unwrap_or(i64::MAX);
        self.fetch();
        sink(&mut self.bytes).i64_const(amount);
        self.settle();
    }

    /// Charges by the number on top of the operands, which stays there.
    fn charge_rate(&mut self, rate: Rate) {
        #[cfg(feature = "mutants")]
        let rate = if on(Mutant::FreeBulk) { Rate { each: 0, ..rate } } else { rate };
        let units = self.locals.units.filter(|_| rate.each > 0);
        if units.is_none() && rate.base == 0 {
            return;
        }
        if let Some(units) = units {
            sink(&mut self.bytes).local_tee(units);
        }
        self.fetch();
        if let Some(units) = units {
            sink(&mut self.bytes).local_get(units).i64_extend_i32_u();
            if rate.shift > 0 {
                sink(&mut self.bytes)
                    .i64_const((1 << rate.shift) - 1)
                    .i64_add()
                    .i64_const(rate.shift.into())
                    .i64_shr_u();
            }
            if rate.each > 1 {
                sink(&mut self.bytes).i64_const(rate.each.into()).i64_mul();
            }
            if rate.base > 0 {
                sink(&mut self.bytes).i64_const(rate.base.into()).i64_add();
            }
        } else {
            sink(&mut self.bytes).i64_const(rate.base.into());
        }
        self.settle();
    }

    /// Pushes the gas that is left.
    fn fetch(&mut self) {
        match self.locals.gas {
            Some(gas) => sink(&mut self.bytes).local_get(gas),
            None => sink(&mut self.bytes).global_get(self.counters.gas),
        };
    }

    /// Subtracts the top operand from the one below it, keeps the rest and ends the call if it is negative.
    fn settle(&mut self) {
        #[cfg(feature = "mutants")]
        let least = i64::from(on(Mutant::OffByOne));
        #[cfg(not(feature = "mutants"))]
        let least = 0;
        sink(&mut self.bytes).i64_sub();
        if let Some(refill) = self.refill {
            self.ask(refill, least);
            return;
        }
        match self.locals.gas {
            Some(gas) => {
                sink(&mut self.bytes).local_tee(gas).i64_const(least).i64_lt_s().br_if(self.depth + 1);
            }
            None => {
                sink(&mut self.bytes)
                    .global_set(self.counters.gas)
                    .global_get(self.counters.gas)
                    .i64_const(least)
                    .i64_lt_s();
                self.end_if(OUT_OF_GAS);
            }
        }
    }

    /// Keeps the top operand as the gas that is left, and asks for more if it is negative.
    fn ask(&mut self, refill: u32, least: i64) {
        let counter = self.counters.gas;
        if let Some(gas) = self.locals.gas {
            sink(&mut self.bytes).local_tee(gas).i64_const(least).i64_lt_s().if_(BlockType::Empty);
            sink(&mut self.bytes).local_get(gas).call(refill).local_set(gas).end();
        } else {
            sink(&mut self.bytes).global_set(counter).global_get(counter).i64_const(least).i64_lt_s();
            sink(&mut self.bytes).if_(BlockType::Empty);
            sink(&mut self.bytes).global_get(counter).call(refill).global_set(counter).end();
        }
    }

    /// Ends the call for a reason, if the top operand says so.
    fn end_if(&mut self, reason: i64) {
        sink(&mut self.bytes).if_(BlockType::Empty).i64_const(reason).global_set(self.counters.gas).unreachable().end();
    }

    /// Takes the frame from the stack. Who calls nothing only looks whether it would fit.
    fn enter_frame(&mut self, frame: u32) {
        let frame = frame.cast_signed();
        sink(&mut self.bytes).global_get(self.counters.stack);
        match self.locals.stack {
            Some(stack) => sink(&mut self.bytes).i32_const(frame).i32_sub().local_tee(stack).i32_const(0).i32_lt_s(),
            None => sink(&mut self.bytes).i32_const(frame).i32_lt_s(),
        };
        #[cfg(feature = "mutants")]
        if on(Mutant::EndlessStack) {
            sink(&mut self.bytes).drop();
            return;
        }
        self.end_if(OUT_OF_STACK);
    }

    fn before_call(&mut self) {
        if let Some(gas) = self.locals.gas {
            sink(&mut self.bytes).local_get(gas).global_set(self.counters.gas);
        }
        if let Some(stack) = self.locals.stack {
            sink(&mut self.bytes).local_get(stack).global_set(self.counters.stack);
        }
    }

    fn after_call(&mut self) {
        #[cfg(feature = "mutants")]
        if on(Mutant::StaleCounter) {
            return;
        }
        if let Some(gas) = self.locals.gas {
            sink(&mut self.bytes).global_get(self.counters.gas).local_set(gas);
        }
    }

    /// Before a tail call: the frame is given back, the callee takes its own.
    fn leave_frame(&mut self, frame: u32) {
        if let Some(gas) = self.locals.gas {
            sink(&mut self.bytes).local_get(gas).global_set(self.counters.gas);
        }
        if let Some(stack) = self.locals.stack {
            #[cfg(feature = "mutants")]
            let frame = if on(Mutant::KeptFrame) { 0 } else { frame };
            sink(&mut self.bytes)
                .local_get(stack)
                .i32_const(frame.cast_signed())
                .i32_add()
                .global_set(self.counters.stack);
        }
    }

    fn leave(&mut self) {
        #[cfg(feature = "mutants")]
        if on(Mutant::LostReturn) && self.depth > 0 {
            sink(&mut self.bytes).return_();
            return;
        }
        match self.locals.gas {
            Some(_) => sink(&mut self.bytes).br(self.depth),
            None => sink(&mut self.bytes).return_(),
        };
    }
}
