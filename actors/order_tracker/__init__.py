"""In-flight orders: their state machine, the durable journal, the checks before sending, and the REST backup."""
