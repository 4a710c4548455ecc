//! Servers and nodes on hosts of their own, which are cut off from each other without a word. Owners are on the host of their node, and
//! plugins reach their server, from wherever they are: that one is the test's.

mod timed;
mod unreached;

use lastword_cluster_tests::SERVERS;

/// One for each server.
const OF_SERVERS: u8 = 3;
/// The first host without a server.
const WITHOUT_SERVER: usize = SERVERS;
