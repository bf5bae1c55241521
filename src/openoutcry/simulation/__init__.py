"""Deterministic simulation: the whole tree against the emulated exchange in memory, in virtual time, from a seed."""
