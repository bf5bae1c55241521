"""The demonstration: an emulated exchange, a connector that trades on it and is crashed, and the truth compared."""
