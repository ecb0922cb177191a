//! The network side against servers on loopback.

mod channels;
