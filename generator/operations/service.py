"""The service of a compute layer while it runs: its state, its redeployment, its verification, its logs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from generator import contract
from generator.aws.errors import translate_errors
from generator.compute import Compute, Outcome, Running
from generator.compute.logs import LINES_SHOWN, RETENTION_DAYS, important_lines, last_lines, set_retention
from generator.compute.verification import Expected, Fact, Verification, VerificationError, send
from generator.errors import DeployError
from generator.images.context import TAG_LABEL
from generator.images.repository import ImageRepository
from generator.operations.session import Session
from generator.report.results import ServiceStatus
from generator.stacks.cloudformation import Stack
from generator.stacks.events import Event


@dataclass(frozen=True)
class Service:
    """What a compute layer runs."""

    session: Session
    compute: Compute

    def running(self, stack_name: str, service_arn: str) -> Running:
        """The service as its API describes it."""
        with translate_errors(stack_name):
            return self.compute.running(self.session.client(self.compute.client_name), service_arn)

    def check_updatable(self, stack_name: str) -> None:
        """Raises DeployError for a service that CloudFormation could not update, such as a paused one."""
        stack = self.session.cloudformation.stack(stack_name)
        arn = stack.outputs.get(contract.SERVICE_ARN) if stack else None
        if not arn:
            return
        running = self.running(stack_name, arn)
        if running.outcome is not Outcome.IN_PROGRESS and not running.ready:
            raise DeployError(
                stack=stack_name,
                what="The service cannot be updated",
                why=f"it is {running.status}",
                then=running.advice,
            )

    def check_error_rate(self, stack: Stack) -> None:
        """Raises DeployError where a deployment would be rolled back because too many requests fail."""
        arn = stack.outputs.get(contract.SERVICE_ARN)
        if not (arn and self.compute.metric_actions):
            return
        with translate_errors(stack.name):
            why = self.compute.rollback_reason(self.session.client("cloudwatch"), arn)
        if why:
            raise DeployError(
                stack=stack.name,
                what="The deployment would be rolled back",
                why=why,
                then="Wait until fewer requests fail, or pass --ignore-error-rate.",
            )

    def status(self, stack: Stack) -> ServiceStatus | None:
        """What can be seen without writing anything; None where the stack has no service."""
        arn = stack.outputs.get(contract.SERVICE_ARN)
        if not arn:
            return None
        running = self.running(stack.name, arn)
        answer = send("GET", running.url + contract.READY_PATH, None) if running.public and running.ready else None
        return ServiceStatus(
            status=running.status,
            operation=running.operation,
            image=running.image,
            as_deployed=running.image == stack.parameters.get(contract.IMAGE_URI),
            url=running.url,
            public=running.public,
            ready=str(answer) if answer else "",
            build=answer.field("build") if answer else "",
        )

    def redeploy(self, stack: Stack) -> tuple[Fact, ...]:
        """Deploys what is deployed once more, so that secrets are read again, and verifies it."""
        arn = stack.outputs[contract.SERVICE_ARN]
        before = self.running(stack.name, arn)
        with translate_errors(stack.name):
            self.compute.redeploy(self.session.client(self.compute.client_name), arn)
        verification = Verification(stack.name, clock=self.session.clock)
        verification.check_started(lambda: self.running(stack.name, arn), before)
        return self.verify(stack)

    def verify(self, stack: Stack) -> tuple[Fact, ...]:
        """Checks that what runs is what was deployed, and reports each fact as it is found.

        Raises VerificationError, after the end of the log, at the first thing that is wrong.
        """
        arn = stack.outputs[contract.SERVICE_ARN]
        expected = self._expected(stack)
        verification = Verification(stack.name, clock=self.session.clock)
        facts: list[Fact] = []

        def observe() -> Running:
            return self.running(stack.name, arn)

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
        except VerificationError:
            self.report_log(arn)
            raise
        self._limit_logs(stack.name, arn)
        return tuple(facts)

    def failure(self, events: Sequence[Event]) -> str:
        """The last line of the log of a service that failed, since CloudFormation's own reason is often empty.

        Reports the end of the log. Empty where another resource failed, or where there is no log.
        """
        own = [event for event in events if event.resource_type == self.compute.resource_type]
        if any(event.failed for event in own):
            arn = next((event.physical_id for event in reversed(own) if event.physical_id), "")
            return self.report_log(arn, since=events[0].moment)
        return ""

    def report_log(self, service_arn: str, since: datetime | None = None) -> str:
        """Reports the end of the service's logs since then; returns the last line, or an empty text without one."""
        lines: list[str] = []
        for group in self._log_groups(service_arn) if service_arn else ():
            lines = important_lines(last_lines(self.session.client("logs"), group, since))
            if lines:
                self.session.ui.progress(f"The end of {group}:")
                for line in lines[-LINES_SHOWN:]:
                    self.session.ui.progress(f"  {line}")
        return lines[-1] if lines else ""

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
        return Expected(image, tuple(tag for tag in tags if tag.startswith(TAG_LABEL)))

    def _limit_logs(self, stack_name: str, service_arn: str) -> None:
        with translate_errors(stack_name):
            groups = self.compute.log_groups(self.session.client(self.compute.client_name), service_arn)
            for group in set_retention(self.session.client("logs"), groups):
                self.session.ui.progress(
                    f"  log group        {group}: retention set to {RETENTION_DAYS} days (was: never expires)"
                )

    def _log_groups(self, service_arn: str) -> tuple[str, ...]:
        try:
            return self.compute.log_groups(self.session.client(self.compute.client_name), service_arn)
        except (BotoCoreError, ClientError):
            # The caller reports another error, which this one must not hide.
            return ()
