//! Texts near a language: the inputs of its vectors, cut, repeated, joined and spiced with what parsers stumble over.

use std::path::Path;

use serde_json::Value;

/// Decisions, from bytes or from a seed.
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    state: Option<u64>,
}

impl<'a> Source<'a> {
    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        Self { bytes, state: None }
    }

    pub(super) fn seeded(seed: u64) -> Source<'static> {
        Source { bytes: &[], state: Some(seed) }
    }

    /// A number below a limit; 0 when the bytes are used up.
    fn below(&mut self, limit: usize) -> usize {
        let number = match &mut self.state {
            Some(state) => {
                // splitmix64
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let it = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                it ^ (it >> 31)
            }
            None => {
                let (head, rest) = self.bytes.split_at(self.bytes.len().min(2));
                self.bytes = rest;
                head.iter().fold(0, |sum, it| sum << 8 | u64::from(*it))
            }
        };
        usize::try_from(number % (limit.max(1) as u64)).unwrap_or(0)
    }

    fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        items.get(self.below(items.len()))
    }

    fn is_used_up(&self) -> bool {
        self.state.is_none() && self.bytes.is_empty()
    }
}

/// Inputs to begin with.
pub(super) struct Seeds(Vec<String>);

/// The longest text made.
const LONGEST: usize = 8 << 10;

/// Most inputs of one vector file.
const MOST: usize = 3000;

impl Seeds {
    /// The texts among the arguments of a language's vectors, and of the examples in their README.
    pub(super) fn of(languages: &[&str]) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
        let mut out = vec![String::new()];
        let mut paths: Vec<_> = std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|it| it.path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
            let ours = languages.iter().any(|it| name == *it || name.starts_with(&format!("{it}_")));
            if !ours || path.extension().is_none_or(|it| it != "json") {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a vector file");
            let file: Value = serde_json::from_str(&text).expect("a vector file is JSON");
            let cases = file["cases"].as_array().cloned().unwrap_or_default();
            let texts = cases.iter().flat_map(|case| case["args"].as_array().into_iter().flatten());
            let texts = texts.filter_map(Value::as_str).filter(|it| it.len() < 2000 && *it != "$shared");
            let mut found: Vec<String> = texts.map(str::to_owned).collect();
            found.sort();
            found.dedup();
            let step = found.len().div_ceil(MOST).max(1);
            out.extend(found.into_iter().step_by(step));
        }
        for line in std::fs::read_to_string(dir.join("README.md")).expect("the README").lines() {
            if let Ok(Value::Object(case)) = serde_json::from_str(line.trim().trim_end_matches(','))
                && languages.iter().any(|it| case.get("language").is_some_and(|language| language == it))
            {
                out.extend(case.values().filter_map(Value::as_str).map(str::to_owned));
            }
        }
        Self(out)
    }
}

/// Pieces of all languages.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    "{{=",
    "${{",
    "${%",
    "%}",
    "{{/*",
    "*/}}",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "\"",
    "'",
    "`",
    "\\",
    "/",
    "//",
    "/*",
    "*/",
    "#",
    "$",
    "@",
    "!",
    "%",
    "^",
    "&",
    "*",
    "**",
    "-",
    "--",
    "+",
    "=",
    "==",
    "!=",
    "=~",
    "|",
    "||",
    "&&",
    "??",
    "?.",
    "?:",
    "..",
    "...",
    ".",
    ",",
    ":",
    ";",
    "~",
    "_",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\n====\n",
    "\0",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "é",
    "日本",
    "\u{1F600}",
    "e\u{301}",
    "\u{fffd}",
    "0",
    "1",
    "-1",
    "00",
    "0x",
    "0x1f",
    "0b1",
    "1e9",
    "1e-9",
    "1e999",
    "-0.0",
    ".5",
    "5.",
    "1_000",
    "inf",
    "NaN",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e18446744073709551616",
    "true",
    "false",
    "nil",
    "null",
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define \"x\"",
    "template \"x\" .",
    "block \"b\" .",
    "break",
    "continue",
    "$x := ",
    ".a.b",
    "| repeat 99999999 ",
    "repeat(\"x\", 1000000000)",
    "1..1000000000",
    "printf \"%99999999d\" ",
    "%99999999d",
    "%*d",
    "%[3]v",
    "%+q",
    "%#v",
    "%.9999f",
    "until 10000000",
    "indent 99999999",
    "let x = 1; ",
    "map(",
    "filter(",
    "reduce(",
    "sortBy(",
    "groupBy(",
    "{# > 1}",
    "#acc",
    "#index",
    " in ",
    "not ",
    " matches ",
    " contains ",
    "startsWith ",
    "fromJSON(",
    "toJSON(",
    "date(",
    "duration(",
    "now()",
    "sprig.",
    "split(",
    "- ",
    "? ",
    ": ",
    "|\n",
    ">-\n",
    "|9-\n",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "!!binary ",
    "!!int ",
    "--- ",
    "...\n",
    "%YAML 1.1\n",
    "%TAG ! x\n",
    "[*]",
    "[?(@.a==1)]",
    "[0:9223372036854775807:1]",
    "[-1]",
    "..a",
    "{range .a[*]}",
    "{end}",
    "@this",
    "@pretty",
    "#(a>1)#",
    "#.b",
    "{a,b}",
    "{a,{b,c}}",
    "[a-z]",
    "[!a]",
    "[^]",
    "[z-a]",
    "**/",
    "/**",
    "(a+)+$",
    "(a|a)*",
    "a{1000}",
    "(?i)",
    "(?P<n>a)",
    "\\pL",
    "\\Q",
    "\\E",
    "x{0,1000}{0,1000}",
    "CRON_TZ=",
    "CRON_TZ=Europe/Zurich ",
    "@every ",
    "@every 1ns",
    "@yearly",
    "*/0",
    "0-59/7",
    "L",
    "MON-FRI",
    "30 2 29 2 *",
    "^1.2.3",
    "~>2",
    ">=1 <2",
    "x",
    "1.x",
    "v1.2.3-rc.1+b",
    " - ",
    "Ki",
    "Ei",
    "m",
    "n",
    "1E9",
    "2006-01-02T15:04:05.999999999Z07:00",
    "Jan _2 MST -0700",
    "h1.5m",
    "µs",
    "~1",
    "~0",
    "/-",
    "for i=1,10 do ",
    "while true do end",
    "string.rep('x', 1e9)",
    "function f() return f() end",
    "setmetatable({}, {})",
    "('x'):rep(1e8)",
    "string.format('%99999d', 1)",
    "string.gsub(",
    "string.find('",
    "%b()",
    "[%a-]",
    "return ",
    "obj.",
];

