"""What carries an event to one destination: batching, order, retries, breaker, dead letters."""
