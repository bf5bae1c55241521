"""The fees of the pairs: the exchange's default until the account's are known. Pure."""

from collections.abc import Iterable

from openoutcry.messages.trading_rules import TradeFee, TradeFees


class FeeTable:
    """One fee a pair, the best known."""

    def __init__(self, default: TradeFee, trading_pairs: Iterable[str]) -> None:
        self._default = default
        self._fees: dict[str, TradeFee] = {}
        for pair in trading_pairs:
            self.follow(pair)

    def follow(self, trading_pair: str) -> None:
        """A pair more."""
        fee = TradeFee(trading_pair=trading_pair, maker=self._default.maker, taker=self._default.taker)
        self._fees.setdefault(trading_pair, fee)

    def forget(self, trading_pair: str) -> None:
        """A pair less."""
        self._fees.pop(trading_pair, None)

    def learn(self, fee: TradeFee) -> None:
        """Take the account's fee of a pair that is still followed."""
        if fee.trading_pair not in self._fees:
            return
        self._fees[fee.trading_pair] = fee

    def table(self) -> TradeFees:
        """All of them, in the order in which the pairs came."""
        return TradeFees(fees=tuple(self._fees.values()))
