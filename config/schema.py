"""The config's shape: frozen models that say what is allowed."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

TradingPair = Annotated[str, Field(pattern=r"^[^\s/-]+-[^\s/-]+$")]
"""BASE-QUOTE, e.g. BTC-USDT."""

Url = Annotated[str, Field(pattern=r"^(https?|wss?)://[^\s]+[^/\s]$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SecretSource(_Model):
    """Where a secret is read from; never the secret itself."""

    env: str | None = None
    """Name of an environment variable."""
    file: Path | None = None
    """A file that holds the secret and nothing else."""
    keyring: str | None = None
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

    exchange: str
    """The dialect's name."""
    domain: str | None = None
    """One of the dialect's domains; left out: its first."""
    trading_pairs: tuple[TradingPair, ...] = ()
    api_key: SecretSource | None = None
    api_secret: SecretSource | None = None
    """Both left out: market data only."""
    rest_url: Url | None = None
    ws_url: Url | None = None
    ws_api_url: Url | None = None
    cancel_orders_on_stop: bool = False
    """Whether stopping cancels all open orders of this connector first."""
    journal: Path | None = None
    """The order journal's file; left out: NAME.journal.sqlite in the state directory."""
    max_restarts: Annotated[int, Field(ge=0)] = 5
    """Restarts within `restart_period_s` before a failure goes to the level above."""
    restart_period_s: Annotated[float, Field(gt=0)] = 60.0
    order_poll_interval_s: Annotated[float, Field(gt=0)] = 10.0
    """How often in-flight orders are asked for by REST, beside the user stream."""
    balance_poll_interval_s: Annotated[float, Field(gt=0)] = 30.0
    trading_rules_interval_s: Annotated[float, Field(gt=0)] = 1800.0
    real_time_balance_update: bool | None = None
    """Overrides the dialect's word on whether the user stream tells balances."""
    reserve_for_cancels: Annotated[Decimal, Field(ge=0, lt=1)] = Decimal("0.1")
    """Share of each rate limit that only cancels may use."""

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

    connectors: Annotated[dict[str, ConnectorSettings], Field(min_length=1)]
    state_directory: Path = Path("openoutcry-state")
    """Where journals lie; relative to the config file."""
