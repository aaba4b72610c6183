//! What a Rust file names and defines, from its tokens: comments and strings fall away, and tests can.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What one file says. Its inline modules are listed beside its own, which comes first.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) modules: Vec<Module>,
    /// The lines of `allow` and `expect` attributes that do not say why.
    pub(crate) allowances_without_reason: Vec<usize>,
}

/// One module: the file itself, or an inline module in it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The names of the inline modules that lead here; empty for the file itself.
    pub(crate) inside: Vec<String>,
    /// The items that are defined here, macros included, impl blocks not.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// The paths in its code, imports not included. A single word is a path, too, and `.name` is a field or a method.
    pub(crate) paths: Vec<Path>,
}

/// One name that a `use` brings in, groups in braces spelled out.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) path: Path,
    /// What it is called here; `*` is everything, and `_` and nothing are one.
    pub(crate) name: String,
    /// Whether others may have it from here: `pub`, `pub(crate)` and the like.
    pub(crate) is_public: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) line: usize,
    pub(crate) segments: Vec<String>,
}

/// Which items a reader wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Items {
    All,
    /// Without what is built for tests only.
    Shipped,
}

impl Source {
    /// Reads a file; the error says where it is no Rust.
    pub(crate) fn read(text: &str, items: Items) -> Result<Self, String> {
        let stream: TokenStream = text.parse().map_err(|error| format!("no Rust: {error}"))?;
        let tokens = kept(stream, items);
        let mut allowances_without_reason = Vec::new();
        find_allowances(&tokens, &mut allowances_without_reason);
        let mut reader = Reader { modules: vec![Module::default()] };
        reader.read(&tokens, 0, true);
        Ok(Self { modules: reader.modules, allowances_without_reason })
    }
}

/// The tokens, groups opened up no further than needed to leave out what is not wanted.
fn kept(stream: TokenStream, items: Items) -> Vec<Token> {
    let mut tokens = stream.into_iter().map(|tree| Token::of(tree, items)).peekable();
    let mut kept = Vec::new();
    while let Some(token) = tokens.next() {
        let is_for_tests = matches!(&token, Token::Mark('#', ..))
            && matches!(tokens.peek(), Some(Token::Group(Delimiter::Bracket, _, inner)) if is_test_attribute(inner));
        if items == Items::Shipped && is_for_tests {
            // The rest of the item, other attributes included.
            let _ = tokens
                .by_ref()
                .skip(1)
                .find(|token| matches!(token, Token::Mark(';', ..) | Token::Group(Delimiter::Brace, ..)));
        } else {
            kept.push(token);
        }
    }
    kept
}

fn is_test_attribute(inner: &[Token]) -> bool {
    let mut words = Vec::new();
    collect_words(inner, &mut words);
    let is_negated = words.windows(2).any(|pair| pair == ["not", "test"]);
    words.first() == Some(&"cfg") && words.contains(&"test") && !is_negated
}

fn collect_words<'t>(tokens: &'t [Token], words: &mut Vec<&'t str>) {
    for token in tokens {
        match token {
            Token::Word(word, _) => words.push(word),
            Token::Group(_, _, inner) => collect_words(inner, words),
            Token::Mark(..) => {}
        }
    }
}

fn find_allowances(tokens: &[Token], found: &mut Vec<usize>) {
    for (at, token) in tokens.iter().enumerate() {
        let Token::Group(delimiter, line, inner) = token else { continue };
        let before =
            |back: usize, mark: char| at >= back && matches!(tokens[at - back], Token::Mark(m, ..) if m == mark);
        if *delimiter == Delimiter::Bracket && (before(1, '#') || before(1, '!') && before(2, '#')) {
            let mut words = Vec::new();
            collect_words(inner, &mut words);
            if (words.contains(&"allow") || words.contains(&"expect")) && !words.contains(&"reason") {
                found.push(*line);
            }
        }
        find_allowances(inner, found);
    }
}

/// A token tree with its line; literals are left out.
#[derive(Debug)]
enum Token {
    Word(String, usize),
    /// Whether the next mark follows at once, as in `::`.
    Mark(char, bool),
    Group(Delimiter, usize, Vec<Self>),
}

impl Token {
    fn of(tree: TokenTree, items: Items) -> Self {
        match tree {
            TokenTree::Ident(word) => Self::Word(word.to_string().replace("r#", ""), word.span().start().line),
            TokenTree::Punct(mark) => Self::Mark(mark.as_char(), mark.spacing() == Spacing::Joint),
            // A number or a string: nothing that could be a path, and something that ends one.
            TokenTree::Literal(_) => Self::Mark('0', false),
            TokenTree::Group(group) => {
                Self::Group(group.delimiter(), group.span_open().start().line, kept(group.stream(), items))
            }
        }
    }
}

/// A place among tokens.
#[derive(Clone, Copy)]
struct At<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl<'t> At<'t> {
    fn word(self) -> Option<(&'t str, usize)> {
        match self.tokens.get(self.at) {
            Some(Token::Word(word, line)) => Some((word, *line)),
            _ => None,
        }
    }

    fn is_mark(self, mark: char) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Mark(found, _)) if *found == mark)
    }

    fn is_double_colon(self) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Mark(':', true))) && self.ahead(1).is_mark(':')
    }

    fn group(self, delimiter: Delimiter) -> Option<&'t [Token]> {
        match self.tokens.get(self.at) {
            Some(Token::Group(found, _, inner)) if *found == delimiter => Some(inner),
            _ => None,
        }
    }

    const fn ahead(self, count: usize) -> Self {
        Self { at: self.at + count, ..self }
    }

    /// The place `count` tokens before this one; beyond the first there is nothing.
    fn back(self, count: usize) -> Self {
        Self { at: self.at.checked_sub(count).unwrap_or(self.tokens.len()), ..self }
    }
}

