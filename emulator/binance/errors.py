"""The errors of Binance spot, as its documents word them."""

from typing import Final

MANDATORY_PARAMETER: Final = -1102
UNKNOWN_API_KEY: Final = -2015

_HTTP_STATUS: Final = {
    -1000: 500,
    -1001: 500,
    -1002: 401,
    -1003: 429,
    -1006: 500,
    -1007: 504,
    -1008: 503,
    -1015: 429,
    -2014: 401,
    -2015: 401,
}


class WireError(Exception):
    """A refusal as a client sees it: `{"code": …, "msg": …}` under an HTTP status.

    `retry_after_ms` is the wall time in milliseconds after which a limited client may come back.
    """

    def __init__(self, code: int, message: str, *, status: int = 0, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status or _HTTP_STATUS.get(code, 400)
        self.retry_after_ms = retry_after_ms

    def body(self) -> dict[str, object]:
        """The JSON object Binance answers with."""
        return {"code": self.code, "msg": self.message}


def missing(parameter: str) -> WireError:
    """A mandatory parameter that was not sent."""
    return WireError(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def missing_either(first: str, second: str) -> WireError:
    """Neither of two parameters was sent, and one must be."""
    return WireError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def empty(parameter: str) -> WireError:
    """A parameter that was sent without a value."""
    return WireError(-1105, f"Parameter '{parameter}' was empty.")


def illegal_characters(parameter: str, legal: str) -> WireError:
    """A value outside the legal range, given as a regular expression. A breach of length shows as this too."""
    return WireError(-1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{legal}'.")


def invalid_symbol() -> WireError:
    """A symbol that the exchange does not list."""
    return WireError(-1121, "Invalid symbol.")


def bad_key_format() -> WireError:
    """An API key that can't be one."""
    return WireError(-2014, "API-key format invalid.")


def unknown_key() -> WireError:
    """An unknown API key, or one without the permission the action needs."""
    return WireError(-2015, "Invalid API-key, IP, or permissions for action.")


def bad_signature() -> WireError:
    """A signature that does not belong to the payload as it was sent."""
    return WireError(-1022, "Signature for this request is not valid.")


def unknown_error() -> WireError:
    """What Binance says when it does not know what happened."""
    return WireError(-1000, "An unknown error occurred while processing the request.")
