"""Where events, state and the delivery ledger are kept: port.py says what, the adapters how."""