struct Reader {
    modules: Vec<Module>,
}

impl Reader {
    /// Reads tokens of a module; `is_top` where they are its items, not the inside of one.
    fn read(&mut self, tokens: &[Token], module: usize, is_top: bool) {
        let mut at = At { tokens, at: 0 };
        while at.at < tokens.len() {
            at = match at.word() {
                Some(("use", _)) if !at.ahead(1).is_mark('<') => self.read_use(at, module),
                Some(("mod", _)) => self.read_module(at, module),
                Some((word, line)) => self.read_word(at, module, word, line, is_top),
                None => {
                    if let Some(Token::Group(_, _, inner)) = tokens.get(at.at) {
                        self.read(inner, module, false);
                    }
                    at.ahead(1)
                }
            };
        }
    }

    fn read_use<'t>(&mut self, at: At<'t>, module: usize) -> At<'t> {
        let is_pub = |at: At<'_>| at.word().is_some_and(|(word, _)| word == "pub");
        let is_public = is_pub(at.back(1)) || at.back(1).group(Delimiter::Parenthesis).is_some() && is_pub(at.back(2));
        let mut names = Vec::new();
        let end = read_tree(at.ahead(1), &[], &mut names);
        let imports = names.into_iter().map(|(path, name)| Import { path, name, is_public });
        self.modules[module].imports.extend(imports);
        end
    }

    fn read_module<'t>(&mut self, at: At<'t>, module: usize) -> At<'t> {
        let Some((name, _)) = at.ahead(1).word() else { return at.ahead(1) };
        if let Some(inner) = at.ahead(2).group(Delimiter::Brace) {
            let inside = [&self.modules[module].inside[..], &[name.to_owned()]].concat();
            self.modules.push(Module { inside, ..Module::default() });
            self.read(inner, self.modules.len() - 1, true);
        }
        at.ahead(3)
    }

    fn read_word<'t>(&mut self, at: At<'t>, module: usize, word: &str, line: usize, is_top: bool) -> At<'t> {
        if at.back(1).is_mark('\'') {
            return at.ahead(1);
        }
        if let Some((name, length)) = defined(at, word) {
            if is_top {
                self.modules[module].items.insert(name.to_owned());
            }
            return at.ahead(length);
        }
        if at.back(1).is_mark('.') && !at.back(2).is_mark('.') {
            self.modules[module].paths.push(Path { line, segments: vec![format!(".{word}")] });
            return at.ahead(1);
        }
        let mut segments = vec![word.to_owned()];
        let mut end = at.ahead(1);
        while let (true, Some((word, _))) = (end.is_double_colon(), end.ahead(2).word()) {
            segments.push(word.to_owned());
            end = end.ahead(3);
        }
        // What follows `>::` belongs to a type, and `name:` is a field or a variable.
        let is_associated = at.back(2).is_double_colon() && at.back(3).is_mark('>');
        let is_field = segments.len() == 1 && end.is_mark(':') && !end.is_double_colon();
        if !is_associated && !is_field {
            self.modules[module].paths.push(Path { line, segments });
        }
        end
    }
}

/// The name of the item that is defined here, and the number of tokens up to its end.
fn defined<'t>(at: At<'t>, keyword: &str) -> Option<(&'t str, usize)> {
    let (next, length) = match keyword {
        "macro_rules" if at.ahead(1).is_mark('!') => (at.ahead(2), 3),
        "static" if at.ahead(1).word().is_some_and(|(word, _)| word == "mut") => (at.ahead(2), 3),
        "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" => (at.ahead(1), 2),
        _ => return None,
    };
    let (name, _) = next.word()?;
    (!matches!(name, "fn" | "unsafe" | "async" | "extern")).then_some((name, length))
}

/// Reads one tree of a `use` and adds every name that it brings in; gives where the tree ends.
fn read_tree<'t>(mut at: At<'t>, prefix: &[String], names: &mut Vec<(Path, String)>) -> At<'t> {
    if at.is_double_colon() {
        at = at.ahead(2);
    }
    let mut segments = prefix.to_vec();
    let mut line = 0;
    while let Some((word, its_line)) = at.word() {
        segments.push(word.to_owned());
        (line, at) = (its_line, at.ahead(1));
        if !at.is_double_colon() {
            break;
        }
        at = at.ahead(2);
    }
    if let Some(inner) = at.group(Delimiter::Brace) {
        let mut part = At { tokens: inner, at: 0 };
        while part.at < inner.len() {
            // Past the comma.
            part = read_tree(part, &segments, names).ahead(1);
        }
        return at.ahead(1);
    }
    let mut name = segments.last().cloned().unwrap_or_default();
    if at.is_mark('*') {
        (name, at) = ("*".to_owned(), at.ahead(1));
    } else if segments.len() > 1 && name == "self" {
        segments.pop();
        name = segments.last().cloned().unwrap_or_default();
    }
    if let (Some(("as", _)), Some((renamed, _))) = (at.word(), at.ahead(1).word()) {
        (name, at) = (renamed.to_owned(), at.ahead(2));
    }
    names.push((Path { line, segments }, name));
    at
}
