"""Logging in to MemoryDB with IAM: what stands in the password's place, signed anew each time.

A token is a presigned GET (Signature Version 4, service memorydb) of the cluster's name, without its scheme: MemoryDB
developer guide, "Authenticating with IAM". It is good for 15 minutes, but not beyond the credentials that signed it,
which a role replaces every few hours; so no token is kept.

Signing takes 0.1 ms. Fetching credentials is HTTP, with waits that no deadline reaches: botocore asks a container's
endpoint three times, for 2 s each, with pauses of a second (ContainerMetadataFetcher). So only a thread of its own ever
fetches. Who needs credentials that are missing or end soon begins one, and nobody else does until it has ended;
nothing runs between requests. botocore is imported when the first token is prepared, so never with a password.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol
from urllib.parse import urlencode

from service.settings import Iam

TOKEN_SECONDS = 900
# Credentials that end sooner sign nothing: MemoryDB looks at a token when it arrives, and not again.
MARGIN_SECONDS = 60
# How long the start waits for the first credentials. It goes on without them when they cannot be fetched.
START_SECONDS = 5.0

log = logging.getLogger("service.tokens")


class NoCredentialsError(Exception):
    """There are no AWS credentials to sign with, or not in time. The text is one line and holds no secret."""


class NobodyToAskError(NoCredentialsError):
    """No AWS credentials were given, nor a place to fetch them from."""

    def __str__(self) -> str:
        return "There are no AWS credentials: the service needs a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."


class Source(Protocol):
    """Credentials as botocore finds them; those that end have `refresh_needed(seconds)` too."""

    def get_frozen_credentials(self) -> Any: ...


def botocore_credentials() -> Source | None:
    """What botocore's default chain finds: variables, files, the container's role, the machine's."""
    from botocore.session import get_session

    found: Source | None = get_session().get_credentials()
    return found


class Credentials:
    """AWS credentials, fetched when somebody asks; `load` may take long, `get` takes no longer than it is told."""

    def __init__(self, load: Callable[[], Source | None]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._fetched: Future[Any] | None = None
        self._latest: Any = None
        self._meanwhile: Any = None

    def get(self, until: float) -> Any:
        """Credentials that do not end within a minute, waited for until `until` on `time.monotonic()`'s clock.

        Raises NoCredentialsError.
        """
        with self._lock:
            if self._should_fetch():
                self._meanwhile = None if self._ends_within(MARGIN_SECONDS) else self._latest
                self._fetched = Future()
                threading.Thread(target=self._fetch, args=(self._fetched,), daemon=True).start()
            fetched, meanwhile = self._fetched, self._meanwhile
        assert fetched
        if meanwhile is not None and (not fetched.done() or fetched.exception()):
            return meanwhile
        try:
            return fetched.result(max(0.0, until - time.monotonic()))
        except NobodyToAskError:
            raise
        except Exception as error:
            raise NoCredentialsError("AWS credentials cannot be fetched.") from error

    def _should_fetch(self) -> bool:
        last = self._fetched
        return last is None or (last.done() and (last.exception() is not None or self._ends_within(None)))

    def _ends_within(self, seconds: float | None) -> bool:
        """None: within the time that botocore begins to fetch new ones in, 15 minutes."""
        if self._source is None:
            return True
        refresh_needed = getattr(self._source, "refresh_needed", None)
        return bool(refresh_needed and refresh_needed(seconds))

    def _fetch(self, fetched: Future[Any]) -> None:
        try:
            self._source = self._source or self._load()
            if self._source is None:
                raise NobodyToAskError
            self._latest = self._source.get_frozen_credentials()
        except Exception as error:
            log.warning("no credentials", extra={"cause": type(error).__name__})
            fetched.set_exception(error)
        else:
            fetched.set_result(self._latest)


class Tokens:
    """Signs for one user of one cluster."""

    def __init__(self, iam: Iam, username: str, credentials: Credentials) -> None:
        query = urlencode({"Action": "connect", "User": username})
        # botocore signs nothing without a scheme.
        self._url = f"https://{iam.cluster_name}/?{query}"
        self._region = iam.region
        self._credentials = credentials

    def prepare(self, seconds: float = START_SECONDS) -> None:
        """Fetches credentials, so that no request has to wait for them. That it takes longer, or fails, is no error:
        requests ask again. Raises NobodyToAskError."""
        try:
            self._credentials.get(time.monotonic() + seconds)
        except NobodyToAskError:
            raise
        except NoCredentialsError:
            pass

    def token(self, until: float) -> str:
        """A new token; credentials are waited for until `until`. Raises NoCredentialsError."""
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("GET", self._url)
        credentials = self._credentials.get(until)
        SigV4QueryAuth(credentials, "memorydb", self._region, expires=TOKEN_SECONDS).add_auth(request)
        return str(request.url).removeprefix("https://")
