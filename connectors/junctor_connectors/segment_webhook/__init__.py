"""Source `segment_webhook`: what Segment's Webhooks destinations post."""
