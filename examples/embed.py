"""A bot in twenty lines: connect, look at the market, place an order, watch it, cancel it."""

import asyncio
from decimal import Decimal

from openoutcry import OrderCancelled, OrderCompleted, OrderCreated, OrderType, Runtime


async def main() -> None:
    """Run the connector that openoutcry.toml calls binance."""
    async with Runtime.from_file("openoutcry.toml") as runtime:
        binance = runtime.connector("binance")
        await binance.wait_ready(timeout=30)  # ConnectorNotReady names what is missing
        bid, ask = binance.best_bid_ask("BTC-USDT")  # raises rather than show a stale price
        book = await binance.order_book("BTC-USDT", depth=50)  # immutable
        print(f"bid {bid}, ask {ask}, {len(book.bids)} bids and {len(book.asks)} asks at {book.sequence}")
        price = binance.quantize_order_price("BTC-USDT", Decimal(str(bid)) * Decimal("0.99"))
        order_id = await binance.buy("BTC-USDT", Decimal("0.01"), OrderType.LIMIT, price)
        async for event in binance.events():  # each exactly once, in order
            print(event)
            if isinstance(event, OrderCreated):
                await binance.cancel("BTC-USDT", order_id)
            elif isinstance(event, OrderCancelled | OrderCompleted):
                break


if __name__ == "__main__":
    asyncio.run(main())
