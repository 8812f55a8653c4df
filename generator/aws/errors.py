"""What botocore raises, as one message that says what to type next."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from generator.aws.faults import Context, Fault, fault
from generator.errors import DeployError, LocalError

CONFIGURED: ContextVar[Context] = ContextVar("CONFIGURED")
"""What the clients in use were configured with, for the texts of faults."""


@contextmanager
def translate_errors(stack_name: str, known: Mapping[str, DeployError] = MappingProxyType({})) -> Iterator[None]:
    """Raises LocalError or DeployError for what botocore raises inside the block, without secrets in its message.

    known: what to raise instead, by the code of AWS's answer or by words of its message.
    """
    try:
        yield
    # The last is not a BotoCoreError (botocore 1.44, parsers.py).
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        answer = error.response["Error"] if isinstance(error, ClientError) else {}
        for words, instead in known.items():
            if words == answer.get("Code") or words in answer.get("Message", ""):
                raise instead from error
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
