//! One message: a group of records, its place in the chain, and a checksum.
//!
//! All numbers are little-endian:
//!
//! | bytes | |
//! |---|---|
//! | 4 | `LWG1` for a group, `LWS1` for a snapshot's chunk, `LWF1` for a fence |
//! | 8 | the epoch |
//! | 8 | the number |
//! | 8 | the hash of everything before it |
//! | 1 | flags: 1 for [`continued`](Group::continued), 2 for [`continues`](Group::continues) |
//! | 4 | the number of records |
//! | 4 + n, for each record | its length and its bytes |
//! | 4 | the CRC-32 of all bytes before |

use bytes::{Buf, BufMut, Bytes, BytesMut};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::subjects::Kind;

/// Bytes of a body beside its records.
pub const OVERHEAD: usize = HEAD + CHECKSUM;
/// Bytes of a record beside its own.
pub const RECORD_OVERHEAD: usize = 4;
/// The most bytes that a body of this program has: with its headers it fits `max_payload` of 1 MiB and the stream's `max_msg_size`.
pub const MAX_BODY: usize = 512 * 1024;

const HEAD: usize = 4 + 3 * 8 + 1 + 4;
const CHECKSUM: usize = 4;
const CONTINUED: u8 = 1;
const CONTINUES: u8 = 2;

/// A message's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What the message is.
    pub kind: Kind,
    /// The sequence of the fence behind which it was written. Of a fence: the fence before it, 0 if there is none.
    pub epoch: u64,
    /// Counts the groups and chunks of the journal, from 1. Of a fence: the number of the last group before it, 0 of one that takes over.
    pub number: u64,
    /// The hash of everything before it, see [`chain_hash`]. 0 of a fence that takes over: it does not know what is before it.
    pub previous: u64,
    /// Whether the first record is the rest of the record with which the group before it ended.
    pub continued: bool,
    /// Whether the last record goes on in the next group.
    pub continues: bool,
    /// The records.
    pub records: Vec<Bytes>,
}

/// A body that is no message of a journal, or a damaged one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct GroupError(pub String);

/// The hash of a chain up to and with this message, where `previous` is the hash up to the message before it: the first 8 bytes of the SHA-256
/// of both. The hash before the first message is 0. Messages of an older epoch behind a fence are not in it.
#[must_use]
pub fn chain_hash(previous: u64, body: &[u8]) -> u64 {
    let digest = Sha256::new().chain_update(previous.to_le_bytes()).chain_update(body).finalize();
    digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

/// The checksum at the end of a body.
fn checksum(of: &[u8]) -> u32 {
    crc32fast::hash(of)
}

fn magic(kind: Kind) -> [u8; 4] {
    match kind {
        Kind::Fence => *b"LWF1",
        Kind::Group => *b"LWG1",
        Kind::Chunk => *b"LWS1",
    }
}

impl Group {
    /// The message's body.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let size: usize = self.records.iter().map(|record| record.len() + RECORD_OVERHEAD).sum();
        let mut body = BytesMut::with_capacity(OVERHEAD + size);
        body.put_slice(&magic(self.kind));
        [self.epoch, self.number, self.previous].iter().for_each(|number| body.put_u64_le(*number));
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        body.put_u8(flag(self.continued, CONTINUED) | flag(self.continues, CONTINUES));
        body.put_u32_le(length(self.records.len()));
        for record in &self.records {
            body.put_u32_le(length(record.len()));
            body.put_slice(record);
        }
        let checksum = checksum(&body);
        body.put_u32_le(checksum);
        body.freeze()
    }

    /// Reads a body. Its records share the bytes.
    ///
    /// # Errors
    /// When it has another form, or its checksum is wrong.
    pub fn decode(body: &Bytes) -> Result<Self, GroupError> {
        let len = body.len();
        let Some(checked) = len.checked_sub(CHECKSUM).filter(|checked| *checked >= HEAD) else {
            return Err(GroupError(format!("it has {len} bytes, which is too short for a message of a journal")));
        };
        let (mut rest, mut end) = (body.slice(..checked), body.slice(checked..));
        let is = checksum(&rest);
        let mut found = [0; 4];
        rest.copy_to_slice(&mut found);
        let kind = [Kind::Fence, Kind::Group, Kind::Chunk].into_iter().find(|kind| magic(*kind) == found);
        let Some(kind) = kind else {
            return Err(GroupError(format!(
                "it begins with {}, as no message of a journal does",
                found.escape_ascii()
            )));
        };
        let was = end.get_u32_le();
        if is != was {
            return Err(GroupError(format!("its checksum is {is:08x}, and was {was:08x} when it was written")));
        }
        let [epoch, number, previous] = [rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le()];
        let (flags, count) = (rest.get_u8(), rest.get_u32_le());
        if flags & !(CONTINUED | CONTINUES) != 0 {
            return Err(GroupError(format!("it has flags that this version does not know: {flags:#x}")));
        }
        let mut records = Vec::new();
        for _ in 0..count {
            records.push(record(&mut rest).ok_or_else(|| GroupError("it ends within a record".to_owned()))?);
        }
        if !rest.is_empty() {
            return Err(GroupError(format!("it has {} bytes behind its {count} records", rest.len())));
        }
        let (continued, continues) = (flags & CONTINUED != 0, flags & CONTINUES != 0);
        if records.is_empty() && (continued || continues) {
            return Err(GroupError("it goes on with a record, and has none".to_owned()));
        }
        Ok(Self { kind, epoch, number, previous, continued, continues, records })
    }
}

