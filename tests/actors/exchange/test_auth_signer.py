"""The signer: signs, says what is wrong with a secret, and never shows any part of it."""

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any

import pytest
from harness import Stage, in_virtual_time

from openoutcry.actors.exchange.auth_signer import READ_AGAIN_S, AuthSigner
from openoutcry.actors.roles import FACADE, SIGNER
from openoutcry.config.schema import ConnectorSettings, SecretSource
from openoutcry.exchanges.binance.dialect import BinanceSpot
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.rest import SignedFrame, SignedRequest, SigningFailed, SignRest, SignStreamLogin

CANARY = "CANARYsecretCANARYsecretCANARYsecret"
KEY_CANARY = "CANARYkeyCANARYkeyCANARYkey"
QUESTION = SignRest(request=BinanceSpot().build_balances(), timestamp_ms=1_767_225_600_000)


def settings(tmp_path: Path) -> ConnectorSettings:
    return ConnectorSettings(
        exchange="binance",
        trading_pairs=("BTC-USDT",),
        api_key=SecretSource(file=tmp_path / "key"),
        api_secret=SecretSource(file=tmp_path / "secret"),
    )


def write(tmp_path: Path, secret: str = CANARY, key: str = KEY_CANARY) -> None:
    (tmp_path / "key").write_text(key + "\n")
    (tmp_path / "secret").write_text(secret + "\n")


def test_requests_and_logins_are_signed(tmp_path: Path) -> None:
    @in_virtual_time
    async def play() -> None:
        write(tmp_path)
        async with Stage(settings=settings(tmp_path)) as stage:
            signer = await stage.start(AuthSigner, SIGNER)
            signed = await stage.ask(signer, QUESTION)
            assert isinstance(signed, SignedRequest)
            assert "timestamp=1767225600000" in signed.path_and_query
            assert "signature=" in signed.path_and_query
            assert ("X-MBX-APIKEY", KEY_CANARY) in signed.headers
            login = await stage.ask(signer, SignStreamLogin(request_id="7", timestamp_ms=1))
            assert isinstance(login, SignedFrame)
            assert "userDataStream.subscribe.signature" in login.text
            await stage.is_told(Readiness.READY)

    play()


def test_a_secret_that_is_not_there_is_named_and_nothing_crashes_and_it_is_read_when_it_comes(tmp_path: Path) -> None:
    @in_virtual_time
    async def play() -> None:
        async with Stage(settings=settings(tmp_path)) as stage:
            signer = await stage.start(AuthSigner, SIGNER)
            status = await stage.is_told(Readiness.FAILED)
            assert f"{tmp_path}/key does not exist" in status.reason
            answer = await stage.ask(signer, QUESTION)
            assert isinstance(answer, SigningFailed)
            assert "does not exist" in answer.reason
            assert stage.crashes == []
            write(tmp_path)
            await asyncio.sleep(READ_AGAIN_S + 1)
            await stage.is_told(Readiness.READY)
            assert isinstance(await stage.ask(signer, QUESTION), SignedRequest)

    play()


BROKEN_PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("secret", [BROKEN_PEM, f"-----BEGIN PRIVATE KEY-----\n{CANARY}"])
def test_a_secret_that_cannot_sign_shows_at_the_start_and_says_where_it_lies(tmp_path: Path, secret: str) -> None:
    @in_virtual_time
    async def play() -> None:
        write(tmp_path, secret)
        async with Stage(settings=settings(tmp_path)) as stage:
            signer = await stage.start(AuthSigner, SIGNER)
            status = await stage.is_told(Readiness.FAILED)
            assert str(tmp_path / "secret") in status.reason
            assert CANARY not in status.reason
            for question in (QUESTION, SignStreamLogin(request_id="7", timestamp_ms=1)):
                answer = await stage.ask(signer, question)
                assert isinstance(answer, SigningFailed)
                assert CANARY not in repr(answer)
            assert stage.crashes == []

    play()


def test_without_an_account_there_is_nothing_to_sign_with() -> None:
    @in_virtual_time
    async def play() -> None:
        async with Stage() as stage:
            signer = await stage.start(AuthSigner, SIGNER)
            answer = await stage.ask(signer, QUESTION)
            assert isinstance(answer, SigningFailed)
            assert "no api_key" in answer.reason

    play()


class ForgetfulDialect(BinanceSpot):
    """Fails in the middle of signing, with the secret in the error."""

    is_broken = False

    def sign(self, request: Any, credentials: Any, timestamp_ms: int) -> SignedRequest:
        if self.is_broken and credentials is not None:
            raise ZeroDivisionError("in the middle of signing")
        return super().sign(request, credentials, timestamp_ms)


def test_nothing_that_is_seen_from_outside_shows_the_secret_not_even_after_a_crash(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @in_virtual_time
    async def play() -> None:
        write(tmp_path)
        dialect = ForgetfulDialect()
        with caplog.at_level(logging.DEBUG):
            async with Stage(settings=settings(tmp_path), dialect=dialect) as stage:
                signer = await stage.start(AuthSigner, SIGNER)
                answers = [await stage.ask(signer, QUESTION)]
                answers.append(await stage.ask(signer, SignStreamLogin(request_id="7", timestamp_ms=1)))
                dialect.is_broken = True
                stage.ask_later(signer, QUESTION)
                await stage.hears(FACADE, lambda _: bool(stage.crashes))
                actors = [thing for thing in gc.get_objects() if isinstance(thing, AuthSigner)]
                shown = [repr(answers), repr(stage.heard), repr(actors), stage.crashes[0].traceback, caplog.text]
                for text in shown:
                    assert CANARY not in text
                    assert KEY_CANARY not in text

    play()
