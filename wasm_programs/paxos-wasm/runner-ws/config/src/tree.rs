//! YAML as a tree of texts with lines. The only file that knows the parser.
//!
//! Of YAML only what a configuration needs is taken: maps with unique keys, lists and scalars, which all stay the text
//! that was written. Anchors, aliases, tags and a second document are refused by line.

use crate::Problem;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// How deep maps and lists may lie in one another.
const MAX_DEPTH: usize = 16;

/// A value and the line where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// From 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing was written, or `~` or `null`.
    Empty,
    /// A scalar, as written.
    Text(String),
    /// A list.
    List(Vec<Tree>),
    /// A map, in the order of the file, each key with its line.
    Map(Vec<(String, usize, Tree)>),
}

impl Tree {
    /// What it is, for a message.
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Empty => "nothing",
            Value::Text(_) => "a value",
            Value::List(_) => "a list",
            Value::Map(_) => "a section",
        }
    }

    /// The value under a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(name, _, _)| name == key).map(|(_, _, tree)| tree),
            Value::Empty | Value::Text(_) | Value::List(_) => None,
        }
    }
}

/// The one document of a text.
pub fn parse(text: &str) -> Result<Tree, Problem> {
    let mut events = Events { parser: Parser::new_from_str(text), depth: 0 };
    let mut root = None;
    loop {
        let (event, line) = events.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            other if root.is_none() => root = Some(events.value(other, line)?),
            _ => return Err(problem(line, "a second document: remove `---` and what follows it")),
        }
    }
    root.ok_or_else(|| problem(0, "is empty: see shared/ for examples"))
}

fn problem(line: usize, text: impl Into<String>) -> Problem {
    Problem { line, key: String::new(), text: text.into() }
}

struct Events<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    depth: usize,
}

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, usize), Problem> {
        match self.parser.next() {
            Some(Ok((event, Span { start, .. }))) => Ok((event, start.line())),
            Some(Err(error)) => Err(problem(error.marker().line(), format!("is no YAML: {}", error.info()))),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn value(&mut self, event: Event<'a>, line: usize) -> Result<Tree, Problem> {
        let value = match event {
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return Err(problem(line, "an anchor (`&name`): write the value out"));
            }
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                return Err(problem(line, format!("a tag (`{}{}`): write the plain value", tag.handle, tag.suffix)));
            }
            Event::Alias(_) => return Err(problem(line, "an alias (`*name`): write the value out")),
            Event::Scalar(text, style, _, None) => match (style, text.as_ref()) {
                (ScalarStyle::Plain, "" | "~" | "null") => Value::Empty,
                (_, text) => Value::Text(text.to_owned()),
            },
            Event::SequenceStart(_, None) => self.nested(line, Self::list)?,
            Event::MappingStart(_, None) => self.nested(line, Self::map)?,
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(problem(line, "ends in the middle of a value")),
        };
        Ok(Tree { line, value })
    }

    fn nested(&mut self, line: usize, read: fn(&mut Self) -> Result<Value, Problem>) -> Result<Value, Problem> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(problem(line, format!("more than {MAX_DEPTH} levels of nesting")));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, line) => items.push(self.value(event, line)?),
            }
        }
    }

    fn map(&mut self) -> Result<Value, Problem> {
        let mut entries: Vec<(String, usize, Tree)> = Vec::new();
        loop {
            let (event, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (event, line) => (event, line),
            };
            let Value::Text(key) = self.value(event, line)?.value else {
                return Err(problem(line, "a key that is not a word"));
            };
            if let Some((_, first, _)) = entries.iter().find(|(name, _, _)| *name == key) {
                return Err(problem(line, format!("`{key}` is given twice, first on line {first}: remove one")));
            }
            let (event, line_of_value) = self.next()?;
            let mut tree = self.value(event, line_of_value)?;
            if !matches!(tree.value, Value::Text(_)) {
                tree.line = line;
            }
            entries.push((key, line, tree));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_texts_and_lines() {
        let tree = parse("a: 1\nb:\n  - x\n  - {c: '~', d: 0x10}\ne:\n").expect("valid");
        assert_eq!(tree.get("a").map(|t| (&t.value, t.line)), Some((&Value::Text("1".into()), 1)));
        let Some(Tree { value: Value::List(items), .. }) = tree.get("b") else { panic!("a list") };
        assert_eq!(items[0].line, 3);
        assert_eq!(items[1].get("c").map(|t| &t.value), Some(&Value::Text("~".into())));
        assert_eq!(items[1].get("d").map(|t| &t.value), Some(&Value::Text("0x10".into())));
        assert_eq!(tree.get("e").map(|t| (&t.value, t.line)), Some((&Value::Empty, 5)));
    }

    #[test]
    fn refuses_the_rest_by_line() {
        for (text, line, part) in [
            ("a: 1\na: 2\n", 2, "`a` is given twice, first on line 1"),
            ("a: &x 1\nb: *x\n", 1, "anchor"),
            ("a: !!int 1\n", 1, "tag"),
            ("a: 1\n---\nb: 2\n", 3, "second document"),
            ("a: [1, 2\n", 2, "is no YAML"),
            ("? [x]\n: 1\n", 1, "a key that is not a word"),
            ("", 0, "is empty"),
        ] {
            let problem = parse(text).expect_err(text);
            assert!(problem.text.contains(part), "{text:?}: {problem:?}");
            assert_eq!(problem.line, line, "{text:?}: {problem:?}");
        }
        let deep = "[".repeat(40) + &"]".repeat(40);
        assert!(parse(&deep).expect_err("deep").text.contains("levels"));
    }
}
