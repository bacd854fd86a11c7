//! The capture port: pcap and pcapng files in and out.
