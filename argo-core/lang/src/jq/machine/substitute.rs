//! `sub` and `gsub` with a direct replacement.

use super::super::error::Res;
use super::super::ir::Node;
use super::super::natives::regex;
use super::super::ops;
use super::super::value::Val;
use super::Machine;
use super::env::Env;

impl<'a> Machine<'a> {
    pub(super) fn substitute(
        &mut self,
        val: &Val<'a>,
        pattern: &Val<'a>,
        flags: &Val<'a>,
        with: &'a Node,
        env: &Env<'a>,
    ) -> Res<'a> {
        let found = regex::find(&mut self.budget, val, pattern, flags, "match")?;
        let text = val.as_str().unwrap_or_default();
        let Some(last) = found.last() else { return Ok(val.clone()) };
        let end = last.end;
        let mut out = Val::text("");
        let mut at = 0;
        let mut pieces = String::new();
        for part in found {
            let named = regex::named(&mut self.budget, &part)?;
            let new = self.value(with, env, named)?.unwrap_or(Val::Null);
            let gap = text.get(at..part.start).unwrap_or_default();
            match new.as_str() {
                Some(new) => {
                    self.budget.charge(gap.len() + new.len())?;
                    pieces.push_str(gap);
                    pieces.push_str(new);
                }
                // the error of adding what is no text
                None => out = ops::add(&mut self.budget, Val::text(gap), new)?,
            }
            at = part.end;
        }
        if out.as_str().is_none() {
            return Ok(out);
        }
        pieces.push_str(text.get(end..).unwrap_or_default());
        self.budget.string(pieces)
    }
}
