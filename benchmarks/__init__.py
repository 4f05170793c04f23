"""What the hub costs and keeps up with on this machine, beside a budget; `make bench`."""
