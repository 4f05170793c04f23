"""Source `segment`: Segment's HTTP tracking API, as SDKs and plain HTTP callers speak it."""
