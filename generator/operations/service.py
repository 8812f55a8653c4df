"""The service of a compute layer while it runs: its state, its redeployment, its verification, its logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from generator import contract
from generator.aws.calls import ONCE
from generator.aws.errors import translate_errors
from generator.compute import Compute, ErrorRate, Outcome, Running
from generator.compute.logs import (
    ALWAYS,
    LINES_SHOWN,
    RETENTION_DAYS,
    Window,
    important_lines,
    last_lines,
    set_retention,
)
from generator.compute.verification import (
    LONGEST_PAUSE_SECONDS,
    OPERATION_MINUTES,
    PAUSE_SECONDS,
    Expected,
    Fact,
    Verification,
    VerificationError,
    send,
)
from generator.errors import DeployError
from generator.images.context import TAG_LABEL
from generator.images.repository import ImageRepository
from generator.operations.session import Session
from generator.redaction import redact
from generator.report.results import ServiceStatus
from generator.stacks.cloudformation import Stack


@dataclass(frozen=True)
class Service:
    """What a compute layer runs."""

    session: Session
    compute: Compute

    @property
    def _client(self) -> Any:
        return self.session.client(self.compute.client_name)

    def running(self, stack_name: str, service_arn: str) -> Running:
        """The service as its API describes it."""
        with translate_errors(stack_name):
            return self.compute.running(self._client, service_arn)

    def check_updatable(self, stack_name: str) -> None:
        """Raises DeployError for a service that CloudFormation could not update, such as a paused one.

        Waits for an operation of another command: meanwhile App Runner refuses further ones.
        """
        stack = self.session.cloudformation.stack(stack_name)
        arn = stack.outputs.get(contract.SERVICE_ARN) if stack else None
        if not arn:
            return
        running = self._settled(stack_name, arn)
        if not running.ready:
            raise DeployError(
                stack=stack_name,
                what="The service cannot be updated",
                why=f"it is {running.status}",
                then=running.advice,
            )

    def _settled(self, stack_name: str, service_arn: str) -> Running:
        """The service when the operation that runs, if one does, has ended; as it is after 30 minutes."""
        running = self.running(stack_name, service_arn)
        if running.outcome is Outcome.IN_PROGRESS:
            self.session.ui.progress(f"{stack_name}: {running.operation} runs: waiting for that first.")
        return self.session.clock.poll(
            lambda: self.running(stack_name, service_arn),
            lambda running: running.outcome is not Outcome.IN_PROGRESS,
            seconds=60 * OPERATION_MINUTES,
            pause=PAUSE_SECONDS,
            longest=LONGEST_PAUSE_SECONDS,
        )

    def check_error_rate(self, stack: Stack) -> None:
        """Raises DeployError where a deployment would be rolled back because too many requests fail; reports where that
        is not known."""
        arn = stack.outputs.get(contract.SERVICE_ARN)
        found = self._error_rate(stack.name, arn) if arn else None
        if found and not found.checked:
            self.session.ui.progress(f"{stack.name}: the error rate is not checked: {found.reason}.")
        elif found and found.reason:
            raise DeployError(
                stack=stack.name,
                what="The deployment would be rolled back",
                why=found.reason,
                then="Wait until fewer requests fail, or pass --ignore-error-rate.",
            )

    def _error_rate(self, stack_name: str, service_arn: str) -> ErrorRate | None:
        if not self.compute.metric_actions:
            return None
        with translate_errors(stack_name):
            return self.compute.error_rate(self.session.client("cloudwatch"), service_arn)

    def status(self, stack: Stack) -> ServiceStatus | None:
        """What can be seen without writing anything; None where the stack has no service."""
        arn = stack.outputs.get(contract.SERVICE_ARN)
        if not arn:
            return None
        running = self.running(stack.name, arn)
        # Each request is sent once.
        ask = cache(send)
        fault = self._fault(stack, running, Verification(stack.name, send=ask, clock=ONCE))
        paths = (*self.compute.paths, *((contract.HEALTH_PATH, contract.READY_PATH) if self.compute.users_api else ()))
        reached = running.public and running.ready
        answers = {path: ask("GET", running.url + path, None) for path in paths} if reached else {}
        ready = answers.get(contract.READY_PATH) if self.compute.users_api else None
        return ServiceStatus(
            status=running.status,
            operation=running.operation,
            image=running.image,
            as_deployed=running.image == stack.parameters.get(contract.IMAGE_URI, running.image),
            url=running.url,
            public=running.public,
            answers={path: str(answer) for path, answer in answers.items()},
            build=ready.field("build") if ready else "",
            fault=fault,
            error_rate=self._readable_error_rate(stack.name, arn),
        )

    def _readable_error_rate(self, stack_name: str, service_arn: str) -> ErrorRate | None:
        try:
            return self._error_rate(stack_name, service_arn)
        except DeployError as error:
            # The caller may not look at alarms.
            return ErrorRate(checked=False, reason=error.what)

    def _fault(self, stack: Stack, running: Running, verification: Verification) -> str:
        """Why what runs is not what was deployed, as far as that is seen without using it; empty if it is."""
        if running.outcome is Outcome.IN_PROGRESS:
            return ""
        try:
            expected = self._expected(stack)
        except DeployError:
            # The caller may not look up the tags of images.
            expected = Expected(stack.parameters.get(contract.IMAGE_URI, ""))
        try:
            for _ in verification.check_reported(lambda: running, expected):
                pass
            for _ in verification.check_answers(running.url, expected) if running.public else ():
                pass
        except VerificationError as error:
            return self._explained(error.why, stack, running).rstrip(".")
        return ""

    def redeploy(self, stack: Stack) -> tuple[Fact, ...]:
        """Deploys what is deployed once more, so that secrets are read again, and verifies it."""
        arn = stack.outputs[contract.SERVICE_ARN]
        before = self._settled(stack.name, arn)
        with translate_errors(stack.name):
            self.compute.redeploy(self._client, arn)
        observe = partial(self.running, stack.name, arn)
        Verification(stack.name, clock=self.session.clock).check_started(observe, before)
        return self.verify(stack)

    def verify(self, stack: Stack) -> tuple[Fact, ...]:
        """Checks that what runs is what was deployed, and reports each fact as it is found.

        Raises VerificationError, after the end of the log, at the first thing that is wrong.
        """
        arn = stack.outputs[contract.SERVICE_ARN]
        expected = self._expected(stack)
        verification = Verification(stack.name, clock=self.session.clock)
        observe = partial(self.running, stack.name, arn)
        facts: list[Fact] = []
        self.session.ui.progress(f"{stack.name}: verifying that what runs is what was deployed")
        try:
            facts += map(self._reported, verification.check_reported(observe, expected))
            running = observe()
            if running.public:
                facts += map(self._reported, verification.check_answers(running.url, expected))
                if self.compute.users_api:
                    facts += map(self._reported, verification.check_use(running.url))
            else:
                self.session.ui.progress("  not verified from outside: the service can be reached inside its VPC only")
        except VerificationError as error:
            self.report_log(arn)
            running = observe()
            # First what `status` finds later, such as a GET /ready that fails where a user could not be written.
            why = self._fault(stack, running, Verification(stack.name, clock=ONCE))
            why = why or self._explained(error.why, stack, running)
            raise VerificationError(stack=stack.name, what=error.what, why=why, then=error.then) from error
        self._limit_logs(stack.name, arn)
        return tuple(facts)

    def explain(self, why: str, service_arn: str, window: Window) -> str:
        """`why` with what the service's own API and log say about that time: CloudFormation's reason is often empty."""
        reasons: tuple[str, ...] = ()
        # The service may be gone, or the caller may not ask; `why` remains.
        with suppress(BotoCoreError, ClientError):
            reasons = self.compute.reasons(self._client, service_arn, window.since, window.until)
        text = "; ".join([why.rstrip("."), *(reason for reason in reasons if reason not in why)])
        lines = [line for _, found in self._ends_of_logs(service_arn, window) for line in found]
        return f"{text}; its log ends with: {redact(lines[-1])}" if lines else text

    def _explained(self, why: str, stack: Stack, running: Running) -> str:
        """`why` with the reasons of the service's last operation, if that has failed."""
        arn = stack.outputs[contract.SERVICE_ARN]
        if running.outcome is not Outcome.FAILED:
            return why
        with translate_errors(stack.name):
            last = self.compute.operations(self._client, arn)[0]
        return self.explain(why, arn, Window(last.started, last.ended or ALWAYS.until))

    def report_log(self, service_arn: str, window: Window = ALWAYS) -> None:
        """Reports the ends of the service's logs."""
        for group, lines in self._ends_of_logs(service_arn, window):
            self.session.ui.progress(f"The end of {group}:")
            for line in lines[-LINES_SHOWN:]:
                self.session.ui.progress(f"  {line}")

    def _ends_of_logs(self, service_arn: str, window: Window) -> Iterator[tuple[str, list[str]]]:
        """The log groups that have lines of that time, and the last important ones."""
        # The caller reports another error, which this one must not hide.
        with suppress(BotoCoreError, ClientError):
            for group in self.compute.log_groups(self._client, service_arn):
                if lines := important_lines(last_lines(self.session.client("logs"), group, window)):
                    yield group, lines

    def _reported(self, fact: Fact) -> Fact:
        self.session.ui.progress(f"  {fact.about:16} {fact.found}")
        return fact

    def _expected(self, stack: Stack) -> Expected:
        image = stack.parameters.get(contract.IMAGE_URI, "")
        uri, at, digest = image.partition("@")
        data_stack = stack.parameters.get(contract.DATA_STACK_NAME, "")
        data = self.session.cloudformation.stack(data_stack) if data_stack else None
        if at and data and data.outputs.get(self.compute.repository) == uri:
            tags: Sequence[str] = ImageRepository(uri, self.session.client("ecr")).tags(digest)
        else:
            tags = (image.rpartition(":")[2],)
        # Only a tag of this form is what an image reports as its build.
        builds = tuple(tag for tag in tags if tag.startswith(TAG_LABEL))
        return Expected(image, builds, self.compute.paths, self.compute.users_api)

    def _limit_logs(self, stack_name: str, service_arn: str) -> None:
        with translate_errors(stack_name):
            groups = self.compute.log_groups(self._client, service_arn)
            for group in set_retention(self.session.client("logs"), groups):
                kept = f"retention set to {RETENTION_DAYS} days (was: never expires)"
                self.session.ui.progress(f"  log group        {group}: {kept}")
