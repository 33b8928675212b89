//! An ordinary program, which knows nothing of functions: it prints the lines of its input in which none of some words stands, numbered.
//!
//! Words come from the files that are its arguments, one a line, and from the variable `WORDS`, separated by commas. It ends with 0 when a
//! line was printed, 1 when none was, 2 when something is wrong.

use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;

fn words() -> io::Result<Vec<String>> {
    let mut words: Vec<String> = std::env::var("WORDS").unwrap_or_default().split(',').map(str::to_string).collect();
    for path in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&path).map_err(|error| io::Error::other(format!("{path}: {error}")))?;
        words.extend(text.lines().map(str::to_string));
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// The lines in which no word stands, with their numbers from 1.
fn kept<'t>(text: &'t str, words: &[String]) -> Vec<(usize, &'t str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !words.iter().any(|word| line.contains(word.as_str()))).collect()
}

fn run() -> io::Result<bool> {
    let words = words()?;
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let kept = kept(&text, &words);
    let mut out = BufWriter::new(io::stdout().lock());
    for (number, line) in &kept {
        writeln!(out, "{number}:{line}")?;
    }
    out.flush()?;
    eprintln!("{} of {} lines", kept.len(), text.lines().count());
    Ok(!kept.is_empty())
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("lines: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::kept;

    #[test]
    fn lines_with_a_word_are_left_out() {
        let words = ["b".to_string(), "dd".to_string()];
        assert_eq!(kept("a\nab\n\nd\ndd", &words), [(1, "a"), (3, ""), (4, "d")]);
        assert_eq!(kept("", &words), []);
    }
}