/// What may be repeated to a long text: every piece alone and before another, and some seeds.
pub(super) fn units(seeds: &Seeds) -> Vec<String> {
    let mut source = Source::seeded(7);
    let mut out: Vec<String> = PIECES.iter().map(|it| (*it).to_owned()).collect();
    for piece in PIECES {
        for _ in 0..3 {
            out.push(format!("{piece}{}", source.pick(PIECES).copied().unwrap_or_default()));
        }
    }
    out.extend((0..300).filter_map(|_| source.pick(&seeds.0).cloned()).filter(|it| !it.is_empty()));
    out
}

/// A text: some seeds, changed some times.
pub(super) fn text(source: &mut Source<'_>, seeds: &Seeds) -> String {
    let mut text: Vec<char> = source.pick(&seeds.0).map(|it| it.chars().collect()).unwrap_or_default();
    let changes = 1 + source.below(8);
    for _ in 0..changes {
        change(&mut text, source, seeds);
        if text.len() > LONGEST {
            text.truncate(LONGEST);
        }
        if source.is_used_up() {
            break;
        }
    }
    text.into_iter().collect()
}

fn change(text: &mut Vec<char>, source: &mut Source<'_>, seeds: &Seeds) {
    let from = source.below(text.len() + 1);
    let to = from + source.below((text.len() - from + 1).min(16));
    let piece: Vec<char> = source.pick(PIECES).copied().unwrap_or_default().chars().collect();
    match source.below(10) {
        0 => {
            text.splice(from..to, piece);
        }
        1 | 2 => {
            text.splice(from..from, piece);
        }
        3 => {
            text.drain(from..to);
        }
        4 => {
            // the same again and again: what is linear once shows here when it is not
            let unit = if from == to { piece } else { text[from..to].to_vec() };
            let count = 1 << source.below(11);
            text.splice(from..from, unit.iter().copied().cycle().take(unit.len() * count).collect::<Vec<_>>());
        }
        5 => {
            // nested: opened many times, closed as often
            let count = 1 << source.below(9);
            let (open, close) = *source
                .pick(&[
                    ("(", ")"),
                    ("[", "]"),
                    ("{", "}"),
                    ("{{if .}}", "{{end}}"),
                    ("{{", "}}"),
                    ("${{", "}}"),
                    ("a: {", "}"),
                    ("- ", ""),
                    ("!", ""),
                    ("map(", ", #)"),
                    ("not ", ""),
                    ("a.", "b"),
                ])
                .unwrap_or(&("(", ")"));
            text.splice(to..to, close.repeat(count).chars());
            text.splice(from..from, open.repeat(count).chars());
        }
        6 => {
            let other: Vec<char> = source.pick(&seeds.0).map(|it| it.chars().collect()).unwrap_or_default();
            let start = source.below(other.len() + 1);
            text.splice(from..from, other[start..].iter().copied());
        }
        7 => {
            let other = source.pick(&seeds.0).cloned().unwrap_or_default();
            text.extend("\n====\n".chars());
            text.extend(other.chars());
        }
        8 => {
            // a number becomes another
            if let Some(place) = text.iter().position(char::is_ascii_digit) {
                let end = place + text[place..].iter().take_while(|it| it.is_ascii_digit()).count();
                text.splice(place..end, piece);
            }
        }
        _ => {
            let it = char::from_u32(u32::try_from(source.below(0x3000)).unwrap_or(0)).unwrap_or('\u{fffd}');
            if let Some(slot) = text.get_mut(from) {
                *slot = it;
            } else {
                text.push(it);
            }
        }
    }
}
