//! The program `bank` in Rust, for one client at a time: what users have stands in a token, a contract of the cell.
//!
//! ```text
//! token ADDRESS          the contract: 40 hexadecimal digits         ok
//! pay N FROM TO AMOUNT   FROM pays TO; N is 1, 2, 3, ... for FROM    ok | refused | again
//! has USER               what somebody has                           a number
//! root                   the contracts after the last batch          64 hexadecimal digits
//! ```
//!
//! What is none of these is answered `what?`. The numbers of payments live as long as the process, as those of the bank do.

use replicode_guest::contract::{self, Address, Call};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};

const GAS: u64 = 10_000_000;
/// The longest line.
const LINE: u64 = 512;
/// The answer does not fit.
const ERANGE: i32 = 68;

#[derive(Default)]
struct Teller {
    token: Address,
    paid: BTreeMap<String, u64>,
}

impl Teller {
    fn answer(&mut self, line: &str) -> io::Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["token", hex] => Ok(match address_of(hex) {
                Some(token) => {
                    self.token = token;
                    "ok".into()
                }
                None => "what?".into(),
            }),
            ["pay", number, from, to, amount] => match (number.parse(), amount.parse()) {
                (Ok(number), Ok(amount)) => self.pay(number, from, to, amount),
                _ => Ok("what?".into()),
            },
            ["has", name] => {
                let owner = contract::address(name)?;
                let call = Call { account: self.token, function: "balance_of", arguments: &owner, gas: GAS };
                // Anybody says which contract it is: one that answers more than there is room for is no token.
                let viewed = match contract::view(&call) {
                    Err(error) if error.raw_os_error() == Some(ERANGE) => Err(Vec::new()),
                    viewed => viewed?,
                };
                let amount = viewed.ok().and_then(|bytes| bytes.try_into().ok());
                Ok(amount.map_or("no such token".into(), |bytes| u128::from_le_bytes(bytes).to_string()))
            }
            ["root"] => Ok(contract::state_root()?.root.iter().map(|byte| format!("{byte:02x}")).collect()),
            _ => Ok("what?".into()),
        }
    }

    fn pay(&mut self, number: u64, from: &str, to: &str, amount: u128) -> io::Result<String> {
        let paid = self.paid.entry(from.to_string()).or_default();
        if number != *paid + 1 {
            return Ok(if number <= *paid { "again" } else { "a number is missing" }.into());
        }
        let (payer, payee) = (contract::address(from)?, contract::address(to)?);
        let arguments = [&payee[..], &amount.to_le_bytes()].concat();
        let call = Call { account: self.token, function: "transfer", arguments: &arguments, gas: GAS };
        let nonce = contract::account(&payer)?.nonce;
        let ticket = contract::submit(&call.by_name(from, &payer, nonce))?;
        if !contract::is_success(&contract::wait(ticket)?) {
            return Ok("refused".into());
        }
        *paid = number;
        Ok("ok".into())
    }
}

/// 40 hexadecimal digits.
fn address_of(hex: &str) -> Option<Address> {
    let mut address = Address::default();
    if hex.len() != 2 * address.len() || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in address.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(address)
}

fn main() -> io::Result<()> {
    let listener = replicode_guest::bind(([0, 0, 0, 0], 7000))?;
    let mut teller = Teller::default();
    loop {
        let (stream, _) = listener.accept()?;
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        // A client that goes in the middle of something is no reason to end, nor is one whose line does not.
        while lines.by_ref().take(LINE).read_line(&mut line).is_ok() && line.ends_with('\n') {
            let answer = teller.answer(&line)?;
            if writeln!(lines.get_mut(), "{answer}").is_err() {
                break;
            }
            line.clear();
        }
    }
}
