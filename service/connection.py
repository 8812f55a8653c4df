"""A connection to one node of a Redis cluster: redis-py's, with an end to every wait, and logging in with tokens.

With IAM a connection logs in with a token, and again when it has grown old. Its age is looked at when a request takes
it, before anything is sent, so never inside a transaction.
"""

from __future__ import annotations

import math
import random
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis

from service.settings import Settings
from service.tokens import NoCredentialsError

# Connections log in again after this part of the time, or a little later: not all at once.
SOONEST_RENEWAL = 0.9

Command = tuple[str, ...]
# Makes a new token; takes until when it may wait, on `time.monotonic()`'s clock; may raise NoCredentialsError.
Sign = Callable[[float], str]


class CredentialsError(redis.RedisError):
    """User name or password are not accepted."""


class TokenError(redis.RedisError):
    """The token is not accepted."""


class NoTokenError(redis.RedisError):
    """There is nothing to sign a token with."""


class Login(NamedTuple):
    """Who logs in with tokens, and after how many seconds again."""

    username: str
    sign: Sign
    reauthenticate: float


class TokenProvider(redis.CredentialProvider):
    """What one connection logs in with: asked by redis-py when it connects, and by the connection when it renews."""

    def __init__(self, login: Login, connection: Connection) -> None:
        self._login = login
        self._connection = connection

    def get_credentials(self) -> tuple[str, str]:
        return self.signed(self._connection.until)

    def signed(self, until: float) -> tuple[str, str]:
        """Raises NoTokenError, which redis-py takes for an error of Redis and so closes what it has opened."""
        try:
            token = self._login.sign(until)
        except NoCredentialsError as error:
            raise NoTokenError from error
        part = random.uniform(SOONEST_RENEWAL, 1)
        self._connection.renewal = time.monotonic() + part * self._login.reauthenticate
        return self._login.username, token


class Connection(redis.Connection):
    """A connection that waits for nothing longer than `until`: neither connecting, nor TLS, nor credentials, nor AUTH,
    nor an answer. It should log in again at `renewal`, which is never with a password."""

    until = 0.0
    used = 0.0
    renewal = math.inf
    tokens: TokenProvider | None = None

    def renew(self) -> bool:
        """Logs in again; False, and closed, if that fails: a new connection logs in by itself.

        Without credentials at hand it stays as it is, and nothing waits: MemoryDB keeps it for some time yet, and
        whoever takes it next tries again.
        """
        assert self.tokens
        try:
            self.send_command("AUTH", *self.tokens.signed(0.0), check_health=False)
            self.read_response()
        except NoTokenError:
            return True
        except redis.RedisError:
            self.disconnect()
            return False
        return True

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Sends all commands, reads all answers, and raises the first that is an error."""
        self.send_packed_command(self.pack_commands(commands))
        answers: list[Any] = []
        failure: redis.ResponseError | None = None
        for _ in commands:
            try:
                answers.append(self.read_response())
            except redis.ResponseError as error:
                failure = failure or error
        if failure:
            raise failure
        return answers

    def read_response(self, *args: Any, **options: Any) -> Any:
        return super().read_response(*args, **{"timeout": self.socket_timeout, **options})

    # redis-py reads both when it connects, the first for each address and the second for the TLS handshake. It only
    # writes them when asked for maintenance notifications, hence nothing here that could be written.
    @property  # type: ignore[misc]
    def socket_connect_timeout(self) -> float:
        return self.socket_timeout

    @property  # type: ignore[misc]
    def socket_timeout(self) -> float:
        # 0 would mean not to wait at all, and is another error.
        return max(0.001, self.until - time.monotonic())


class TlsConnection(Connection, redis.SSLConnection):
    """The same with TLS."""


def connector(settings: Settings, sign: Sign | None = None) -> Callable[[str, int], Connection]:
    """What makes a connection to a host and port, not connected yet.

    `sign` makes the tokens that connections log in with, where the settings say iam.
    """
    options: dict[str, Any] = {
        "username": None if settings.iam else settings.username,
        "password": None if settings.iam else settings.password,
        # RESP2 has no notifications that would arrive between answers.
        "protocol": 2,
        # CLIENT SETINFO is not permitted, and every connection would be logged as a violation.
        "driver_info": None,
        "redis_connect_func": _read_only if settings.read_replicas else None,
    }
    kind: type[Connection] = Connection
    if settings.tls:
        kind = TlsConnection
        options |= {"ssl_ca_certs": settings.tls_ca_file, "ssl_min_version": ssl.TLSVersion.TLSv1_2}
    login = None
    if settings.iam:
        assert sign
        login = Login(settings.username, sign, settings.iam.reauthenticate)

    def connect(host: str, port: int) -> Connection:
        connection = kind(host=host, port=port, **options)
        if login:
            connection.tokens = connection.credential_provider = TokenProvider(login, connection)
        return connection

    return connect


def _read_only(connection: redis.Connection) -> None:
    """Connects, and lets a replica answer reads; a primary does not mind."""
    connection.on_connect()
    connection.send_command("READONLY")
    connection.read_response()
