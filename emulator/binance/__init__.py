"""The server side of Binance spot's wire: pure functions over a `BinanceExchange`, time passed in, no sockets."""
