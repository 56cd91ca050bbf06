//! Lists of indexes of jobs: `0,2-4`.

/// How many indexes a list names, or what is wrong with it.
pub(super) fn count(list: &str, completions: i64) -> Result<i64, String> {
    let mut last: Option<i64> = None;
    let mut total = 0;
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let (from, to) = interval(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= from) {
            return Err(format!("non-increasing order, previous: {last}, current: {from}"));
        }
        total += to - from + 1;
        last = Some(to);
    }
    Ok(total)
}

fn interval(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let read = |part: &str| {
        let index: i64 = part.parse().map_err(|_| format!("cannot convert string to integer for index: {part:?}"))?;
        if index >= completions { Err(format!("too large index: {part:?}")) } else { Ok(index) }
    };
    let from = read(parts[0])?;
    let Some(to) = parts.get(1) else { return Ok((from, from)) };
    let to = read(to)?;
    if from >= to {
        return Err(format!("non-increasing order, previous: {from}, current: {to}"));
    }
    Ok((from, to))
}

/// The first index that is in both lists.
pub(super) fn overlap(one: &str, two: &str, completions: i64) -> Option<i64> {
    let intervals = |list: &str| -> Vec<(i64, i64)> {
        list.split(',').filter_map(|part| interval(part, completions).ok()).collect()
    };
    let others = intervals(two);
    let meet = |(from, to): (i64, i64)| {
        others.iter().find(|(other, end)| from <= *end && *other <= to).map(|(other, _)| from.max(*other))
    };
    intervals(one).into_iter().find_map(meet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted_in_order_and_within_bounds() {
        assert_eq!(count("", 3), Ok(0));
        assert_eq!(count("0,2-4", 9), Ok(4));
        assert_eq!(count("1-9", 3), Err("too large index: \"9\"".to_owned()));
        assert!(count("2,1", 9).is_err() && count("x", 9).is_err() && count("1-2-3", 9).is_err());
        assert_eq!(overlap("0-3,7", "5,7", 9), Some(7));
        assert_eq!(overlap("0-3", "4", 9), None);
    }
}
