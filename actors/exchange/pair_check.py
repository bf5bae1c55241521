"""Whether the exchange lists the configured pairs, and what was probably meant. Pure."""

import difflib
from collections.abc import Collection, Iterable


def describe_unlisted(wanted: Iterable[str], listed: Collection[str], exchange: str) -> str:
    """One clause for each wanted pair that is not listed, with pairs that look like it; empty when all are listed."""
    clauses = []
    for pair in wanted:
        if pair in listed:
            continue
        alike = _alike(pair, listed)
        hint = f"; did you mean {' or '.join(alike)}?" if alike else ""
        clauses.append(f"trading pair {pair} is not listed on {exchange}{hint}")
    return "; ".join(clauses)


def _alike(pair: str, listed: Collection[str]) -> list[str]:
    base, _, quote = pair.upper().partition("-")
    # The commonest mistakes: lower case, and base and quote changed over.
    exact = [other for other in (f"{base}-{quote}", f"{quote}-{base}") if other in listed]
    return exact or difflib.get_close_matches(pair.upper(), listed, n=3, cutoff=0.7)
