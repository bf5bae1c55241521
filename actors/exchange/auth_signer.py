"""The only holder of the secret.

hears: SignRest, SignStreamLogin (asked)
says: SignedRequest, SignedFrame, SigningFailed
at its start: reads key and secret from where the config says, and signs once to see that they can. When they cannot be
read or cannot sign, it is FAILED with the reason, answers `SigningFailed`, and reads them again now and then.
"""

from typing import Any

from openoutcry.actors.runtime import ComponentActor, handles
from openoutcry.config.errors import ConfigError
from openoutcry.config.secrets import read_secret
from openoutcry.exchanges.dialect import Credentials, UnusableCredentials
from openoutcry.messages.lifecycle import Readiness
from openoutcry.messages.rest import SignedFrame, SigningFailed, SignRest, SignStreamLogin

READ_AGAIN_S = 30.0


class AuthSigner(ComponentActor):
    """Stamps and signs for the others, who never see the secret."""

    def __init__(self) -> None:
        super().__init__()
        self._credentials: Credentials | None = None
        self._problem = "the secret is not read yet"
        self._signed = 0

    def on_start(self) -> None:
        """Read key and secret and try them."""
        self._read()

    def figures(self) -> tuple[tuple[str, str], ...]:
        """How much was signed."""
        return (("signed", str(self._signed)),)

    @handles(SignRest)
    def _sign_rest(self, message: SignRest, sender: Any) -> None:
        credentials = self._credentials
        if credentials is None:
            self.reply(sender, SigningFailed(reason=self._problem))
            return
        try:
            signed = self.environment.dialect.sign(message.request, credentials, message.timestamp_ms)
        except UnusableCredentials as error:
            self.reply(sender, SigningFailed(reason=str(error)))
            return
        self._signed += 1
        self.reply(sender, signed)

    @handles(SignStreamLogin)
    def _sign_stream_login(self, message: SignStreamLogin, sender: Any) -> None:
        if self._credentials is None:
            self.reply(sender, SigningFailed(reason=self._problem))
            return
        try:
            text = self.environment.dialect.sign_stream_login(
                message.request_id, self._credentials, message.timestamp_ms
            )
        except UnusableCredentials as error:
            self.reply(sender, SigningFailed(reason=str(error)))
            return
        self._signed += 1
        self.reply(sender, SignedFrame(text=text))

    def _read(self) -> None:
        settings = self.environment.settings
        dialect = self.environment.dialect
        if settings.api_key is None or settings.api_secret is None:
            self._set_problem("no api_key and api_secret are configured: this connector has no account")
            return
        try:
            credentials = Credentials(
                api_key=read_secret(settings.api_key), api_secret=read_secret(settings.api_secret)
            )
            # A key that cannot sign shows itself here and not at the first order.
            dialect.sign(dialect.build_balances(), credentials, self.clock.wall_ms())
        except ConfigError as error:
            self._set_problem(str(error))
        except UnusableCredentials as error:
            self._set_problem(f"{error} (api_secret: {settings.api_secret})")
        else:
            self._credentials = credentials
            self._problem = ""
            self.set_readiness(Readiness.READY)

    def _set_problem(self, problem: str) -> None:
        self._problem = problem
        self.set_readiness(Readiness.FAILED, problem, f"reads it again in {READ_AGAIN_S:g} s")
        self.after(READ_AGAIN_S, self._read)
