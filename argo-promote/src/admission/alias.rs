//! Aliases: names of Freight for people.

use sha2::{Digest, Sha256};

const ADJECTIVES: &[&str] = &[
    "agile", "amber", "ample", "ardent", "azure", "balmy", "blithe", "bold", "brave", "breezy", "bright", "brisk",
    "calm", "candid", "clever", "copper", "cosy", "crisp", "curious", "dapper", "daring", "deft", "dewy", "eager",
    "earnest", "early", "fabled", "fair", "fearless", "fleet", "fond", "frosty", "gentle", "gilded", "glad", "golden",
    "grand", "hardy", "hasty", "hearty", "honest", "humble", "icy", "jolly", "jovial", "keen", "kind", "lively",
    "loyal", "lucid", "lunar", "mellow", "merry", "mighty", "modest", "neat", "nimble", "noble", "patient", "plucky",
    "polished", "proud", "quaint", "quick", "quiet", "rapid", "ready", "robust", "rosy", "rustic", "sage", "sandy",
    "scarlet", "serene", "sharp", "silent", "silver", "sleek", "smooth", "snowy", "solar", "sound", "spry", "stable",
    "steady", "stout", "sturdy", "subtle", "sunny", "swift", "tender", "tidy", "tranquil", "trusty", "vivid", "warm",
    "wary", "windy", "witty", "zesty",
];

const NOUNS: &[&str] = &[
    "albatross",
    "anchor",
    "badger",
    "barge",
    "beacon",
    "beaver",
    "bison",
    "boat",
    "bobcat",
    "brook",
    "canyon",
    "caravan",
    "cargo",
    "cedar",
    "clipper",
    "comet",
    "condor",
    "coral",
    "cougar",
    "crane",
    "creek",
    "cricket",
    "delta",
    "dolphin",
    "dove",
    "dune",
    "eagle",
    "egret",
    "elk",
    "falcon",
    "ferry",
    "finch",
    "fjord",
    "fox",
    "gale",
    "gannet",
    "gecko",
    "glacier",
    "grove",
    "gull",
    "harbor",
    "hare",
    "hawk",
    "heron",
    "ibex",
    "island",
    "jackal",
    "jaguar",
    "kestrel",
    "kite",
    "koala",
    "lagoon",
    "lantern",
    "lark",
    "lemur",
    "lynx",
    "maple",
    "marlin",
    "marmot",
    "meadow",
    "mole",
    "moose",
    "narwhal",
    "newt",
    "ocelot",
    "orca",
    "osprey",
    "otter",
    "owl",
    "panda",
    "parrot",
    "pelican",
    "penguin",
    "pier",
    "pine",
    "plover",
    "puffin",
    "quail",
    "quay",
    "raven",
    "reef",
    "robin",
    "salmon",
    "schooner",
    "seal",
    "shoal",
    "sloop",
    "sparrow",
    "spruce",
    "stork",
    "swallow",
    "swan",
    "tapir",
    "tern",
    "thrush",
    "tiger",
    "toucan",
    "trawler",
    "trout",
    "walrus",
];

/// An adjective and a noun drawn from `seed`, other than all that `taken` holds.
#[must_use]
pub fn alias(seed: &str, taken: impl Fn(&str) -> bool) -> String {
    let pick = |round: u32| {
        let hash = Sha256::digest(format!("{seed}/{round}").as_bytes());
        let number = |at: usize| usize::from(hash[at]) << 8 | usize::from(hash[at + 1]);
        format!("{}-{}", ADJECTIVES[number(0) % ADJECTIVES.len()], NOUNS[number(2) % NOUNS.len()])
    };
    // Ten thousand pairs: past a few hundred rounds the project is nearly full, and a number helps.
    (0..500).map(pick).find(|it| !taken(it)).unwrap_or_else(|| {
        let stem = pick(0);
        (2u64..).map(|i| format!("{stem}-{i}")).find(|it| !taken(it)).unwrap_or(stem)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn aliases_are_seeded_and_never_taken_twice() {
        assert_eq!(alias("a", |_| false), alias("a", |_| false));
        let mut seen = BTreeSet::new();
        for i in 0..2_000 {
            let it = alias(&i.to_string(), |it| seen.contains(it));
            assert!(seen.insert(it.clone()), "{it} twice");
            assert!(it.len() <= 63);
        }
        assert_eq!(alias("a", |it| it.matches('-').count() == 1).matches('-').count(), 2);
    }
}
