"""`python -m service`: reads the environment, listens, serves until it is told to stop."""

from __future__ import annotations

import logging
import os
import sys

from service import logs
from service.app import create_app
from service.server import Server
from service.settings import SettingsError, settings
from service.store import Store
from service.tokens import Credentials, NobodyToAskError, Tokens, botocore_credentials

WRONG_ENVIRONMENT = 64


def main() -> int:
    try:
        chosen = settings(os.environ)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return WRONG_ENVIRONMENT
    logs.configure(chosen.log_level)
    tokens = Tokens(chosen.iam, chosen.username, Credentials(botocore_credentials)) if chosen.iam else None
    if tokens:
        try:
            tokens.prepare()
        except NobodyToAskError as error:
            print(error, file=sys.stderr)
            return WRONG_ENVIRONMENT
    # glibc's resolver waits 5 seconds, twice, for each server that does not answer, and no deadline reaches it.
    os.environ.setdefault("RES_OPTIONS", "timeout:1 attempts:1")
    store = Store(chosen, tokens.token if tokens else None)
    app = create_app(store, seconds=chosen.deadline, build_id=chosen.build_id)
    try:
        server = Server(app, chosen.host, chosen.port, chosen.threads)
    except OSError as error:
        print(f"Cannot listen on {chosen.host}:{chosen.port}: {error.strerror}.", file=sys.stderr)
        return 1
    log = logging.getLogger("service")
    log.info("started", extra={"port": chosen.port, "threads": chosen.threads, "build": chosen.build_id})
    # What runs ends by its deadline.
    server.run(grace=chosen.deadline + 1)
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
