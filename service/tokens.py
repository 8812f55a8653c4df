"""Tokens for MemoryDB with IAM, used in place of a password.

A token is a presigned GET (Signature Version 4, service memorydb) of the cluster's name, without its scheme (MemoryDB
developer guide, "Authenticating with IAM"). It is valid for 15 minutes, or until the credentials that signed it expire.
Signing takes 0.1 ms, so each login has a token of its own.

Credentials are fetched in a thread, because botocore cannot be given a deadline: it asks a container's endpoint three
times, for 2 s each, a second apart (ContainerMetadataFetcher). botocore is imported only with IAM.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode

from service.settings import Settings

TOKEN_SECONDS = 900
# Credentials that expire sooner are not used: MemoryDB checks a token when it arrives, and not again.
MARGIN_SECONDS = 60
# The start of the service waits this long for credentials, and then continues without.
START_SECONDS = 5.0

log = logging.getLogger("service.tokens")


class NoCredentialsError(Exception):
    """There are no valid AWS credentials, or not in time. The message is one line without secrets."""


class NoCredentialSourceError(NoCredentialsError):
    """No AWS credentials are configured, and no endpoint to fetch them from."""

    def __str__(self) -> str:
        return "There are no AWS credentials: the service needs a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."


def botocore_credentials() -> Any:
    """What botocore's default chain finds (variables, files, the container's or the instance's role), or None."""
    from botocore.session import get_session

    return get_session().get_credentials()


class Tokens:
    """Signs for one user of one cluster. `load` returns botocore's credentials or None, and may block."""

    def __init__(self, settings: Settings, load: Callable[[], Any] = botocore_credentials) -> None:
        # botocore signs nothing without a scheme.
        query = urlencode({"Action": "connect", "User": settings.memorydb_username})
        self._url = f"https://{settings.memorydb_cluster_name}/?{query}"
        self._region = settings.aws_region
        self._load = load
        self._lock = threading.Lock()
        # botocore's credentials, those that it fetched last, and the fetch that is in progress or was the last.
        self._source: Any = None
        self._fetched: Any = None
        self._fetch: Future[Any] | None = None

    def prepare(self, seconds: float = START_SECONDS) -> None:
        """Fetches credentials before the first request. Other failures than NoCredentialSourceError are ignored:
        requests try again."""
        try:
            self.credentials(time.monotonic() + seconds)
        except NoCredentialsError as error:
            if isinstance(error, NoCredentialSourceError):
                raise

    def token(self, until: float) -> str:
        """A new token; waits for credentials until `until`. Raises NoCredentialsError."""
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("GET", self._url)
        SigV4QueryAuth(self.credentials(until), "memorydb", self._region, expires=TOKEN_SECONDS).add_auth(request)
        return str(request.url).removeprefix("https://")

    def credentials(self, until: float) -> Any:
        """Credentials that are valid for a minute or more; waits until `until` (`time.monotonic()`) at most.

        Raises NoCredentialsError.
        """
        with self._lock:
            fetch = self._fetch
            # Without a number, botocore's own: 15 minutes.
            if fetch is None or (fetch.done() and (not self._fetched or self._expires_within(None))):
                fetch = self._fetch = Future()
                threading.Thread(target=self._run, args=(fetch,), daemon=True).start()
            fetched = self._fetched
        if fetched and not self._expires_within(MARGIN_SECONDS):
            return fetched
        try:
            return fetch.result(max(0.0, until - time.monotonic()))
        except NoCredentialSourceError:
            raise
        except Exception as error:
            raise NoCredentialsError("AWS credentials cannot be fetched.") from error

    def _expires_within(self, seconds: float | None) -> bool:
        # Only credentials that expire have this method.
        refresh_needed = getattr(self._source, "refresh_needed", None)
        return bool(refresh_needed and refresh_needed(seconds))

    def _run(self, fetch: Future[Any]) -> None:
        try:
            self._source = self._source or self._load()
            if self._source is None:
                raise NoCredentialSourceError
            self._fetched = self._source.get_frozen_credentials()
            fetch.set_result(self._fetched)
        except Exception as error:
            log.warning("no credentials", extra={"cause": type(error).__name__})
            fetch.set_exception(error)
