"""The conversation with the REST gateway: what to ask of the exchange, and the four ways it can end.

What every order makes one of is a msgspec struct, not a dataclass: making it takes a tenth of the time.
"""

from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from openoutcry.messages.trading_rules import RateLimit


class Security(StrEnum):
    """What the exchange wants to see with a request."""

    PUBLIC = "public"
    KEYED = "keyed"
    """The key in a header, no signature."""
    SIGNED = "signed"


class Purpose(StrEnum):
    """What a request is for: rate limits keep a reserve that only cancels may use."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    MARKET_DATA = "market data"


class RestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the dialect builds it: not yet stamped, signed or sent."""

    method: str
    path: str
    """From the root of the REST endpoint, e.g. /api/v3/order."""
    parameters: tuple[tuple[str, str], ...] = ()
    """In the order in which they are sent; not yet percent-encoded."""
    security: Security = Security.PUBLIC
    purpose: Purpose = Purpose.QUERY
    is_idempotent: bool = True
    """Whether it may be repeated when its outcome is not known."""
    costs: tuple[tuple[str, int], ...] = ()
    """What it costs of which rate limit: (RateLimit.name, weight)."""


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request with its stamp and signature, ready for the wire. Carries the key: never log it."""

    method: str
    path_and_query: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"SignedRequest({self.method} {self.path_and_query.partition('?')[0]} …)"


class ExecuteRest(msgspec.Struct, frozen=True, kw_only=True):
    """Execute a request. Answered with `RestAnswer`, `RestRefused`, `RestNotSent` or `RestOutcomeUnknown`."""

    request: RestRequest
    timeout_s: float = 10.0
    """For the whole: waiting for a rate limit, retries, the answer."""


class RestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange did what was asked."""

    body: bytes
    sent_ms: int
    """Exchange time when the request left, in ms since the epoch."""
    received_ns: int

    def __repr__(self) -> str:
        return f"RestAnswer({len(self.body)} bytes, sent_ms={self.sent_ms})"


class ErrorKind(StrEnum):
    """What an exchange's error means for what is safe to do next."""

    CLOCK_SKEW = "clock skew"
    BAD_SIGNATURE = "bad signature"
    BAD_KEY = "bad key or no permission"
    RATE_LIMITED = "rate limited"
    BANNED = "banned"
    BUSY = "exchange busy, not executed"
    OUTCOME_UNKNOWN = "outcome unknown"
    UNKNOWN_ORDER = "unknown order"
    DUPLICATE_ORDER = "duplicate client order id"
    INSUFFICIENT_BALANCE = "insufficient balance"
    WOULD_TAKE = "limit maker would take"
    FILTER = "trading rule violated"
    MARKET_CLOSED = "market closed"
    UNKNOWN_SYMBOL = "unknown symbol"
    MALFORMED = "malformed request"
    MAINTENANCE = "maintenance"
    OTHER = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeError:
    """An error in the exchange's words, with its meaning."""

    kind: ErrorKind
    code: str
    message: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.message} (code {self.code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRefused:
    """The exchange answered with an error: the request had no effect."""

    error: ExchangeError
    sent_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestNotSent:
    """The request certainly never reached the exchange: it may be made again."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestOutcomeUnknown:
    """The request left, and whether it had an effect is not known. For an order: ask, never repeat."""

    reason: str
    sent_ms: int


RestOutcome = RestAnswer | RestRefused | RestNotSent | RestOutcomeUnknown


class SignRest(msgspec.Struct, frozen=True, kw_only=True):
    """To the signer: stamp and sign a request. Answered with `SignedRequest` or `SigningFailed`."""

    request: RestRequest
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignStreamLogin:
    """To the signer: make the frame that opens the user stream. Answered with `SignedFrame` or `SigningFailed`."""

    request_id: str
    timestamp_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFrame:
    """A WebSocket frame with a signature in it. Never log it."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningFailed:
    """There is nothing to sign with, or it does not fit; says how to mend it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSkewSuspected:
    """To the clock: the exchange complained of a timestamp. Answered with `ClockOffset` after a new measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOffset:
    """How far the exchange's clock is ahead of ours."""

    offset_ms: float
    uncertainty_ms: float
    """Half of the round trip of the best measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitsKnown:
    """To the gateway: the exchange's own word on what it limits."""

    limits: tuple[RateLimit, ...]
