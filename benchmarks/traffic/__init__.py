"""What is at the other end of the wire: senders, readers, receivers, each a process of its own."""
