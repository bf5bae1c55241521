"""One call as the handlers see it, whichever wire it came over."""

from dataclasses import dataclass

from openoutcry.emulator.binance.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Call:
    """A checked call: its key is known, its signature right, its time within the window."""

    parameters: Parameters
    now_ms: int
    account_id: str = ""
    """Empty for public calls."""
