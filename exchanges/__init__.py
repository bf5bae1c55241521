"""The dialects: all that is particular to an exchange, sans-IO. `dialect.py` is the contract that each fills in."""
