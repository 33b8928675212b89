//! Every interface, function, record and case of `shared/wit` says what it is; every file is of one version of one package.

use std::path::Path;

#[test]
fn everything_that_has_a_name_has_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let mut functions = 0;
    let mut missing = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir(&folder).expect("the folder").map(|e| e.expect("an entry").path()).collect();
    files.sort();
    for path in files.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "wit")) {
        let text = std::fs::read_to_string(&path).expect("a file");
        assert_eq!(text.matches("package replicode:paxos@1.0.0;").count(), 1, "{}", path.display());
        let mut documented = false;
        let mut in_world = false;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let named =
                ["interface ", "record ", "variant ", "enum ", "type "].iter().any(|word| line.starts_with(word));
            let function = line.contains(": func(");
            in_world = line.starts_with("world ") || in_world && line != "}";
            if (named || function) && !in_world && !documented {
                // One of several on the next lines may share the words of the first.
                missing.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
            functions += usize::from(function);
            documented = line.starts_with("///") || documented && named && line.ends_with('}');
        }
    }
    assert!(functions > 60, "{functions} functions were found");
    assert_eq!(missing, Vec::<String>::new());
}
