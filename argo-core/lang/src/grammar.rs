//! Texts of a whole grammar, for properties of parsers and printers.

use proptest::prelude::*;

/// Texts made from leaves by filling the places `α`, `β` and `γ` of shapes with smaller texts.
pub(crate) fn texts(leaves: &'static [&'static str], shapes: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(leaves).prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 3, move |inner| {
        (prop::sample::select(shapes), inner.clone(), inner.clone(), inner).prop_map(|(shape, a, b, c)| {
            let mut out = String::new();
            for it in shape.chars() {
                match it {
                    'α' => out.push_str(&a),
                    'β' => out.push_str(&b),
                    'γ' => out.push_str(&c),
                    other => out.push(other),
                }
            }
            out
        })
    })
}

/// The debug form of a tree without the places of its parts.
pub(crate) fn shape(tree: &impl std::fmt::Debug) -> String {
    let places =
        regex::Regex::new(r"(at|height|spine): \d+,? ?|(Less|Greater|LessEqual|GreaterEqual), \d+").expect("a pattern");
    places.replace_all(&format!("{tree:?}"), "$2").into_owned()
}
