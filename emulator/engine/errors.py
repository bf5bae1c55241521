"""The exchange's refusals, with the codes and texts of Binance spot (its errors.md)."""

CLIENT_ID_RANGE = "^[a-zA-Z0-9-_]{1,36}$"


class Rejected(Exception):
    """The exchange refuses a request. Nothing has changed.

    `code` and `message` are what goes over the wire: `{"code": -1121, "msg": "Invalid symbol."}`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code} {self.message}"


def filter_failure(name: str) -> Rejected:
    """The order breaks the filter of that name (`LOT_SIZE`, `PRICE_FILTER` …)."""
    return Rejected(-1013, f"Filter failure: {name}")


def invalid_value(what: str) -> Rejected:
    """A price or quantity that is not a positive number."""
    return Rejected(-1013, f"Invalid {what}.")


def illegal_client_id(parameter: str) -> Rejected:
    """A client order id with other characters, or more of them, than the exchange takes."""
    return Rejected(-1100, f"Illegal characters found in parameter '{parameter}'; legal range is '{CLIENT_ID_RANGE}'.")


def missing(parameter: str) -> Rejected:
    """A parameter that this kind of order needs."""
    return Rejected(-1102, f"Mandatory parameter '{parameter}' was not sent, was empty/null, or malformed.")


def one_of(first: str, second: str) -> Rejected:
    """Neither of two parameters of which one is needed."""
    return Rejected(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def not_required(parameter: str) -> Rejected:
    """A parameter that this kind of order does not take."""
    return Rejected(-1106, f"Parameter '{parameter}' sent when not required.")


def too_precise(parameter: str) -> Rejected:
    """More digits after the point than the asset has."""
    return Rejected(-1111, f"Parameter '{parameter}' has too much precision.")


def invalid_symbol() -> Rejected:
    """There is no such market."""
    return Rejected(-1121, "Invalid symbol.")


def new_order_rejected(message: str) -> Rejected:
    """The matching engine refuses a new order."""
    return Rejected(-2010, message)


def insufficient_balance() -> Rejected:
    """The account can't pay for it."""
    return Rejected(-2010, "Account has insufficient balance for requested action.")


def cancel_rejected(message: str = "Unknown order sent.") -> Rejected:
    """The matching engine refuses a cancel."""
    return Rejected(-2011, message)


def no_such_order() -> Rejected:
    """A query for an order that never was."""
    return Rejected(-2013, "Order does not exist.")
