//! What a run must cost, counted from its trace by other means than the transform's: the body as an explicit graph, heaviest paths by search.

use super::{Event, Runner, trace};
use replicode_transform::{GasTable, HostTable, Metering, Rate, op};
use std::collections::BTreeSet;
use wasmparser::{Operator, Parser, Payload, TypeRef};

/// A function that the module defines.
struct Graph<'a> {
    ops: Vec<Operator<'a>>,
    locals: u64,
    /// Where each construct ends, and where its `else` stands, by the operator that opens it.
    ends: Vec<usize>,
    elses: Vec<Option<usize>>,
    /// Constructs that are open at each operator, outermost first. Of an `else` or `end`, with the one that it belongs to.
    open: Vec<Vec<usize>>,
    /// Headers of loops that something goes back to.
    loops: BTreeSet<usize>,
    /// Operators that control can come to out of a loop.
    exits: BTreeSet<usize>,
}

pub struct Reference<'a> {
    functions: Vec<Graph<'a>>,
    imported: Vec<(String, String)>,
    table: GasTable,
    host: HostTable,
}

impl<'a> Reference<'a> {
    pub fn new(wasm: &'a [u8], table: &GasTable, host: &HostTable) -> Reference<'a> {
        let mut reference =
            Reference { functions: Vec::new(), imported: Vec::new(), table: table.clone(), host: host.clone() };
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.unwrap() {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.unwrap();
                        if matches!(import.ty, TypeRef::Func(_)) {
                            reference.imported.push((import.module.to_string(), import.name.to_string()));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => {
                    let locals =
                        body.get_locals_reader().unwrap().into_iter().map(|run| u64::from(run.unwrap().0)).sum();
                    let ops = body.get_operators_reader().unwrap().into_iter().map(|op| op.unwrap()).collect();
                    reference.functions.push(Graph::new(ops, locals));
                }
                _ => {}
            }
        }
        reference
    }

    fn graph(&self, function: u32) -> &Graph<'a> {
        &self.functions[function as usize - self.imported.len()]
    }

    /// What the operand of an operator, or the host function that it calls, adds to its price.
    fn rate(&self, op: &Operator<'_>) -> Option<Rate> {
        if let Some(bulk) = op::bulk(op) {
            return Some(Rate { base: 0, ..self.table.bulk(bulk) });
        }
        match op {
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                let key = self.imported.get(*function_index as usize)?;
                Some(self.host[key].price)
            }
            _ => None,
        }
    }

    /// The same module, telling what it does.
    pub fn traced(&self, wasm: &[u8]) -> Runner {
        Runner::new(&trace::traced(wasm, &|op| self.rate(op).is_some_and(|rate| rate.each > 0)))
    }

    /// Gas of everything that was told, up to where it was told.
    pub fn total(&self, events: &[Event], metering: Metering) -> u64 {
        let exact = metering == Metering::Blocks;
        let mut gas = 0;
        // The import that the next host call was made for by name.
        let mut direct = None;
        for event in events {
            match *event {
                Event::At { function, kind: trace::ENTRY, .. } => {
                    let graph = self.graph(function);
                    gas += u64::from(self.table.entry) + u64::from(self.table.local) * graph.locals;
                    gas += if exact { 0 } else { self.heaviest(graph, 0) };
                }
                Event::At { function, op, kind: trace::ROUND, .. } => {
                    let graph = self.graph(function);
                    let header = graph.loops.contains(&(op as usize));
                    gas += if exact || !header { 0 } else { self.heaviest(graph, op as usize + 1) };
                }
                Event::At { function, op, kind: trace::BEHIND, .. } => {
                    let (graph, behind) = (self.graph(function), op as usize + 1);
                    gas += if exact || !graph.exits.contains(&behind) { 0 } else { self.heaviest(graph, behind) };
                }
                Event::At { function, op, units, kind } => {
                    assert_eq!(kind, trace::STEP);
                    let op = &self.graph(function).ops[op as usize];
                    gas += if exact { self.table.fixed(op) } else { 0 };
                    gas += self.rate(op).map_or(0, |rate| rate.total(units));
                    if let Operator::Call { function_index } | Operator::ReturnCall { function_index } = op {
                        direct = self.imported.get(*function_index as usize);
                    }
                }
                Event::Host { number, units } => {
                    let (key, function) = self.host.iter().nth(number as usize).unwrap();
                    if direct.take() != Some(key) {
                        // Through a table, or from outside: by a function that passes its parameters on.
                        let passes = function.params.len() as u64 * u64::from(self.table.simple);
                        gas += u64::from(self.table.entry) + passes + u64::from(self.table.call);
                        gas += function.price.total(units);
                    }
                }
            }
        }
        gas
    }

    /// The heaviest path from an operator to the next loop header or the end: depth first, each place once, since between loop headers no path
    /// comes back.
    fn heaviest(&self, graph: &Graph<'a>, from: usize) -> u64 {
        let mut best: Vec<Option<u64>> = vec![None; graph.ops.len() + 1];
        best[graph.ops.len()] = Some(0);
        let mut work = vec![from];
        while let Some(&at) = work.last() {
            if best[at].is_some() {
                work.pop();
                continue;
            }
            let mut next = graph.next(at);
            // Who comes there pays there.
            next.retain(|to| !graph.exits.contains(to));
            match next.iter().find(|to| best[**to].is_none()) {
                Some(open) => work.push(*open),
                None => {
                    let ahead = next.iter().filter_map(|to| best[*to]).max().unwrap_or(0);
                    best[at] = Some(ahead + self.table.fixed(&graph.ops[at]));
                    work.pop();
                }
            }
        }
        best[from].unwrap()
    }
}

