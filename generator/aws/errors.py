"""What botocore raises, as one message that says what to type next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from generator.aws.faults import Context, Fault, fault
from generator.errors import DeployError, LocalError

CONFIGURED: ContextVar[Context] = ContextVar("CONFIGURED")
"""What the clients in use were configured with, for the texts of faults."""


@contextmanager
def translate_errors(stack_name: str) -> Iterator[None]:
    """Raises LocalError or DeployError for what botocore raises inside the block, without secrets in its message."""
    try:
        yield
    # The last is not a BotoCoreError (botocore 1.44, parsers.py).
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        found = fault(error, CONFIGURED.get(Context(environment=os.environ)))
        if found.local:
            raise local_error(found) from error
        raise DeployError(stack=stack_name, what=found.what, why=found.why, then=found.then) from error


def code_of(error: DeployError) -> str:
    """The code that AWS answered with; empty if another fault is the cause."""
    cause = error.__cause__
    return str(cause.response["Error"].get("Code", "")) if isinstance(cause, ClientError) else ""


def local_error(found: Fault) -> LocalError:
    """The error of a fault."""
    return LocalError(what=found.what, why=found.why, then=found.then, exit_code=found.exit_code)
