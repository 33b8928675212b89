//! `docs/glossary.md` says what words mean: what it names exists where it says so, and words that it rules out name nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Code of its own workspaces, too.
const FOLDERS: [&str; 7] = ["nat", "replication", "runtime", "stm", "syscalls", "tests", "wasm_programs"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Rows of the table below a heading, without the table's own heading.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let table = page.split(heading).nth(1).expect("the page has this heading");
    let lines = table.lines().skip_while(|line| !line.starts_with("|--")).skip(1).take_while(|l| l.starts_with('|'));
    lines.map(|line| line.trim_matches('|').split('|').map(|field| field.trim().to_string()).collect()).collect()
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// All Rust files below a folder, but those that a build has made.
fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the project").filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !["target", "build", "work"].map(Into::into).contains(&name) => {
                sources(&path, files);
            }
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|kind| kind == "rs") => files.push(path),
            _ => {}
        }
    }
}

/// The identifiers of a line, without its comment.
fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split("//").next().unwrap_or_default();
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn what_the_glossary_names_is_there() {
    let page = fs::read_to_string(root().join("docs/glossary.md")).expect("the glossary");
    let plan = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the floor plan");
    let folders: BTreeMap<String, String> = rows(&plan, "## Floor plan")
        .into_iter()
        .map(|row| (row[1].trim_matches('`').to_string(), row[2].trim_matches('`').to_string()))
        .collect();
    let rows = rows(&page, "# Glossary");
    assert!(rows.len() > 30, "only {} words", rows.len());
    let mut words: Vec<&str> = rows.iter().flat_map(|row| row[0].split("**").skip(1).step_by(2)).collect();
    words.sort_unstable();
    let twice: Vec<_> = words.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert!(twice.is_empty(), "words with two meanings: {twice:?}");
    for row in rows {
        let named = quoted(&row[2]);
        let [name, krate] = named[..] else { panic!("a name and a crate are expected: {row:?}") };
        let folder = folders.get(krate).unwrap_or_else(|| panic!("{krate} is not in the floor plan: {row:?}"));
        let mut files = Vec::new();
        sources(&root().join(folder).join("src"), &mut files);
        let declared = files.iter().any(|file| {
            let text = fs::read_to_string(file).expect("a source");
            text.lines().any(|line| {
                let words: Vec<&str> = identifiers(line).collect();
                let kinds = ["struct", "enum", "trait", "type", "mod"];
                // Numbers of the log are made by a macro: `Name(u32), "prefix"`.
                let number = line.trim_start().starts_with(&format!("{name}(u")) && line.contains(", \"");
                number || words.windows(2).any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
            })
        });
        assert!(declared, "{krate} declares no {name}: {row:?}");
    }
}

#[test]
fn words_that_are_ruled_out_name_nothing() {
    let page = fs::read_to_string(root().join("docs/glossary.md")).expect("the glossary");
    let rows = rows(&page, "## Words that are not used as names");
    let banned: Vec<&str> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    assert!(banned.len() >= 4, "{banned:?}");
    let mut files = Vec::new();
    FOLDERS.iter().for_each(|folder| sources(&root().join(folder), &mut files));
    assert!(files.len() > 300, "only {} files were found", files.len());
    for file in files {
        for (number, line) in fs::read_to_string(&file).expect("a source").lines().enumerate() {
            // In strings, as those of this test, words are text.
            let code: String = line.split('"').step_by(2).collect::<Vec<_>>().join(" ");
            let found =
                identifiers(&code).find(|word| banned.contains(&word.to_lowercase().as_str()) || banned.contains(word));
            assert!(
                found.is_none(),
                "{}:{}: '{}' is ruled out by docs/glossary.md",
                file.display(),
                number + 1,
                line.trim()
            );
        }
    }
}
