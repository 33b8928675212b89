//! Calls with arguments that no honest program passes, drawn from fixed seeds: whatever the kernel answers to them, it is
//! to answer the same tomorrow.

use super::{ALL, CREAT, ROOT, Scene};
use crate::logbook::{Logbook, Program, conn, data, open};
use crate::script::Script;
use crate::script::Want::Any;
use crate::script::at::{ADDR, ADDR_LEN, BUF, END, EVENTS, IOV, OUT, PATH, SUBS};
use anyhow::Result;
use replicode_contracts::account::Address;
use replicode_log::{ContractsConfig, Digest, FsImage, Limits};
use replicode_syscalls::abi::{IMPORTS, Import, ValType};

const NAMES: [&str; 3] = ["scene-hostile-1", "scene-hostile-2", "scene-hostile-3"];
const CALLS: usize = 1_500;
/// The imports that call contracts came later: they have a scene of their own.
const CONTRACTS: &str = "replicode_contract_v1";

/// A generator of its own (SplitMix64, Steele et al. 2014): a scene must not change with a library.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn of(&mut self, list: &[u64]) -> u64 {
        list[(self.next() % list.len() as u64) as usize]
    }

    fn argument(&mut self, ty: ValType) -> u64 {
        let places = [OUT, IOV, PATH, ADDR, ADDR_LEN, BUF, SUBS, EVENTS];
        match self.next() % 12 {
            0..=4 => self.next() % 20,
            5 | 6 => self.of(&places),
            7 => self.of(&[END - 1, END, END - 16, 0xffff_fff0, u64::from(u32::MAX)]),
            8 => self.of(&[0, 1, 2, 4, 0x2000, 0x4000, 0x7fff_ffff, 16, 28]),
            9 => self.next() % 300,
            10 => self.of(&[1 << 31, 1 << 63, ALL, ALL - 1, 1 << 40]),
            _ if ty == ValType::I64 => self.next(),
            _ => self.next() & 0xffff_ffff,
        }
    }
}

/// Something of everything open: file, connection, socket, counter, timer, watches, pipe, pair.
fn busy(s: &mut Script) {
    s.open(ROOT, "f", CREAT, ALL, Any).write(5, b"content", Any).any("fd_fdstat_set_flags", &[4, 4]);
    s.any("accept", &[4, 0x4000, 0, 0]).any("open", &[1, 6 | 0x4000, 0]).any("eventfd", &[3, 0x4000]);
    s.any("timerfd_create", &[1, 0x4000]).any("epoll_create", &[0x4000]).any("pipe", &[0x4000, OUT]);
    s.any("socketpair", &[3, 6 | 0x4000, 0, OUT])
        .put(PATH, b"f/../g/./h\0")
        .addr([127, 0, 0, 1], 80)
        .iov(&[(BUF, 8), (BUF, 70_000)]);
}

/// A process that makes such calls. Those that would wait for ever, or end it, are left out.
fn script(seed: u64) -> Script {
    let mut draw = Draw(seed);
    let mut s = Script::new();
    busy(&mut s);
    let left_out =
        ["proc_exit", "poll_oneoff", "poll", "epoll_wait", "lock", "flock", "fd_close", "close", "fd_renumber", "dup3"];
    let others = |import: &&Import| !left_out.contains(&import.name) && import.module != CONTRACTS;
    let imports: Vec<_> = IMPORTS.iter().filter(others).collect();
    for _ in 0..CALLS {
        let import = imports[(draw.next() % imports.len() as u64) as usize];
        let mut args: Vec<u64> = import.params.iter().map(|param| draw.argument(param.ty)).collect();
        // Standard input would be waited for.
        if import.params.first().is_some_and(|param| param.name == "fd") && args[0] == 0 {
            args[0] = 5;
        }
        s.any(import.name, &args);
        if draw.next().is_multiple_of(8) {
            let at = draw.of(&[OUT, IOV, PATH, ADDR, ADDR_LEN, BUF, SUBS]);
            s.word(at, draw.argument(ValType::I32) as u32);
        }
        if draw.next().is_multiple_of(60) {
            s.put(PATH, b"f/../g/./h\0").addr([127, 0, 0, 1], 80).iov(&[(BUF, 8), (BUF, 70_000)]);
        }
    }
    s
}

/// Three cells with such a process, a client, and limits that are soon reached.
pub fn scenes() -> Result<Vec<Scene>> {
    let mut scenes = Vec::new();
    for (n, name) in (1..).zip(NAMES) {
        let script = script(n);
        let program = Program { listeners: vec![7], ..Program::new("hostile", script.wasm()?) };
        let limits =
            Limits { file_bytes: 1 << 20, file_size: 1 << 19, inodes: 200, descriptors: 64, ..Limits::default() };
        let mut book = Logbook::new(name, limits, FsImage::default(), vec![program]);
        let client = conn(1, 1, 1);
        book.boot(1).inputs(1, vec![open(client, "hostile", 7), data(client, 0, b"bytes to read")]).batch(1_000);
        book.ticks(100, 10_000_000);
        scenes.push(Scene { name, book, scripts: Vec::new() });
    }
    Ok(scenes)
}

/// A cell with contracts, and a process that calls them in such ways. It waits for no ticket that has no answer yet: one that it has not
/// submitted is answered at once, and all others at the end of the turn.
pub fn contracts() -> Result<Scene> {
    let mut draw = Draw(13);
    let mut s = Script::new();
    s.any("eventfd", &[0, 0x4000]).put(BUF, Address::of_name("ann").as_bytes());
    let imports: Vec<_> = IMPORTS.iter().filter(|import| import.module == CONTRACTS).collect();
    for _ in 0..CALLS / 5 {
        let import = imports[(draw.next() % imports.len() as u64) as usize];
        let args: Vec<u64> = import.params.iter().map(|param| draw.argument(param.ty)).collect();
        s.any(import.name, &args);
    }
    let programs = vec![Program::new("hostile", s.wasm()?)];
    let mut book = Logbook::new("hostile-contracts", Limits::default(), FsImage::default(), programs);
    let funds = vec![(*Address::of_name("ann").as_bytes(), 1_000_000)];
    let standard = ContractsConfig::standard(Digest::ZERO);
    book.configure(|config| {
        config.contracts = Some(ContractsConfig { trust_names: true, clients: 2, funds, ..standard })
    });
    book.boot(1).batch(1_000);
    book.ticks(20, 10_000_000);
    Ok(Scene { name: "hostile-contracts", book, scripts: Vec::new() })
}
