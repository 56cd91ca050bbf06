//! Keys, certificates and password hashes, with the feature `crypto`. Everything random comes from the seed of the run:
//! what is made is as secret as the seed.

#[cfg(feature = "crypto")]
mod certificate;
#[cfg(feature = "crypto")]
mod der;
#[cfg(feature = "crypto")]
mod keys;
#[cfg(feature = "crypto")]
mod password;

use super::Args;
use crate::text_template::exec::Context;
use crate::text_template::value::Val;

/// The functions that are here.
const NAMES: [&str; 13] = [
    "bcrypt",
    "buildCustomCert",
    "decryptAES",
    "derivePassword",
    "encryptAES",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "htpasswd",
];

pub(super) fn call(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Option<Result<Val, String>> {
    if !NAMES.contains(&name) {
        return None;
    }
    Some(run(name, context, args))
}

#[cfg(not(feature = "crypto"))]
fn run(name: &str, _context: &mut Context<'_>, _args: &Args<'_>) -> Result<Val, String> {
    Err(format!("{name} is not built in: build argo-lang with the feature `crypto`"))
}

#[cfg(feature = "crypto")]
fn run(name: &str, context: &mut Context<'_>, args: &Args<'_>) -> Result<Val, String> {
    use certificate::{Certificate, Request};
    use keys::Key;

    let random = |context: &mut Context<'_>| keys::Random::new(context);
    let list = |place: usize| match args.at(place) {
        Val::List(items) => items.to_vec(),
        _ => Vec::new(),
    };
    let key_at =
        |place: usize| Key::from_pem(args.text(place)?).map_err(|error| format!("parsing private key: {error}"));
    Ok(match name {
        "bcrypt" => Val::str(password::bcrypt(args.text(0)?, &mut random(context)?)),
        "htpasswd" => {
            let user = args.text(0)?;
            if user.contains(':') {
                return Ok(Val::str(format!("invalid username: {user}")));
            }
            Val::str(format!("{user}:{}", password::bcrypt(args.text(1)?, &mut random(context)?)))
        }
        "derivePassword" => {
            let counter = u32::try_from(args.int(0)?).unwrap_or(u32::MAX);
            Val::str(password::derive(counter, args.text(1)?, args.text(2)?, args.text(3)?, args.text(4)?))
        }
        "encryptAES" => Val::str(password::encrypt(args.text(0)?, args.text(1)?, &mut random(context)?)),
        "decryptAES" => Val::str(password::decrypt(args.text(0)?, args.text(1)?)?),
        "genPrivateKey" => match args.text(0)? {
            kind @ ("" | "rsa" | "ecdsa" | "ed25519") => {
                Val::str(Key::generate(kind, 4096, &mut random(context)?)?.pem())
            }
            "dsa" => Val::str("failed to generate private key: dsa is not supported"),
            other => Val::str(format!("Unknown type {other}")),
        },
        "buildCustomCert" => Val::object(Certificate::custom(args.text(0)?, args.text(1)?)?),
        _ => {
            let with_key = name.ends_with("WithKey");
            let now = context.now()?;
            let mut random = random(context)?;
            let authority = name.starts_with("genCA");
            let signed = name.starts_with("genSigned");
            let days = args.int(if authority { 1 } else { 3 })?;
            let key = match (with_key, authority, signed) {
                (false, ..) => Key::generate("rsa", 2048, &mut random)?,
                (true, true, _) => key_at(2)?,
                (true, false, false) => key_at(4)?,
                (true, false, true) => key_at(5)?,
            };
            let (ips, names) = if authority { (Vec::new(), Vec::new()) } else { (list(1), list(2)) };
            let request = Request::new(args.text(0)?, &ips, &names, now, days, authority)?;
            let issuer = if signed { Some(Certificate::of(args.at(4))?) } else { None };
            Val::object(request.sign(&key, issuer.as_ref(), &mut random)?)
        }
    })
}
