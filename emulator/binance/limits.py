"""Rate limits as Binance counts them: request weight a minute and IP, orders an account, raw requests, and bans.

Source: Binance spot documents, "Limits". Windows are aligned to the wall clock. A client that goes on after a 429
is banned (418), each time longer: 2 minutes up to 3 days.
"""

from dataclasses import dataclass, field
from typing import Final

from openoutcry.emulator.binance.errors import WireError

_MINUTE_MS: Final = 60_000
_FIVE_MINUTES_MS: Final = 300_000
_TEN_SECONDS_MS: Final = 10_000
_DAY_MS: Final = 86_400_000
_LONGEST_BAN_MS: Final = 3 * _DAY_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How much a client may do. Defaults are those of the live exchange."""

    weight_per_minute: int = 6_000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000
    raw_requests_per_5m: int = 300_000
    connections_per_5m: int = 300
    stream_messages_per_second: int = 5
    streams_per_connection: int = 1_024
    requests_after_429_before_ban: int = 10
    """How many requests a client may send in vain after its first 429 in a window."""
    first_ban_ms: int = 120_000
    enforced: bool = True
    """False: everything is counted and shown in the headers, nothing is refused."""

    @classmethod
    def unlimited(cls) -> "RateLimits":
        """Limits that are counted but never enforced, for benchmarks."""
        return cls(
            weight_per_minute=1_000_000_000,
            orders_per_10s=1_000_000_000,
            orders_per_day=1_000_000_000,
            raw_requests_per_5m=1_000_000_000,
            enforced=False,
        )


@dataclass(slots=True)
class _Window:
    """A count in the current fixed window of the wall clock."""

    length_ms: int
    index: int = -1
    count: int = 0

    def roll(self, now_ms: int) -> None:
        index = now_ms // self.length_ms
        if index != self.index:
            self.index = index
            self.count = 0

    def ends_ms(self) -> int:
        return (self.index + 1) * self.length_ms


@dataclass(slots=True)
class IpUsage:
    """What one IP address has used."""

    limits: RateLimits
    weight: _Window = field(default_factory=lambda: _Window(_MINUTE_MS))
    raw: _Window = field(default_factory=lambda: _Window(_FIVE_MINUTES_MS))
    connections: _Window = field(default_factory=lambda: _Window(_FIVE_MINUTES_MS))
    refused: int = 0
    bans: int = 0
    banned_until_ms: int = 0

    def charge(self, weight: int, now_ms: int) -> None:
        """Count a request before it is handled.

        Raises:
            WireError: 429 over the limit, 418 in a ban.
        """
        self.weight.roll(now_ms)
        self.raw.roll(now_ms)
        limits = self.limits
        if now_ms < self.banned_until_ms:
            raise self._banned(limits)
        self.raw.count += 1
        if not limits.enforced:
            self.weight.count += weight
            return
        over = None
        if self.weight.count + weight > limits.weight_per_minute:
            over = (
                self.weight,
                f"request weight used; current limit is {limits.weight_per_minute} request weight per 1 MINUTE",
            )
        elif self.raw.count > limits.raw_requests_per_5m:
            over = self.raw, f"requests; current limit is {limits.raw_requests_per_5m} requests per 5 MINUTE"
        if over is None:
            self.weight.count += weight
            self.refused = 0
            return
        window, what = over
        self.refused += 1
        if self.refused > limits.requests_after_429_before_ban:
            self.ban(now_ms)
            raise self._banned(limits)
        raise WireError(
            -1003,
            f"Too much {what}. Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            retry_after_ms=window.ends_ms(),
        )

    def refund(self, weight: int) -> None:
        """Give the weight back: a successful order or cancel weighs nothing."""
        self.weight.count = max(0, self.weight.count - weight)

    def connect(self, now_ms: int, weight: int = 0) -> bool:
        """Count a WebSocket connection and what it weighs; False if there were too many in five minutes."""
        self.weight.roll(now_ms)
        self.weight.count += weight
        self.connections.roll(now_ms)
        self.connections.count += 1
        return not self.limits.enforced or self.connections.count <= self.limits.connections_per_5m

    def ban(self, now_ms: int, length_ms: int | None = None) -> None:
        """Ban the address: for the given time, or twice as long as the time before."""
        if length_ms is None:
            length_ms = min(self.limits.first_ban_ms * 2**self.bans, _LONGEST_BAN_MS)
        self.bans += 1
        self.refused = 0
        self.banned_until_ms = now_ms + length_ms

    def _banned(self, limits: RateLimits) -> WireError:
        return WireError(
            -1003,
            f"Way too much request weight used; IP banned until {self.banned_until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans.",
            status=418,
            retry_after_ms=self.banned_until_ms,
        )


@dataclass(slots=True)
class OrderUsage:
    """The unfilled orders an account has placed. A fill gives the place back."""

    limits: RateLimits
    ten_seconds: _Window = field(default_factory=lambda: _Window(_TEN_SECONDS_MS))
    day: _Window = field(default_factory=lambda: _Window(_DAY_MS))

    def roll(self, now_ms: int) -> None:
        """Begin new windows where the old ones are over."""
        self.ten_seconds.roll(now_ms)
        self.day.roll(now_ms)

    def check(self, now_ms: int) -> None:
        """Refuse one order too many.

        Raises:
            WireError: -1015 under HTTP 429.
        """
        self.roll(now_ms)
        limits = self.limits
        if not limits.enforced:
            return
        for window, limit, interval in (
            (self.ten_seconds, limits.orders_per_10s, "10 SECOND"),
            (self.day, limits.orders_per_day, "1 DAY"),
        ):
            if window.count >= limit:
                raise WireError(
                    -1015,
                    f"Too many new orders; current limit is {limit} orders per {interval}.",
                    status=429,
                    retry_after_ms=window.ends_ms(),
                )

    def placed(self) -> None:
        """Count an accepted order."""
        self.ten_seconds.count += 1
        self.day.count += 1

    def filled(self) -> None:
        """Give back the place of an order that began to fill."""
        self.ten_seconds.count = max(0, self.ten_seconds.count - 1)
        self.day.count = max(0, self.day.count - 1)

    def view(self, now_ms: int, *, with_count: bool) -> list[dict[str, object]]:
        """The two ORDERS limits as Binance lists them."""
        self.roll(now_ms)
        shown: list[dict[str, object]] = [
            {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": self.limits.orders_per_10s},
            {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": self.limits.orders_per_day},
        ]
        if with_count:
            shown[0]["count"] = self.ten_seconds.count
            shown[1]["count"] = self.day.count
        return shown


def weight_view(usage: IpUsage) -> dict[str, object]:
    """The REQUEST_WEIGHT limit with its count, as a WebSocket API answer shows it."""
    return {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": usage.limits.weight_per_minute,
        "count": usage.weight.count,
    }


def exchange_info_view(limits: RateLimits) -> list[dict[str, object]]:
    """`rateLimits` of exchangeInfo."""
    return [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limits.weight_per_minute},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": limits.orders_per_10s},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": limits.orders_per_day},
        {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": limits.raw_requests_per_5m},
    ]
