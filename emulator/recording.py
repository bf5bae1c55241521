"""Recordings of real market data: exchangeInfo, depth snapshots and stream frames, read from three files.

The form is that of cryptofeed's recorder. `NAME.0` and `NAME.http.*` hold `URL -> time: body` a line; `NAME.ws.*` holds
`time: frame` a line, after a line `URL <-> time` with the streams.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from openoutcry.emulator.binance.render import JsonObject

_ANSWER: Final = re.compile(r"(?P<url>https?://\S+) -> (?P<time>[0-9.]+): (?P<body>.*)")
_FRAME: Final = re.compile(r"(?P<time>[0-9.]+): (?P<frame>.*)")
_SUFFIX: Final = re.compile(r"(\.http\.\d+\.\d+|\.ws\.\d+\.\d+|\.0)$")

RawLevels: TypeAlias = list[list[str]]


class BadRecording(ValueError):
    """The files hold nothing that can be replayed."""


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One frame of a market stream."""

    time_s: float
    """When it came, in seconds since the epoch."""
    stream: str
    content: JsonObject
    """Parsed, for the book that goes along."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A recorded depth snapshot."""

    last_update_id: int
    bids: RawLevels
    asks: RawLevels


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded."""

    exchange_info: JsonObject | None
    snapshots: dict[str, Snapshot]
    """By symbol ("BTCUSDT")."""
    frames: tuple[RecordedFrame, ...]
    """In the order in which they came."""

    @classmethod
    def load(cls, path: Path) -> "Recording":
        """Read a recording named by any of its files, or by what their names begin with.

        Raises:
            BadRecording: there is no such recording, or not one frame in it.
        """
        prefix = path.with_name(_SUFFIX.sub("", path.name))
        start = prefix.with_name(prefix.name + ".0")
        exchange_info = _exchange_info(start) if start.is_file() else None
        snapshots: dict[str, Snapshot] = {}
        for file in sorted(prefix.parent.glob(f"{prefix.name}.http.*")):
            snapshots |= _snapshots(file)
        frames: list[RecordedFrame] = []
        for file in sorted(prefix.parent.glob(f"{prefix.name}.ws.*")):
            frames += _frames(file)
        if not frames:
            raise BadRecording(
                f"{path} is no recording: expected stream frames in {prefix.name}.ws.*, depth snapshots in "
                f"{prefix.name}.http.* and exchangeInfo in {start.name}"
            )
        frames.sort(key=lambda frame: frame.time_s)
        return cls(exchange_info, snapshots, tuple(frames))


def _exchange_info(file: Path) -> JsonObject | None:
    for url, content in _answers(file):
        if "exchangeInfo" in url and isinstance(content.get("symbols"), list):
            return content
    return None


def _snapshots(file: Path) -> dict[str, Snapshot]:
    found: dict[str, Snapshot] = {}
    for url, content in _answers(file):
        symbol = re.search(r"[?&]symbol=([^&]+)", url)
        number, bids, asks = content.get("lastUpdateId"), content.get("bids"), content.get("asks")
        if symbol and isinstance(number, int) and isinstance(bids, list) and isinstance(asks, list):
            found.setdefault(symbol[1], Snapshot(number, bids, asks))
    return found


def _answers(file: Path) -> list[tuple[str, JsonObject]]:
    answers: list[tuple[str, JsonObject]] = []
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            match = _ANSWER.match(line)
            if match is None:
                continue
            try:
                content = orjson.loads(match["body"])
            except orjson.JSONDecodeError:
                continue
            if isinstance(content, dict):
                answers.append((match["url"], content))
    return answers


def _frames(file: Path) -> list[RecordedFrame]:
    frames: list[RecordedFrame] = []
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            match = _FRAME.match(line)
            if match is None:
                continue
            try:
                frame = orjson.loads(match["frame"])
            except orjson.JSONDecodeError:
                continue
            if isinstance(frame, dict) and isinstance(frame.get("data"), dict) and isinstance(frame.get("stream"), str):
                content = frame["data"]
                frames.append(RecordedFrame(float(match["time"]), frame["stream"], content, orjson.dumps(content)))
    return frames
