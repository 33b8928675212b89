//! The program `bank` in Rust, for one client at a time: what users have stands in a token, a contract of the cell.
//!
//! ```text
//! token ADDRESS          the contract: 40 hexadecimal digits         ok
//! pay N FROM TO AMOUNT   FROM pays TO; N is 1, 2, 3, ... for FROM    ok | refused | again
//! has USER               what somebody has                           a number
//! root                   the contracts after the last batch          64 hexadecimal digits
//! ```

use replicode_guest::contract::{self, Address, Call};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};

const GAS: u64 = 10_000_000;

#[derive(Default)]
struct Teller {
    token: Address,
    paid: BTreeMap<String, u64>,
}

impl Teller {
    fn answer(&mut self, line: &str) -> io::Result<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["token", hex] if hex.len() == 40 && hex.is_ascii() => {
                for (byte, digits) in self.token.iter_mut().zip(hex.as_bytes().chunks(2)) {
                    let digits = str::from_utf8(digits).unwrap_or_default();
                    *byte = u8::from_str_radix(digits, 16).map_err(|_| io::ErrorKind::InvalidData)?;
                }
                Ok("ok".into())
            }
            ["pay", number, from, to, amount] => match (number.parse(), amount.parse()) {
                (Ok(number), Ok(amount)) => self.pay(number, from, to, amount),
                _ => Ok("what?".into()),
            },
            ["has", name] => {
                let owner = contract::address(name)?;
                let call = Call { account: self.token, function: "balance_of", arguments: &owner, gas: GAS };
                let amount = contract::view(&call)?.ok().and_then(|bytes| bytes.try_into().ok());
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

fn main() -> io::Result<()> {
    let listener = replicode_guest::bind(([0, 0, 0, 0], 7000))?;
    let mut teller = Teller::default();
    loop {
        let (stream, _) = listener.accept()?;
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        // A client that goes in the middle of something is no reason to end.
        while lines.read_line(&mut line).is_ok_and(|n| n > 0) {
            let answer = teller.answer(&line)?;
            if writeln!(lines.get_mut(), "{answer}").is_err() {
                break;
            }
            line.clear();
        }
    }
}