impl<'a> Graph<'a> {
    fn new(ops: Vec<Operator<'a>>, locals: u64) -> Graph<'a> {
        let n = ops.len();
        let mut graph = Graph {
            ops,
            locals,
            ends: vec![n; n],
            elses: vec![None; n],
            open: Vec::with_capacity(n),
            loops: BTreeSet::new(),
            exits: BTreeSet::new(),
        };
        let mut open: Vec<usize> = Vec::new();
        for (i, op) in graph.ops.iter().enumerate() {
            graph.open.push(open.clone());
            match op {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => open.push(i),
                Operator::Else => graph.elses[*open.last().unwrap()] = Some(i),
                Operator::End => {
                    if let Some(opener) = open.pop() {
                        graph.ends[opener] = i;
                    }
                }
                _ => {}
            }
        }
        for at in 0..n {
            graph
                .loops
                .extend(graph.labels(at).into_iter().filter(|to| matches!(graph.ops[*to], Operator::Loop { .. })));
        }
        for at in 0..n {
            let around = |at: usize| -> BTreeSet<usize> {
                let open = graph.open.get(at).map_or(&[][..], |open| open);
                open.iter().copied().filter(|opener| graph.loops.contains(opener)).collect()
            };
            let left = |to: &usize| !around(at).is_subset(&around(*to));
            let exits: Vec<usize> = graph.next(at).into_iter().filter(left).collect();
            graph.exits.extend(exits);
        }
        graph
    }

    /// Openers of the constructs that an operator may branch to.
    fn labels(&self, at: usize) -> Vec<usize> {
        let depths: Vec<u32> = match &self.ops[at] {
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => vec![*relative_depth],
            Operator::BrTable { targets } => {
                targets.targets().map(|depth| depth.unwrap()).chain([targets.default()]).collect()
            }
            _ => Vec::new(),
        };
        let open = &self.open[at];
        depths.into_iter().filter_map(|depth| open.get(open.len().checked_sub(1 + depth as usize)?).copied()).collect()
    }

    /// Where a branch goes; `None` for loop headers and the end of the function.
    fn target(&self, at: usize, depth: u32) -> Option<usize> {
        let open = &self.open[at];
        let opener = *open.get(open.len().checked_sub(1 + depth as usize)?)?;
        (!matches!(self.ops[opener], Operator::Loop { .. })).then(|| self.ends[opener] + 1)
    }

    /// Operators that may be executed after this one, before anything is charged again.
    fn next(&self, at: usize) -> Vec<usize> {
        match &self.ops[at] {
            Operator::Br { relative_depth } => self.target(at, *relative_depth).into_iter().collect(),
            Operator::BrIf { relative_depth } => self.target(at, *relative_depth).into_iter().chain([at + 1]).collect(),
            Operator::BrTable { targets } => {
                let depths = targets.targets().map(|depth| depth.unwrap()).chain([targets.default()]);
                depths.filter_map(|depth| self.target(at, depth)).collect()
            }
            Operator::If { .. } => vec![at + 1, self.elses[at].map_or(self.ends[at], |otherwise| otherwise) + 1],
            // Reached from the first arm.
            Operator::Else => vec![self.ends[*self.open[at].last().unwrap()] + 1],
            Operator::Loop { .. } if self.loops.contains(&at) => Vec::new(),
            Operator::Return | Operator::Unreachable => Vec::new(),
            Operator::ReturnCall { .. } | Operator::ReturnCallIndirect { .. } => Vec::new(),
            _ => vec![at + 1],
        }
    }
}
