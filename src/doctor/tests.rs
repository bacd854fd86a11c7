//! Machines that are well and ill.
