"""Statsig: events with value, metadata and a full user object, in gzipped batches."""
