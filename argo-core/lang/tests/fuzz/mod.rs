//! Arbitrary bytes into every parser and evaluator; see `README.md`.

mod mutate;
mod targets;

use std::time::{Duration, Instant};

use self::mutate::{Seeds, Source};

/// How long one input may take. Inputs have some kilobytes: what takes this long, slow machine or not, has no bound.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many inputs are made where nobody asks for more.
const MADE: u64 = 200;

/// The text that bytes stand for.
fn text(bytes: &[u8], seeds: &Seeds) -> String {
    match bytes.first() {
        Some(first) if !first.is_ascii() => mutate::text(&mut Source::bytes(&bytes[1..]), seeds),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Runs one text, and says which it was when that goes wrong.
fn run(target: fn(&str), text: &str) {
    struct Shown<'a>(&'a str);
    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input was {:?}", self.0);
            }
        }
    }
    let shown = Shown(text);
    let start = Instant::now();
    target(text);
    let spent = start.elapsed();
    if seconds().is_some() && spent > Duration::from_millis(300) {
        let head: String = text.chars().take(300).collect();
        eprintln!("{spent:?} for {} bytes: {head:?}", text.len());
    }
    assert!(spent < PATIENCE, "it took {spent:?}");
    drop(shown);
}

/// How long each target shall run, when somebody asks for long runs.
fn seconds() -> Option<u64> {
    std::env::var("ARGO_LANG_FUZZ").ok()?.parse().ok()
}

macro_rules! targets {
    ($($name:ident: $languages:expr;)*) => {$(
        #[test]
        #[allow(unexpected_cfgs)] // `fuzzing` is set by cargo-bolero
        fn $name() {
            let seeds = Seeds::of(&$languages);
            let target: fn(&str) = targets::$name;
            if let Some(seconds) = seconds() {
                let seed = std::collections::hash_map::RandomState::new();
                // what is linear for some kilobytes and not for many shows here
                for unit in mutate::units(&seeds) {
                    run(target, &unit.repeat((64 << 10) / unit.len().max(1)));
                }
                let start = Instant::now();
                let mut count = 0_u64;
                while start.elapsed() < Duration::from_secs(seconds) {
                    run(target, &mutate::text(&mut Source::seeded(std::hash::BuildHasher::hash_one(&seed, count)), &seeds));
                    count += 1;
                }
                println!("{count} inputs");
            }
            for number in 0..MADE {
                run(target, &mutate::text(&mut Source::seeded(number), &seeds));
            }
            // the kept inputs; under `cargo bolero` whatever it thinks of
            let check = bolero::check!(name = stringify!($name));
            #[cfg(not(fuzzing))]
            let check = check.with_iterations(0);
            check.for_each(|bytes: &[u8]| run(target, &text(bytes, &seeds)));
        }
    )*};
}

targets! {
    yaml_decode: ["yaml"];
    yaml_edit: ["yaml"];
    template: ["template"];
    tags: ["tags", "expr"];
    expr: ["expr"];
    expr_template: ["expr"];
    govaluate: ["govaluate"];
    jq: ["jq"];
    jsonpath: ["jsonpath"];
    gjson: ["gjson"];
    json_pointer: ["json_pointer", "gjson"];
    duration: ["duration"];
    time_layout: ["duration", "time"];
    strftime: ["jq", "time"];
    format: ["fmt", "duration"];
    toml: ["template"];
    json: ["json", "gjson"];
    yaml_kustomize: ["yaml"];
    quantity: ["quantity"];
    semver: ["semver"];
    semver_constraint: ["semver"];
    cron: ["cron"];
    glob: ["glob"];
    gitignore: ["glob"];
    regex: ["regex", "glob"];
    names: ["quantity", "names"];
}

#[cfg(feature = "lua")]
targets! {
    lua: ["lua"];
}
