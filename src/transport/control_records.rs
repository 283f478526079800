//! The records of TLS that are no data, as far as they come to a server after its handshake: alerts and
//! changes of keys (RFC 8446, sections 4.6.3 and 6).

use std::fmt;
use std::io;

use rustls::{AlertDescription, ContentType, HandshakeType, ProtocolVersion};

/// A KeyUpdate whole: its type, its length in three bytes, and whether an answer is wanted.
const KEY_UPDATE_BYTES: usize = 5;
const KEY_UPDATE_LENGTH: [u8; 3] = [0, 0, 1];
/// Our keys change, and those of the peer need not.
pub const KEY_UPDATE: [u8; KEY_UPDATE_BYTES] = [24, 0, 0, 1, 0];
/// An alert: how bad it is, and what it is.
const ALERT_BYTES: usize = 2;
/// The level of the two alerts that end nothing by force.
const WARNING: u8 = 1;
const FATAL: u8 = 2;

/// What a peer says beside its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It sends nothing more.
    CloseNotify,
    /// It breaks off.
    Alert(AlertDescription),
    /// Its next record is encrypted by its next key.
    KeyUpdate {
        /// Ours is to change, too.
        is_requested: bool,
    },
}

/// A peer that breaks the rules, and the alert that says so to it.
#[derive(Debug)]
pub struct Misbehaviour {
    pub alert: AlertDescription,
    pub why: String,
}

