//! Packet to core: parse once, hash, bucket table, partition keys.
