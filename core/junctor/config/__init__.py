"""junctor.toml to checked models, with errors for people."""
