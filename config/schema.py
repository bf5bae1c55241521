"""The config's shape: frozen models that say what is allowed.

Each field's description ends the sentence "… is not", and is what a person reads after a mistake (`load.py`).
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, field_validator, model_validator

ConnectorName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", description="made of letters, digits, - and _ alone")]

TradingPair = Annotated[
    str, Field(pattern=r"^[^\s/-]+-[^\s/-]+$", description="a trading pair: write BASE-QUOTE, e.g. BTC-USDT")
]
"""BASE-QUOTE, e.g. BTC-USDT."""

_AFTER_SCHEME = r"[^\s/?#@]+(/[^\s?#]*[^\s/?#])?$"
RestUrl = Annotated[
    str,
    Field(
        pattern=r"^https?://" + _AFTER_SCHEME,
        description="a REST endpoint: write https://HOST or http://HOST, without a slash at the end",
    ),
]
WebSocketUrl = Annotated[
    str,
    Field(
        pattern=r"^wss?://" + _AFTER_SCHEME,
        description="a WebSocket endpoint: write wss://HOST or ws://HOST, without a slash at the end",
    ),
]
_Seconds = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False, description="a number of seconds above 0")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretSource(_Model):
    """Where a secret is read from; never the secret itself."""

    env: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$", description="the name of an environment variable"),
    ] = None
    """Name of an environment variable."""
    file: Annotated[Path | None, Field(description="the path of a file that holds the secret and nothing else")] = None
    """A file that holds the secret and nothing else."""
    keyring: Annotated[str | None, Field(pattern=r"^[^/]+/.+$", description="a keyring entry: write SERVICE/NAME")] = (
        None
    )
    """SERVICE/NAME in the system's keyring."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(source is not None for source in (self.env, self.file, self.keyring)) != 1:
            raise ValueError("name exactly one of env, file, keyring")
        return self

    def __str__(self) -> str:
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.file is not None:
            return f"file {self.file}"
        return f"keyring entry {self.keyring}"


class ConnectorSettings(_Model):
    """One connector: an exchange, an account, the pairs."""

    exchange: Annotated[str, Field(description="the name of an exchange")]
    """The dialect's name."""
    domain: Annotated[str | None, Field(description="the name of one of the exchange's domains")] = None
    """One of the dialect's domains; left out: its first."""
    trading_pairs: Annotated[tuple[TradingPair, ...], Field(description='a list, e.g. ["BTC-USDT", "ETH-USDT"]')] = ()
    api_key: SecretSource | None = None
    api_secret: SecretSource | None = None
    """Both left out: market data only."""
    rest_url: RestUrl | None = None
    ws_url: WebSocketUrl | None = None
    ws_api_url: WebSocketUrl | None = None
    cancel_orders_on_stop: Annotated[StrictBool, Field(description="true or false")] = False
    """Whether stopping cancels all open orders of this connector first."""
    journal: Annotated[Path | None, Field(description="the path of a file")] = None
    """The order journal's file; left out: NAME.journal.sqlite in the state directory."""
    max_restarts: Annotated[int, Field(ge=0, strict=True, description="a whole number, 0 or above")] = 5
    """Restarts within `restart_period_s` before a failure goes to the level above."""
    restart_period_s: _Seconds = 60.0
    order_poll_interval_s: _Seconds = 10.0
    """How often in-flight orders are asked for by REST, beside the user stream."""
    balance_poll_interval_s: _Seconds = 30.0
    trading_rules_interval_s: _Seconds = 1800.0
    real_time_balance_update: Annotated[StrictBool | None, Field(description="true or false")] = None
    """Overrides the dialect's word on whether the user stream tells balances."""
    reserve_for_cancels: Annotated[
        Decimal, Field(ge=0, lt=1, description="a number from 0 to below 1: a share of each rate limit")
    ] = Decimal("0.1")
    """Share of each rate limit that only cancels may use."""

    @field_validator("trading_pairs")
    @classmethod
    def _each_once(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(pairs)) != len(pairs):
            raise ValueError("a trading pair is named twice")
        return pairs

    @model_validator(mode="after")
    def _key_and_secret(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("api_key and api_secret go together: name both, or neither for market data only")
        return self

    @property
    def is_market_data_only(self) -> bool:
        """Whether there is no account: no orders, balances or user stream."""
        return self.api_key is None


class Settings(_Model):
    """The whole config."""

    connectors: Annotated[dict[ConnectorName, ConnectorSettings], Field(min_length=1)]
    state_directory: Annotated[Path, Field(description="the path of a folder")] = Path("openoutcry-state")
    """Where journals lie; relative to the config file."""
