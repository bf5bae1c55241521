"""Trying out one connector's settings against its exchange, without any actor and without placing an order."""

import asyncio
import difflib
import secrets
from dataclasses import dataclass
from enum import StrEnum

from openoutcry.actors.ports.clock import Clock
from openoutcry.actors.ports.transport import HttpResponse, Transport, TransportError
from openoutcry.config.errors import ConfigError
from openoutcry.config.schema import ConnectorSettings
from openoutcry.config.secrets import read_secret
from openoutcry.exchanges.dialect import (
    Credentials,
    Endpoints,
    MalformedPayload,
    SpotDialect,
    StreamAnswer,
    UnusableCredentials,
)
from openoutcry.messages.rest import ErrorKind, ExchangeError, RestRequest
from openoutcry.messages.trading_rules import TradingRule

TIMEOUT_S = 10.0
LARGEST_HARMLESS_SKEW_MS = 500

_LOGIN_ID = "1"


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried, what came of it, and how to mend it."""

    connector: str
    check: str
    verdict: Verdict
    detail: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" – {self.mend}" if self.mend else ""
        return f"{self.verdict.value:<4} {self.connector}: {self.detail}{mend}"


class _Refused(Exception):
    """The exchange answered with an error."""

    def __init__(self, error: ExchangeError) -> None:
        super().__init__(str(error))
        self.error = error


class ConnectorCheck:
    """One run over one connector. Findings come in the order in which a person would look."""

    def __init__(
        self, name: str, settings: ConnectorSettings, dialect: SpotDialect, transport: Transport, clock: Clock
    ) -> None:
        self._name = name
        self._settings = settings
        self._dialect = dialect
        self._transport = transport
        self._clock = clock
        domain = dialect.domains[settings.domain or next(iter(dialect.domains))]
        self._endpoints = Endpoints(
            rest_url=settings.rest_url or domain.rest_url,
            ws_url=settings.ws_url or domain.ws_url,
            ws_api_url=settings.ws_api_url or domain.ws_api_url,
        )
        self._key_settings = f"the key's settings at {settings.exchange}"
        self._offset_ms = 0
        self._rules: dict[str, TradingRule] = {}
        """Those of the config's pairs that the exchange lists."""
        self._findings: list[Finding] = []

    async def run(self) -> list[Finding]:
        """Try everything out; what fails does not keep the rest from being tried, unless it rests on it."""
        credentials = self._read_credentials()
        is_reachable = await self._check_time()
        if is_reachable:
            await self._check_trading_pairs()
        await self._check_market_stream()
        if credentials is not None:
            if is_reachable:
                await self._check_permissions(credentials)
            await self._check_user_stream(credentials)
        return self._findings

    def _note(self, check: str, verdict: Verdict, detail: str, mend: str = "") -> None:
        self._findings.append(Finding(connector=self._name, check=check, verdict=verdict, detail=detail, mend=mend))

    # The account

    def _read_credentials(self) -> Credentials | None:
        key, secret = self._settings.api_key, self._settings.api_secret
        if key is None or secret is None:
            self._note("secrets", Verdict.OK, "market data only: no api_key and api_secret in the config")
            return None
        values = []
        for name, source in (("api_key", key), ("api_secret", secret)):
            try:
                values.append(read_secret(source))
            except ConfigError as error:
                problem, _, mend = str(error).partition(": ")
                self._note("secrets", Verdict.FAIL, f"{name}: {problem}", mend or f"mend the {source}")
        if len(values) < 2:
            return None
        self._note("secrets", Verdict.OK, f"api_key read from {key}, api_secret from {secret}")
        return Credentials(api_key=values[0], api_secret=values[1])

    async def _check_permissions(self, credentials: Credentials) -> None:
        try:
            response = await self._request(self._dialect.build_balances(), credentials)
            account_may = self._dialect.parse_permissions(response.body)
        except UnusableCredentials as error:
            self._note("keys", Verdict.FAIL, str(error), "copy the secret again, whole")
            return
        except _Refused as refusal:
            self._note("keys", Verdict.FAIL, f"the key may not read: {refusal}", _mend(refusal.error))
            return
        except (TransportError, MalformedPayload) as error:
            self._note("keys", Verdict.FAIL, f"the account cannot be asked for: {error}", "try again")
            return
        self._note("keys", Verdict.OK, "the key may read the account")
        await self._check_trade_permission(credentials, account_may)
        if "withdraw" in account_may:
            text = "the exchange says that withdrawals are allowed, which no bot needs"
            self._note("withdrawals", Verdict.WARN, text, f"see that {self._key_settings} forbid them")

    async def _check_trade_permission(self, credentials: Credentials, account_may: frozenset[str]) -> None:
        mend = f"allow spot trading in {self._key_settings}"
        if "trade" not in account_may:
            self._note("trading", Verdict.FAIL, "the account may not trade", mend)
            return
        rule = next(iter(self._rules.values()), None)
        if rule is None:
            self._note("trading", Verdict.WARN, "whether the key may trade is not known", "mend trading_pairs first")
            return
        # What an account may do is not what the key may do, and no exchange has a common way to ask for that. To cancel
        # an order that nobody ever placed needs the permission and does nothing.
        request = self._dialect.build_cancel_order(rule, self._unused_order_id(), None)
        try:
            await self._request(request, credentials)
        except _Refused as refusal:
            if refusal.error.kind is not ErrorKind.UNKNOWN_ORDER:
                self._note("trading", Verdict.FAIL, f"the key may not trade: {refusal}", mend)
                return
        except TransportError as error:
            self._note("trading", Verdict.FAIL, f"whether the key may trade is not known: {error}", "try again")
            return
        self._note("trading", Verdict.OK, "the key may trade")

    def _unused_order_id(self) -> str:
        rule = self._dialect.client_order_id_rule
        length = min(rule.max_length - len(rule.prefix), 20)
        return rule.prefix + "".join(secrets.choice(rule.alphabet) for _ in range(length))

    async def _check_user_stream(self, credentials: Credentials) -> None:
        url = self._dialect.user_stream_url(self._endpoints)
        try:
            login = self._dialect.sign_stream_login(_LOGIN_ID, credentials, self._exchange_ms())
        except UnusableCredentials as error:
            self._note("user stream", Verdict.FAIL, str(error), "copy the secret again, whole")
            return
        frames: asyncio.Queue[bytes | None] = asyncio.Queue()
        try:
            websocket = await self._transport.open_websocket(
                url, frames.put_nowait, lambda _reason: frames.put_nowait(None), TIMEOUT_S
            )
        except TransportError as error:
            self._note("user stream", Verdict.FAIL, f"{url} cannot be opened: {error}", _mend_url("ws_api_url"))
            return
        try:
            websocket.send(login)
            async with asyncio.timeout(TIMEOUT_S):
                answer = await self._login_answer(frames)
        except TimeoutError:
            self._note("user stream", Verdict.FAIL, f"{url} is open and silent", _mend_url("ws_api_url"))
        except MalformedPayload as error:
            self._note("user stream", Verdict.FAIL, f"{url} speaks another language: {error}", _mend_url("ws_api_url"))
        else:
            if answer is None:
                self._note("user stream", Verdict.FAIL, f"{url} closed at the login", "try again")
            elif answer.error is not None:
                text = f"the user stream refuses the key: {answer.error}"
                self._note("user stream", Verdict.FAIL, text, _mend(answer.error))
            else:
                self._note("user stream", Verdict.OK, f"{url} accepts the key")
        finally:
            await websocket.close()

    async def _login_answer(self, frames: "asyncio.Queue[bytes | None]") -> StreamAnswer | None:
        while (frame := await frames.get()) is not None:
            for event in self._dialect.decode_user_frame(frame, {}):
                if isinstance(event, StreamAnswer) and event.request_id == _LOGIN_ID:
                    return event
        return None

    # The exchange

    async def _check_time(self) -> bool:
        url = self._endpoints.rest_url
        sent_ns, sent_ms = self._clock.monotonic_ns(), self._clock.wall_ms()
        try:
            response = await self._request(self._dialect.build_server_time())
            took_ms = (self._clock.monotonic_ns() - sent_ns) // 1_000_000
            server_ms = self._dialect.parse_server_time(response.body)
        except _Refused as refusal:
            self._note("rest", Verdict.FAIL, f"{url} answers with an error: {refusal}", _mend(refusal.error))
            return False
        except (TransportError, MalformedPayload) as error:
            self._note("rest", Verdict.FAIL, f"{url} does not answer as it should: {error}", _mend_url("rest_url"))
            return False
        self._note("rest", Verdict.OK, f"{url} answers within {took_ms} ms")
        self._offset_ms = server_ms - (sent_ms + took_ms // 2)
        skew = (
            f"our clock is {abs(self._offset_ms)} ms {'behind' if self._offset_ms > 0 else 'ahead of'} the exchange's"
        )
        if abs(self._offset_ms) <= LARGEST_HARMLESS_SKEW_MS + took_ms // 2:
            self._note("clock", Verdict.OK, skew)
        else:
            mend = "set the clock by NTP; until then the connector corrects its own stamps"
            self._note("clock", Verdict.WARN, skew, mend)
        return True

    async def _check_trading_pairs(self) -> None:
        if not self._settings.trading_pairs:
            self._note("trading pairs", Verdict.WARN, "no trading pairs in the config", "name some in trading_pairs")
            return
        try:
            response = await self._request(self._dialect.build_trading_rules())
            listed = {rule.trading_pair: rule for rule in self._dialect.parse_trading_rules(response.body)}
        except (TransportError, MalformedPayload, _Refused) as error:
            self._note("trading pairs", Verdict.FAIL, f"the trading rules cannot be read: {error}", "try again")
            return
        for pair in self._settings.trading_pairs:
            self._check_pair(pair, listed)

    def _check_pair(self, pair: str, listed: dict[str, TradingRule]) -> None:
        rule = listed.get(pair)
        if rule is None:
            close = difflib.get_close_matches(pair.upper(), listed, n=1)
            mend = f"did you mean {close[0]}?" if close else "name it as the exchange does, BASE-QUOTE"
            self._note("trading pairs", Verdict.FAIL, f"{pair} is not listed", mend)
            return
        self._rules[pair] = rule
        if not rule.is_trading:
            mend = "orders on it will be refused; wait, or take it out of trading_pairs"
            self._note("trading pairs", Verdict.WARN, f"{pair} is not trading now (status {rule.status})", mend)
        else:
            self._note("trading pairs", Verdict.OK, f"{pair} is trading")

    async def _check_market_stream(self) -> None:
        url = self._dialect.market_stream_url(self._endpoints)
        try:
            websocket = await self._transport.open_websocket(url, _ignore, _ignore, TIMEOUT_S)
        except TransportError as error:
            self._note("market stream", Verdict.FAIL, f"{url} cannot be opened: {error}", _mend_url("ws_url"))
            return
        await websocket.close()
        self._note("market stream", Verdict.OK, f"{url} opens")

    def _exchange_ms(self) -> int:
        return self._clock.wall_ms() + self._offset_ms

    async def _request(self, request: RestRequest, credentials: Credentials | None = None) -> HttpResponse:
        signed = self._dialect.sign(request, credentials, self._exchange_ms())
        response = await self._transport.request(self._endpoints.rest_url, signed, TIMEOUT_S)
        error = self._dialect.classify(response.status, response.headers, response.body)
        if error is not None:
            raise _Refused(error)
        return response


def _ignore(_frame_or_reason: object) -> None:
    """The stream is opened only to see that it opens."""


def _mend_url(key: str) -> str:
    return f"check the network, and {key} if the config names one"


def _mend(error: ExchangeError) -> str:
    wait = f"wait {error.retry_after_s:g} s" if error.retry_after_s else "wait a few minutes"
    return {
        ErrorKind.BAD_KEY: "check that key and secret are of this domain, that the key may read, and that its list of "
        "allowed addresses holds this machine's",
        ErrorKind.BAD_SIGNATURE: "the secret is not the key's: copy both again, whole",
        ErrorKind.CLOCK_SKEW: "set the clock by NTP",
        ErrorKind.RATE_LIMITED: f"too many requests from this address: {wait}",
        ErrorKind.BANNED: f"this address is banned for now: {wait} and send nothing meanwhile",
        ErrorKind.MAINTENANCE: "the exchange is under maintenance: wait",
    }.get(error.kind, "look the code up in the exchange's documents")
