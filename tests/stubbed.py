"""A client of botocore's own, whose answers are prepared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.stub import Stubber


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="secret-key")


@contextmanager
def stubbed(service: str) -> Iterator[tuple[Any, Stubber]]:
    """The client and its answers, all of which have to be asked for until the block ends."""
    made = client(service)
    with Stubber(made) as stubber:
        yield made, stubber
        stubber.assert_no_pending_responses()
