//! Whether a request comes from who knows the secret: HMAC-SHA256, compared in constant time.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::http::causes;
use crate::secrets::Secrets;

/// Parameter Store is not asked more often than this for one secret, whatever strangers send.
const ASK_EVERY: SignedDuration = SignedDuration::from_secs(30);

/// An HMAC-SHA256.
pub(super) type Signature = [u8; 32];

/// What a request says of itself.
pub(super) struct Signed {
    /// What was signed.
    pub message: Vec<u8>,
    /// One of them is to be right. While a secret is exchanged for another there are two.
    pub signatures: Vec<Signature>,
    /// Why it is refused even so.
    pub late: Option<&'static str>,
}

pub(super) enum Verdict {
    Genuine,
    Refused(&'static str),
    /// The secret is in Parameter Store, which does not give it now.
    Unknown,
}

/// A signature in hexadecimal; whatever else it is, one that nothing has.
pub(super) fn signature(text: &str) -> Signature {
    let mut signature = [0; 32];
    // On a mistake in the middle the start is written already.
    if hex::decode_to_slice(text, &mut signature).is_ok() { signature } else { [0; 32] }
}

/// A secret and when it was last asked for.
#[derive(Debug)]
pub(super) struct SigningSecret {
    setting: &'static str,
    asked_at: Mutex<Option<Timestamp>>,
}

impl SigningSecret {
    pub(super) fn new(setting: &'static str) -> Self {
        Self { setting, asked_at: Mutex::new(None) }
    }

    /// Judges a request. A signature that does not fit has the secret read anew, since it may have been exchanged.
    pub(super) async fn judge(&self, secrets: &Secrets, signed: &Signed, now: Timestamp) -> Verdict {
        if !secrets.is_set(self.setting) {
            return Verdict::Refused("the signing secret of this path is not set");
        }
        let secret = match secrets.at_hand(self.setting) {
            Some(secret) => secret,
            None if !self.may_ask(now) => return Verdict::Unknown,
            None => match secrets.get(self.setting).await {
                Ok(secret) => secret,
                Err(error) => {
                    tracing::error!(reason = causes(&error), "no signing secret");
                    return Verdict::Unknown;
                }
            },
        };
        // Looked at before it is known whether the request is late, so that all take the same time.
        let fits = fits(&secret, signed);
        match signed.late {
            Some(why) => Verdict::Refused(why),
            None if fits => Verdict::Genuine,
            None if self.fits_anew(secrets, &secret, signed, now).await => Verdict::Genuine,
            None => Verdict::Refused("the signature does not fit"),
        }
    }

    async fn fits_anew(&self, secrets: &Secrets, refused: &SecretString, signed: &Signed, now: Timestamp) -> bool {
        if !self.may_ask(now) {
            return false;
        }
        match secrets.reload(self.setting, refused).await {
            Ok(newer) => newer.is_some_and(|secret| fits(&secret, signed)),
            Err(error) => {
                tracing::error!(reason = causes(&error), "the signing secret could not be read anew");
                false
            }
        }
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let mut asked_at = self.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        let may = asked_at.is_none_or(|at| now.duration_since(at).abs() >= ASK_EVERY);
        if may {
            *asked_at = Some(now);
        }
        may
    }
}

/// Every signature is compared, also after one that fits.
fn fits(secret: &SecretString, signed: &Signed) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    let fits = |signature: &&Signature| hmac::verify(&key, &signed.message, signature.as_slice()).is_ok();
    signed.signatures.iter().filter(fits).count() > 0
}
