//! The applications that come with mnvkd.
