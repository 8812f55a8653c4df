"""What an operation needs besides its options: AWS clients, the clock and the UI. All of it can be passed in."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

import boto3
import botocore.exceptions
from botocore.config import Config

from generator.aws.calls import Clock
from generator.errors import DeployError, UsageError
from generator.report.results import Result
from generator.stacks.cloudformation import CloudFormation

MAX_ATTEMPTS = 10
"""Of each request, with growing pauses: a long deployment meets throttling."""


class UI(Protocol):
    """How an operation reports and asks."""

    def progress(self, text: str) -> None:
        """A line about what is happening."""

    def show(self, result: Result) -> None:
        """A result as soon as it is known: a plan before its confirmation, a stack after its deployment."""

    def confirm(self, question: str) -> bool:
        """Whether to go on with what was shown last."""

    def confirm_name(self, name: str, question: str) -> bool:
        """Whether to go on with a deletion; `name` is what to type."""


class Session:
    """AWS clients for one account and Region, a clock, and a UI.

    region, profile: as of the AWS CLI; by default those of the environment. clients: creates the client of a service by
    boto3's name, instead of `boto3_clients(region, profile)`. A client is created when it is needed, and once.
    """

    def __init__(
        self,
        ui: UI,
        *,
        region: str | None = None,
        profile: str | None = None,
        clients: Callable[[str], Any] | None = None,
        clock: Clock = Clock(),
    ) -> None:
        self.ui = ui
        self.clock = clock
        self._create = clients or boto3_clients(region, profile)
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service. Raises UsageError where no Region or an unknown profile is configured."""
        if service not in self._clients:
            self._clients[service] = self._create(service)
        return self._clients[service]

    @cached_property
    def cloudformation(self) -> CloudFormation:
        return CloudFormation(self.client("cloudformation"), self.clock)


def boto3_clients(region: str | None = None, profile: str | None = None) -> Callable[[str], Any]:
    """A function that creates boto3's client of a service, in a Region and with a profile of the AWS CLI."""
    sessions: list[Any] = []

    def create(service: str) -> Any:
        try:
            if not sessions:
                # boto3 reads AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
                sessions.append(boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION")))
            retries = {"mode": "standard", "total_max_attempts": _max_attempts()}
            return sessions[0].client(service, config=Config(retries=retries))
        except botocore.exceptions.NoRegionError:
            raise UsageError("There is no AWS Region: pass --region, or set AWS_REGION.") from None
        except botocore.exceptions.ProfileNotFound as error:
            raise UsageError(f"{error}.") from None
        except (botocore.exceptions.BotoCoreError, ValueError) as error:
            raise DeployError(stack=service, what="The AWS configuration cannot be used", why=str(error)) from error

    return create


def _max_attempts() -> int:
    given = os.environ.get("AWS_MAX_ATTEMPTS", str(MAX_ATTEMPTS))
    if given.isascii() and given.isdigit() and int(given):
        return int(given)
    raise UsageError(f"AWS_MAX_ATTEMPTS is {given!r}, but must be a whole number of at least 1.")
