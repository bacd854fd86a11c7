//! What became of messages.

/// What became of the messages of one application, on one core or (merged) on all. In the end those that were sent were received or
/// dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCount {
    /// Messages that there is room for, for each pair of sender and receiver.
    pub room: u64,
    /// Messages that were sent, once for each receiver.
    pub sent: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages there was no room for: once for every time, also for one to all.
    pub refused: u64,
    /// Messages that nobody had received when the run was over.
    pub dropped: u64,
    /// The most that waited to be received at one address.
    pub peak: u64,
}
