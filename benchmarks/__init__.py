"""The hub against a bare forwarder on this machine; `make bench`."""
