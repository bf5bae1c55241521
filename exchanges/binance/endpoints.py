"""Where Binance spot is reached."""

from typing import Final

from openoutcry.exchanges.dialect import Endpoints, StreamTimings

DOMAINS: Final = {
    "com": Endpoints(
        rest_url="https://api.binance.com",
        ws_url="wss://stream.binance.com:9443",
        ws_api_url="wss://ws-api.binance.com:443/ws-api/v3",
    ),
    "us": Endpoints(
        rest_url="https://api.binance.us",
        ws_url="wss://stream.binance.us:9443",
        ws_api_url="wss://ws-api.binance.us:443/ws-api/v3",
    ),
    "testnet": Endpoints(
        rest_url="https://testnet.binance.vision",
        ws_url="wss://stream.testnet.binance.vision",
        ws_api_url="wss://ws-api.testnet.binance.vision/ws-api/v3",
    ),
    "demo": Endpoints(
        rest_url="https://demo-api.binance.com",
        ws_url="wss://demo-stream.binance.com",
        ws_api_url="wss://demo-ws-api.binance.com/ws-api/v3",
    ),
}

LIFETIME_S: Final = 24 * 3600.0

# The server pings every 20 s, on both kinds of stream: the market stream may miss one ping, the user stream two.
MARKET_TIMINGS: Final = StreamTimings(longest_silence_s=30.0, lifetime_s=LIFETIME_S)
USER_TIMINGS: Final = StreamTimings(longest_silence_s=60.0, lifetime_s=LIFETIME_S)

RAW_STREAM_PATH: Final = "/ws"
"""Opened without a stream's name: subscriptions follow. Frames are raw; `/stream` would wrap each of them."""
