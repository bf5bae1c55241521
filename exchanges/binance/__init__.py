"""Binance spot: what it says and how, as pure functions and tables.

`dialect.BinanceSpot` gathers the modules under the contract of `openoutcry.exchanges.dialect`. The wire facts are
those of Binance's own documents (https://github.com/binance/binance-spot-api-docs); `docs/exchanges/binance.md` says
what of them is confirmed.
"""

from openoutcry.exchanges.binance.dialect import BinanceSpot

__all__ = ["BinanceSpot"]
