//! Port of `org.apache.kafka.common.DirectoryId`: what the reserved ids of log directories mean.

/// A UUID, by which the controllers know a log directory.
pub type DirectoryId = [u8; 16];

/// In place of the id of a log directory that the controllers do not know: the replica is from before the
/// cluster kept directories.
pub const MIGRATING: DirectoryId = reserved(0);
/// In place of the id of a log directory that the broker has yet to choose.
pub const UNASSIGNED: DirectoryId = reserved(1);
/// In place of the id of a log directory that went offline.
pub const LOST: DirectoryId = reserved(2);

/// The first `metadata.version` at which controllers keep the ids of log directories: 3.7-IV2.
pub const FIRST_VERSION_WITH_DIRECTORIES: i16 = 17;

/// Port of `reserved`: the first hundred ids are no directory's.
pub fn is_reserved(id: &DirectoryId) -> bool {
    id[..15].iter().all(|it| *it == 0) && id[15] < 100
}

const fn reserved(number: u8) -> DirectoryId {
    let mut id = [0; 16];
    id[15] = number;
    id
}
