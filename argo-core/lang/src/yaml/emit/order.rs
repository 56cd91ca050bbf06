//! The order of keys.

use std::cmp::Ordering;

/// go-yaml's order of keys: letters before digits before others at the first difference, runs of digits as numbers.
pub(super) fn key_order(a: &str, b: &str) -> Ordering {
    let ar: Vec<char> = a.chars().collect();
    let br: Vec<char> = b.chars().collect();
    for i in 0..ar.len().min(br.len()) {
        if ar[i] == br[i] {
            continue;
        }
        let (al, bl) = (ar[i].is_alphabetic(), br[i].is_alphabetic());
        if al && bl {
            return ar[i].cmp(&br[i]);
        }
        if al || bl {
            return if bl { Ordering::Less } else { Ordering::Greater };
        }
        let (mut an, mut bn) = (0_i64, 0_i64);
        if ar[i] == '0' || br[i] == '0' {
            for j in (0..i).rev() {
                if !is_digit(ar[j]) {
                    break;
                }
                if ar[j] != '0' {
                    an = 1;
                    bn = 1;
                    break;
                }
            }
        }
        let run = |chars: &[char], mut n: i64| {
            let mut end = i;
            while end < chars.len() && is_digit(chars[end]) {
                n = n.wrapping_mul(10).wrapping_add(i64::from(u32::from(chars[end])) - 48);
                end += 1;
            }
            (n, end)
        };
        let (an, ai) = run(&ar, an);
        let (bn, bi) = run(&br, bn);
        return an.cmp(&bn).then(ai.cmp(&bi)).then(ar[i].cmp(&br[i]));
    }
    ar.len().cmp(&br.len())
}

fn is_digit(it: char) -> bool {
    it.is_ascii_digit() || (!it.is_ascii() && it.is_numeric())
}
