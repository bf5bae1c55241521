"""`openoutcry emulate binance`: serve the emulator until told to stop."""

import asyncio
import sys
from pathlib import Path

import orjson

from openoutcry.emulator.recording import Recording
from openoutcry.emulator.server import TEST_API_KEY, TEST_API_SECRET, EmulatorServer, EmulatorUrls


async def emulate(port: int, as_json: bool, replay: Path | None, stop: asyncio.Event) -> int:
    """Serve on `port` (0: any) until `stop` is set, and return the exit status.

    Prints the three URLs and the test key and secret, as one JSON line if so asked. With `replay`, a recording is
    served in place of simulated markets.

    Raises:
        PortInUse: another program has the port.
        BadRecording: `replay` names no recording.
    """
    server = EmulatorServer(port=port, replay=None if replay is None else Recording.load(replay))
    urls = await server.start()
    try:
        sys.stdout.write(_as_json(urls) if as_json else _as_text(urls))
        sys.stdout.flush()
        await stop.wait()
    finally:
        await server.stop()
    return 0


def _as_json(urls: EmulatorUrls) -> str:
    shown = {
        "rest_url": urls.rest_url,
        "ws_url": urls.ws_url,
        "ws_api_url": urls.ws_api_url,
        "api_key": TEST_API_KEY,
        "api_secret": TEST_API_SECRET,
    }
    return orjson.dumps(shown).decode() + "\n"


def _as_text(urls: EmulatorUrls) -> str:
    return (
        "An emulated Binance spot is listening. Interrupt it with Ctrl+C.\n"
        f"  REST            {urls.rest_url}\n"
        f"  market streams  {urls.ws_url}\n"
        f"  WebSocket API   {urls.ws_api_url}\n"
        f"  API key         {TEST_API_KEY}\n"
        f"  API secret      {TEST_API_SECRET}\n"
    )
