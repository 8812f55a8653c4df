"""`python -m service`: reads the environment, and serves until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import partial

from service import logs
from service.app import create_app
from service.server import Server, bound
from service.settings import Settings, SettingsError, settings
from service.store import Store
from service.tokens import NoCredentialSourceError, Tokens
from service.workers import supervise, usable_cpus

WRONG_ENVIRONMENT = 64


def main() -> int:
    try:
        chosen = settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return WRONG_ENVIRONMENT
    # glibc's resolver waits 5 seconds, twice, for each server that does not answer, and no deadline reaches it.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")
    workers = chosen.workers or usable_cpus()
    try:
        # Fails if something else listens there.
        bound(chosen.host, chosen.port, shared=False).close()
        # Keeps the port while workers change. It does not listen, so it gets no connection.
        port = bound(chosen.host, chosen.port)
    except OSError as error:
        print(f"Cannot listen on {chosen.host}:{chosen.port}: {error.strerror}.", file=sys.stderr)
        return 1
    with port:
        if workers == 1:
            code = work(chosen)
        else:
            # A worker ends a second after the deadline of its last request.
            code = supervise(workers, partial(work, chosen), grace=chosen.request_deadline + 2, fatal=WRONG_ENVIRONMENT)
    if code == WRONG_ENVIRONMENT:
        print(NoCredentialSourceError(), file=sys.stderr)
    return code


def work(chosen: Settings, died: int | None = None, supervisor: int | None = None) -> int:
    """Serves in this process. `died` is the exit code of the worker that it replaces."""
    writer = logs.configure(chosen.log_level)
    log = logging.getLogger("service")
    try:
        if died is not None:
            log.error("a worker died", extra={"code": died})
        sign = None
        if chosen.iam:
            tokens = Tokens(chosen)
            tokens.prepare()
            sign = tokens.token
        listener = bound(chosen.host, chosen.port)
        server = Server(create_app(chosen.build_id), Store(chosen, sign), listener, chosen.request_deadline)
        log.info("started", extra={"port": chosen.port, "build": chosen.build_id})
        asyncio.run(server.run(chosen.request_deadline + 1, supervisor))
        log.info("stopped")
        return 0
    except NoCredentialSourceError:
        return WRONG_ENVIRONMENT
    finally:
        writer.drain(1)


if __name__ == "__main__":
    sys.exit(main())
