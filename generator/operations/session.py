"""What an operation needs besides its options: AWS clients, the clock and the UI. All of it can be passed in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Protocol

import boto3
import botocore.session
from botocore.config import Config

from generator.aws.calls import Clock
from generator.aws.errors import CONFIGURED, local_error, translate_errors
from generator.aws.faults import (
    Context,
    fault,
    look_up_credentials,
    malformed_credentials,
    refuse_foreign_answer,
    region_fault,
)
from generator.errors import LocalError, UsageError
from generator.redaction import keep_out, secrets_in_use
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
        self._reports_place = clients is None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """The client of a service. Raises LocalError where no Region or an unknown profile is configured."""
        if service not in self._clients:
            self._clients[service] = self._create(service)
        return self._clients[service]

    @cached_property
    def cloudformation(self) -> CloudFormation:
        client = self.client("cloudformation")
        if self._reports_place:
            self.ui.progress(self._place(client))
        return CloudFormation(client, self.clock)

    def _place(self, client: Any) -> str:
        """Where this session acts."""
        with translate_errors("AWS"):
            account = self.client("sts").get_caller_identity()["Account"]
        context = CONFIGURED.get(Context())
        profile = f", profile {context.profile}" if context.profile else ""
        endpoint = context.environment.get("AWS_ENDPOINT_URL", "")
        return f"Account {account}, {client.meta.region_name}{profile}{f', endpoint {endpoint}' if endpoint else ''}"


def boto3_clients(region: str | None = None, profile: str | None = None) -> Callable[[str], Any]:
    """A function that creates boto3's client of a service, in a Region and with a profile of the AWS CLI.

    It raises LocalError where the configuration or the credentials cannot be used, before AWS is called for anything
    but credentials.
    """
    sessions: list[Any] = []

    def create(service: str) -> Any:
        retries = {"mode": "standard", "total_max_attempts": _max_attempts()}
        if not sessions:
            sessions.append(_boto3_session(region, profile))
        with translate_errors(service):
            try:
                return sessions[0].client(service, config=Config(retries=retries))
            except ValueError as error:
                # An endpoint that is not a URL, which botocore does not wrap.
                raise local_error(fault(error, CONFIGURED.get())) from error

    return create


def _boto3_session(region: str | None, profile: str | None) -> Any:
    """boto3's session, with a Region and with credentials that were looked up."""
    environment = os.environ
    if malformed := malformed_credentials(environment):
        raise local_error(malformed)
    secrets = secrets_in_use(environment)
    context = Context(profile=profile or environment.get("AWS_PROFILE", ""), environment=environment, secrets=secrets)
    try:
        core = botocore.session.Session()
        context = replace(context, profiles=core.available_profiles)
        # boto3 reads AWS_DEFAULT_REGION only; the AWS CLI prefers AWS_REGION.
        chosen = region or environment.get("AWS_REGION") or None
        session = boto3.Session(botocore_session=core, profile_name=profile, region_name=chosen)
        session.events.register("before-parse", refuse_foreign_answer)
        regions = partial(session.get_available_regions, "cloudformation")
        context = replace(context, region=session.region_name or "", regions=regions)
        if wrong := region_fault(context):
            raise local_error(wrong)
        credentials = look_up_credentials(session)
    except LocalError:
        raise
    # A profile may run any program, and ask for a code on a terminal.
    except Exception as error:
        raise local_error(fault(error, context)) from error
    context = replace(context, secrets=secrets_in_use(environment, credentials))
    keep_out(context.secrets)
    CONFIGURED.set(context)
    return session


def _max_attempts() -> int:
    given = os.environ.get("AWS_MAX_ATTEMPTS", str(MAX_ATTEMPTS))
    if given.isascii() and given.isdigit() and int(given):
        return int(given)
    raise UsageError(f"AWS_MAX_ATTEMPTS is {given!r}, but must be a whole number of at least 1.")