fn record(rest: &mut Bytes) -> Option<Bytes> {
    let len = usize::try_from(rest.try_get_u32_le().ok()?).ok()?;
    (len <= rest.len()).then(|| rest.split_to(len))
}

/// A length in a body. A group has some hundred KiB.
fn length(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_group() -> impl Strategy<Value = Group> {
        let kind = prop_oneof![Just(Kind::Fence), Just(Kind::Group), Just(Kind::Chunk)];
        let records = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8);
        (kind, any::<[u64; 3]>(), any::<[bool; 2]>(), records).prop_map(|(kind, numbers, flags, records)| {
            let [epoch, number, previous] = numbers;
            let [continued, continues] = flags.map(|flag| flag && !records.is_empty());
            let records = records.into_iter().map(Bytes::from).collect();
            Group { kind, epoch, number, previous, continued, continues, records }
        })
    }

    fn of(records: &[&'static str]) -> Group {
        let records = records.iter().map(|record| Bytes::from_static(record.as_bytes())).collect();
        let (kind, epoch, number, previous) = (Kind::Group, 1, 2, 3);
        Group { kind, epoch, number, previous, continued: false, continues: false, records }
    }

    /// The same body with a right checksum.
    fn resealed(mut body: Vec<u8>) -> Bytes {
        body.truncate(body.len() - CHECKSUM);
        let checksum = checksum(&body);
        body.extend(checksum.to_le_bytes());
        body.into()
    }

    #[test]
    fn the_form_of_a_message_stays_as_it_is() {
        let body = of(&["a", ""]).encode();
        let mut expected = b"LWG1\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\x02\0\0\0".to_vec();
        expected.extend(b"\x01\0\0\0a\0\0\0\0");
        assert_eq!(body.split_at(body.len() - CHECKSUM).0, expected);
        assert_eq!(body.len(), OVERHEAD + 2 * RECORD_OVERHEAD + 1);
        assert_eq!(chain_hash(0, b""), 0xdbf7_6b08_6e13_70af_u64.swap_bytes());
        assert_ne!(chain_hash(0, b"a"), chain_hash(1, b"a"));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told() {
        let good = of(&["abc"]).encode().to_vec();
        let changed = |at: usize, to: u8| {
            let mut body = good.clone();
            body[at] = to;
            body
        };
        let table = [
            (Bytes::new(), "it has 0 bytes, which is too short for a message of a journal"),
            (changed(3, b'9').into(), "it begins with LWG9, as no message of a journal does"),
            (resealed(changed(28, 4)), "it has flags that this version does not know: 0x4"),
            (resealed(changed(29, 2)), "it ends within a record"),
            (resealed(changed(33, 4)), "it ends within a record"),
            (resealed(changed(33, 2)), "it has 1 bytes behind its 1 records"),
            (resealed(changed(29, 0)), "it has 7 bytes behind its 0 records"),
        ];
        for (body, why) in table {
            assert_eq!(Group::decode(&body).unwrap_err().to_string(), why);
        }
        let error = Group::decode(&changed(38, b'x').into()).unwrap_err().to_string();
        assert!(error.starts_with("its checksum is "), "{error}");
        let mut empty = of(&[]).encode().to_vec();
        empty[28] = CONTINUES;
        let error = Group::decode(&resealed(empty)).unwrap_err().to_string();
        assert_eq!(error, "it goes on with a record, and has none");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(group in any_group()) {
            prop_assert_eq!(Group::decode(&group.encode()).unwrap(), group);
        }

        #[test]
        fn a_byte_that_has_changed_is_found(group in any_group(), at in any::<prop::sample::Index>(), by in 1u8..) {
            let mut body = group.encode().to_vec();
            let at = at.index(body.len());
            body[at] ^= by;
            prop_assert!(Group::decode(&body.into()).is_err());
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(mut body in prop::collection::vec(any::<u8>(), 0..120), kind in 0usize..4) {
            Group::decode(&body.clone().into()).ok();
            // The same with a right beginning and a right checksum.
            if let (Some(magic), true) = ([b"LWG1", b"LWS1", b"LWF1"].get(kind), body.len() > OVERHEAD) {
                body[..4].copy_from_slice(*magic);
                body[28] &= CONTINUED | CONTINUES;
                body[30..33].fill(0);
                Group::decode(&resealed(body)).ok();
            }
        }
    }
}