impl Misbehaviour {
    /// What lies behind `error`, if it is one.
    pub fn behind(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Misbehaviour {}

impl From<Misbehaviour> for io::Error {
    fn from(misbehaviour: Misbehaviour) -> Self {
        Self::new(io::ErrorKind::InvalidData, misbehaviour)
    }
}

/// The alert as it leaves.
pub fn alert_bytes(alert: AlertDescription) -> [u8; ALERT_BYTES] {
    let level = if alert == AlertDescription::CloseNotify { WARNING } else { FATAL };
    [level, u8::from(alert)]
}

/// Puts the records together: a reader with a small buffer gets one in pieces, and a record may hold
/// several messages.
#[derive(Debug)]
pub struct ControlRecords {
    version: ProtocolVersion,
    /// The message that is not whole yet, at most [`KEY_UPDATE_BYTES`].
    begun: Vec<u8>,
    /// The type of its record.
    content: ContentType,
}

impl ControlRecords {
    pub fn new(version: ProtocolVersion) -> Self {
        Self { version, begun: Vec::new(), content: ContentType::ApplicationData }
    }

    /// Notes that data have come.
    ///
    /// # Errors
    /// If they stand in the middle of a message.
    pub fn check_between(&self) -> Result<(), Misbehaviour> {
        if self.begun.is_empty() {
            return Ok(());
        }
        Err(unexpected(format!("a record in the middle of a message of type {:?}", self.content)))
    }

    /// Takes bytes from the front of `bytes`, of a record of this type, and returns what the peer has
    /// said if that is whole now. To be called until nothing is left.
    ///
    /// # Errors
    /// What the peer must not say.
    pub fn take(
        &mut self,
        content: ContentType,
        bytes: &mut &[u8],
    ) -> Result<Option<Control>, Misbehaviour> {
        let whole = match content {
            ContentType::Alert => ALERT_BYTES,
            ContentType::Handshake => KEY_UPDATE_BYTES,
            other => return Err(unexpected(format!("a record of type {other:?}"))),
        };
        if content != self.content {
            self.check_between()?;
            self.content = content;
        }
        let count = bytes.len().min(whole - self.begun.len());
        let (taken, rest) = bytes.split_at(count);
        self.begun.extend_from_slice(taken);
        *bytes = rest;
        if content == ContentType::Handshake {
            self.check_handshake()?;
        }
        if self.begun.len() < whole {
            return Ok(None);
        }
        let message = std::mem::take(&mut self.begun);
        match content {
            ContentType::Alert => Ok(alert(message[1])),
            // It would be encrypted by the key that has just been given up.
            _ if !bytes.is_empty() => Err(unexpected("more behind a KeyUpdate in its record")),
            _ => key_update(&message).map(Some),
        }
    }

    /// Looks at what has come of a message of the handshake: none but one is legal.
    fn check_handshake(&self) -> Result<(), Misbehaviour> {
        let Some(&kind) = self.begun.first() else { return Ok(()) };
        match (HandshakeType::from(kind), self.version) {
            (HandshakeType::KeyUpdate, ProtocolVersion::TLSv1_3) => Ok(()),
            (HandshakeType::ClientHello, ProtocolVersion::TLSv1_2) => Err(Misbehaviour {
                alert: AlertDescription::NoRenegotiation,
                why: "the peer wants to renegotiate, which this broker does not do".into(),
            }),
            (other, _) => Err(unexpected(format!("the message {other:?} after the handshake"))),
        }
    }
}

fn unexpected(what: impl fmt::Display) -> Misbehaviour {
    Misbehaviour {
        alert: AlertDescription::UnexpectedMessage,
        why: format!("the peer has sent {what}"),
    }
}

/// `None` for the one that says nothing: TLS 1.3 has a close_notify follow it.
fn alert(code: u8) -> Option<Control> {
    match AlertDescription::from(code) {
        AlertDescription::CloseNotify => Some(Control::CloseNotify),
        AlertDescription::UserCanceled => None,
        other => Some(Control::Alert(other)),
    }
}

fn key_update(message: &[u8]) -> Result<Control, Misbehaviour> {
    let (length, request) = (&message[1..4], message[4]);
    if length != KEY_UPDATE_LENGTH || request > 1 {
        return Err(Misbehaviour {
            alert: AlertDescription::IllegalParameter,
            why: format!(
                "the peer has sent a KeyUpdate of {length:?} bytes that asks for {request}"
            ),
        });
    }
    Ok(Control::KeyUpdate { is_requested: request == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the pieces of one record come to.
    fn all(
        records: &mut ControlRecords,
        content: ContentType,
        pieces: &[&[u8]],
    ) -> Result<Vec<Control>, AlertDescription> {
        let mut said = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                said.extend(records.take(content, &mut piece).map_err(|it| it.alert)?);
            }
        }
        Ok(said)
    }

    fn of_tls13() -> ControlRecords {
        ControlRecords::new(ProtocolVersion::TLSv1_3)
    }

    #[test]
    fn a_key_update_is_understood_in_pieces_of_any_size() {
        let message: &[u8] = &[24, 0, 0, 1, 1];
        for length in 1..=5 {
            let pieces: Vec<&[u8]> = message.chunks(length).collect();
            let said = all(&mut of_tls13(), ContentType::Handshake, &pieces);
            assert_eq!(said, Ok(vec![Control::KeyUpdate { is_requested: true }]));
        }
    }

    #[test]
    fn nothing_may_follow_a_key_update_in_its_record() {
        let record: &[u8] = &[24, 0, 0, 1, 0, 24, 0, 0, 1, 1];
        let said = all(&mut of_tls13(), ContentType::Handshake, &[record]);
        assert_eq!(said, Err(AlertDescription::UnexpectedMessage));
    }

    /// RFC 8446, section 5.1.
    #[test]
    fn no_other_record_may_stand_in_the_middle_of_a_message() {
        let mut records = of_tls13();
        assert_eq!(all(&mut records, ContentType::Handshake, &[&[24, 0, 0, 1]]), Ok(vec![]));
        assert!(records.check_between().is_err(), "data");
        let said = all(&mut records, ContentType::Alert, &[&[1, 0]]);
        assert_eq!(said, Err(AlertDescription::UnexpectedMessage));
        let mut records = of_tls13();
        assert!(records.check_between().is_ok());
        assert_eq!(all(&mut records, ContentType::Alert, &[&[1]]), Ok(vec![]));
        let said = all(&mut records, ContentType::Handshake, &[&[24, 0, 0, 1, 0]]);
        assert_eq!(said, Err(AlertDescription::UnexpectedMessage));
    }

    #[test]
    fn an_alert_is_named_and_a_close_notify_is_an_end_of_its_own() {
        let of = |bytes: &[u8]| all(&mut of_tls13(), ContentType::Alert, &[bytes]);
        assert_eq!(of(&[1, 0]), Ok(vec![Control::CloseNotify]));
        assert_eq!(of(&[2, 42]), Ok(vec![Control::Alert(AlertDescription::BadCertificate)]));
        assert_eq!(of(&[1, 90, 1, 0]), Ok(vec![Control::CloseNotify]));
    }

    #[test]
    fn what_no_client_may_send_is_answered_by_its_alert() {
        let tls13 = |content, bytes: &[u8]| all(&mut of_tls13(), content, &[bytes]).unwrap_err();
        let handshake = ContentType::Handshake;
        assert_eq!(tls13(handshake, &[4]), AlertDescription::UnexpectedMessage);
        assert_eq!(tls13(handshake, &[1]), AlertDescription::UnexpectedMessage);
        assert_eq!(tls13(handshake, &[24, 0, 0, 2, 0]), AlertDescription::IllegalParameter);
        assert_eq!(tls13(handshake, &[24, 0, 0, 1, 2]), AlertDescription::IllegalParameter);
        assert_eq!(tls13(ContentType::ChangeCipherSpec, &[1]), AlertDescription::UnexpectedMessage);

        let mut tls12 = ControlRecords::new(ProtocolVersion::TLSv1_2);
        let of_tls12 = |records: &mut _, bytes: &[u8]| all(records, handshake, &[bytes]);
        assert_eq!(of_tls12(&mut tls12, &[1]), Err(AlertDescription::NoRenegotiation));
        let mut tls12 = ControlRecords::new(ProtocolVersion::TLSv1_2);
        assert_eq!(of_tls12(&mut tls12, &[24]), Err(AlertDescription::UnexpectedMessage));
    }
}
