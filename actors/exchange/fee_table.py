"""The fees of the pairs: the exchange's default until the account's are known. Pure."""

from collections.abc import Iterable

from openoutcry.messages.trading_rules import TradeFee, TradeFees


class FeeTable:
    """One fee a pair, the best known."""

    def __init__(self, default: TradeFee, trading_pairs: Iterable[str]) -> None:
        self._fees = {
            pair: TradeFee(trading_pair=pair, maker=default.maker, taker=default.taker) for pair in trading_pairs
        }

    def learn(self, fee: TradeFee) -> None:
        """Take the account's fee of a pair."""
        self._fees[fee.trading_pair] = fee

    def table(self) -> TradeFees:
        """All of them, in the order in which the pairs came."""
        return TradeFees(fees=tuple(self._fees.values()))
