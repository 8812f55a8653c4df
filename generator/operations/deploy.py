"""`deploy`: each layer's change set is created, shown, confirmed, executed and followed; the service is verified."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from generator import contract
from generator.compute.verification import Fact
from generator.database.passwords import USER, refuse_during_rotation
from generator.errors import DataLossError, DeclinedError, DeployError, UsageError
from generator.layers import Deployment, Layer
from generator.operations.cause import last_operation
from generator.operations.destroy import report_left_snapshot
from generator.operations.image import ImageSource, check_image_options
from generator.operations.options import DeployOptions
from generator.operations.plans import plan
from generator.operations.service import Service
from generator.operations.session import Session
from generator.operations.stack_policy import guarded
from generator.operations.updates import check_values, stack_updates, uploaded, with_login_of_data_stack
from generator.operations.watch import watch
from generator.report.results import Plan
from generator.stacks.change_set import ChangeSet
from generator.stacks.cloudformation import PendingChangeSet, Stack, StackUpdate, name_in, place
from generator.stacks.events import NEVER_CREATED, SUCCEEDED, advice, in_progress, left_behind
from generator.stacks.exports import check_import
from generator.stacks.inventory import CLUSTER
from generator.template.resources import resources_in


@dataclass(frozen=True)
class DeployedLayer:
    """What was done for a layer.

    plan: what was executed; None where an earlier operation still runs. stack: the stack afterwards; None where
    CloudFormation still runs and `wait` is off. facts: what the verification found.
    """

    layer: str
    plan: Plan | None = None
    stack: Stack | None = None
    facts: tuple[Fact, ...] = ()


def deploy(
    deployment: Deployment, session: Session, options: DeployOptions = DeployOptions()
) -> tuple[DeployedLayer, ...]:
    """Deploys the layers in their order. The stages of each are in the docstring of `generator.operations`.

    Raises DataLossError where the guard refuses a change, DeclinedError where the UI does not confirm, and DeployError
    where AWS or the verification fails. Layers before that one stay deployed.
    """
    check_image_options(deployment, options)
    updates = stack_updates(deployment, session.ui, options)
    check_values(session, deployment, updates, options)
    _check_data_stacks(session, updates)
    for layer, update in updates:
        if layer.compute:
            ImageSource(session, layer.compute, options).check(update)
    deployed: list[DeployedLayer] = []
    for layer, update in updates:
        deployed.append(LayerDeployment(session, layer, options).deploy(update))
        # The next layer imports from this one, so it waits even if `wait` is off.
        if deployed[-1].stack is None:
            break
    return tuple(deployed)


def deploy_change_set(
    deployments: Sequence[Deployment], arn: str, session: Session, options: DeployOptions = DeployOptions()
) -> DeployedLayer:
    """Executes a change set that `preview` kept, if it still can be, and continues as `deploy` does.

    Where several deployments have its stack, it is of the one that has its template. Raises UsageError for a change set
    of a stack that none of the deployments has.
    """
    change_set = session.cloudformation.describe_change_set(arn)
    stacks: dict[str, list[Layer]] = {}
    for deployment in deployments:
        for layer in deployment.layers:
            stacks.setdefault(options.stack_name(deployment, layer), []).append(layer)
    if change_set.stack_name not in stacks:
        raise UsageError(
            f"The change set is for the stack {change_set.stack_name}, which is none of {', '.join(stacks)}: pass the "
            "--name and --data-stack that it was created with."
        )
    if change_set.execution_status != "AVAILABLE":
        obsolete = ", because another one was executed since" if change_set.execution_status == "OBSOLETE" else ""
        raise DeployError(
            stack=change_set.stack_name,
            what="The change set can no longer be executed",
            why=f"it is {change_set.execution_status or change_set.status}{obsolete}",
            then="Create and review a new one: preview --keep.",
        )
    layer, *others = stacks[change_set.stack_name]
    if any(other.text() != layer.text() for other in others):
        template = session.cloudformation.template(ChangeSetName=arn)
        layer = next((each for each in (layer, *others) if each.template == template), layer)
    if layer.compute:
        ImageSource(session, layer.compute, options).publish_previewed(
            change_set.parameters.get(contract.IMAGE_URI, "")
        )
    return LayerDeployment(session, layer, options).execute(nullcontext(PendingChangeSet(change_set)))


def _check_data_stacks(session: Session, updates: Sequence[tuple[Layer, StackUpdate]]) -> None:
    """Raises DeployError for a layer that imports from a stack that is neither there nor deployed before it."""
    deployed = set[str]()
    for layer, update in updates:
        data_stack = update.parameters.get(contract.DATA_STACK_NAME, "")
        if layer.imports and data_stack and data_stack not in deployed and not session.cloudformation.stack(data_stack):
            check_import(session.cloudformation.client, update.stack_name, f"{data_stack}-{min(layer.imports)}")
        deployed.add(update.stack_name)


@dataclass(frozen=True)
class LayerDeployment:
    """The deployment of one layer's stack and of the service in it."""

    session: Session
    layer: Layer
    options: DeployOptions

    def deploy(self, update: StackUpdate) -> DeployedLayer:
        """Makes the stack what `update` says, with an image that is built first."""
        stack = self.session.cloudformation.stack(update.stack_name)
        if stack and in_progress(stack.status):
            if not self.options.wait:
                self._report_running(stack.name)
                return DeployedLayer(self.layer.name)
            self.session.ui.progress(f"{stack.name} is {stack.status}: waiting for that first.")
            stack = self._finished(stack, self.session.cloudformation.last_event(stack.arn))
        if stack:
            self._make_updatable(stack)
        update = with_login_of_data_stack(self.session.cloudformation, update)
        if self.layer.compute:
            Service(self.session, self.layer.compute).check_updatable(update.stack_name)
            update = ImageSource(self.session, self.layer.compute, self.options).published(update)
        self.session.ui.progress(f"Creating a change set for {update.stack_name} ...")
        update = uploaded(self.session, update, self.options)
        return self.execute(self.session.cloudformation.pending_change_set(update))

    def execute(self, creating: AbstractContextManager[PendingChangeSet]) -> DeployedLayer:
        """Shows a change set, asks, executes it and follows the stack; verifies the service."""
        cloudformation = self.session.cloudformation
        with creating as pending:
            change_set = pending.change_set
            planned = plan(cloudformation, self.layer.name, change_set, self.options.allow_replacement)
            self.session.ui.show(planned)
            stack = None
            if not change_set.empty:
                self._check(planned, change_set)
                stack = self._executed(pending)
        if change_set.empty and (stack := cloudformation.stack(change_set.stack_name)):
            with guarded(self.session, stack.arn, self.layer.template):
                pass
        facts: tuple[Fact, ...] = ()
        if stack and self.layer.compute and self.options.verify:
            facts = Service(self.session, self.layer.compute).verify(stack)
        return DeployedLayer(self.layer.name, planned, stack, facts)

    def _executed(self, pending: PendingChangeSet) -> Stack | None:
        """The stack after the change set was executed; None if `wait` is off."""
        change_set, options = pending.change_set, self.options
        with guarded(
            self.session,
            change_set.stack_id,
            self.layer.template,
            options.allow_replacement,
            new=change_set.creates,
            wait=options.wait,
        ):
            since = self.session.cloudformation.last_event(change_set.stack_id)
            self.session.cloudformation.execute_change_set(change_set, disable_rollback=options.disable_rollback)
            pending.keep()
            if options.wait:
                return self._follow(change_set.stack_id, since)
        self._report_running(change_set.stack_name)
        return None

    def _check(self, planned: Plan, change_set: ChangeSet) -> None:
        """Raises an error unless the change set may be executed."""
        if planned.refusals:
            refused = tuple(dict.fromkeys(refusal.logical_id for refusal in planned.refusals))
            raise DataLossError(stack=planned.stack_name, logical_ids=refused)
        replaced = [found.logical_id for found in change_set.changes if found.replaces and found.replacement == "True"]
        if self.options.disable_rollback and replaced:
            raise DeployError(
                stack=planned.stack_name,
                what="The change set was not executed",
                why=f"it replaces {', '.join(replaced)}, which CloudFormation refuses without rollback",
                then="Deploy without --disable-rollback.",
            )
        if change_set.missing_export:
            # It may exist by now.
            check_import(self.session.cloudformation.client, change_set.stack_name, change_set.missing_export)
        self._check_error_rate(change_set)
        users = [found.physical_id for found in change_set.changes if found.resource_type == USER and found.physical_id]
        if users:
            refuse_during_rotation(planned.stack_name, users, self.session.client("memorydb"))
        if not self.session.ui.confirm(f"Deploy this to {planned.stack_name} ({place(change_set.stack_id)})?"):
            raise DeclinedError("Nothing was changed.")

    def _check_error_rate(self, change_set: ChangeSet) -> None:
        """Raises DeployError where the update of the service would be rolled back because of its error rate."""
        compute = self.layer.compute
        if compute is None or self.options.ignore_error_rate:
            return
        updated = ("Modify", compute.resource_type)
        stack = self.session.cloudformation.stack(change_set.stack_name)
        if stack and any((found.action, found.resource_type) == updated for found in change_set.changes):
            Service(self.session, compute).check_error_rate(stack)

    def _make_updatable(self, stack: Stack) -> None:
        """Deletes a stack that was never created if `recreate` is on. Raises DeployError if it cannot be updated."""
        if stack.status in NEVER_CREATED and self.options.recreate:
            self.session.ui.progress(f"Deleting {stack.name}, which is {stack.status} ...")
            since = self.session.cloudformation.last_event(stack.arn)
            self.session.cloudformation.delete(stack)
            left = self._finished(stack, since)
            if left is None:
                if CLUSTER in (resource["Type"] for _, resource in resources_in(self.layer.template)):
                    report_left_snapshot(self.session, stack)
                return
            stack = left
        if then := advice(stack.status, stack.name):
            why = stack.reason or "CloudFormation gives no reason"
            raise DeployError(stack=stack.name, what=f"The stack is {stack.status}", why=why, then=then)

    def _finished(self, stack: Stack, since: str) -> Stack | None:
        """The stack when CloudFormation has finished; None if it was deleted."""
        watch(self.session, stack.arn, since)
        return self.session.cloudformation.stack(stack.name)

    def _follow(self, stack_arn: str, since: str) -> Stack:
        """Follows the stack to its end. Raises DeployError unless it succeeds."""
        compute = self.layer.compute
        try:
            stack, events = watch(self.session, stack_arn, since, compute.usual_minutes if compute else {})
        except KeyboardInterrupt:
            self.session.ui.progress(
                f"\nCloudFormation is still deploying {name_in(stack_arn)}. Run the command again to keep watching."
            )
            raise
        if stack.status not in SUCCEEDED:
            raise self._failure(stack)
        for left in left_behind(events):
            self.session.ui.progress(
                f"{stack.name}: {left.logical_id} ({left.physical_id}) could not be deleted and stays: {left.reason}"
            )
        if self.layer.holds_data and not stack.protected:
            self.session.cloudformation.set_termination_protection(stack.name, on=True)
        self.session.ui.show(stack)
        return stack

    def _failure(self, stack: Stack) -> DeployError:
        if stack.status == "DELETE_COMPLETE":
            return DeployError(
                stack=stack.name,
                what="The stack was deleted while it was deployed",
                why="another command or the console deleted it",
                then="If it was not meant to be deleted, deploy again.",
            )
        operation = last_operation(self.session, stack, self.layer.compute, report_log=True)
        why = operation.cause if operation else stack.reason
        return DeployError(
            stack=stack.name,
            what=f"The deployment failed, the stack is {stack.status}",
            why=why,
            then=_advice(stack, why),
        )

    def _report_running(self, stack_name: str) -> None:
        self.session.ui.progress(
            f"CloudFormation is still deploying {stack_name}. When it has finished, run the command again."
        )


def _advice(stack: Stack, why: str) -> str:
    """What to type after a failed deployment; empty if the cause has to be fixed first."""
    advice = []
    # An account has one provider for each issuer (`access.py`).
    if provider := re.search(r"Provider with url https://(\S+) already exists", why):
        partition, account = stack.arn.split(":")[1], stack.arn.split(":")[4]
        arn = f"arn:{partition}:iam::{account}:oidc-provider/{provider[1]}"
        advice.append(f"Use that provider: --parameter OidcProviderArn={arn}.")
    if stack.status == "ROLLBACK_COMPLETE":
        advice.append("--recreate deletes what is left of the stack first.")
    # The status of an App Runner service of which another operation runs.
    elif "OPERATION_IN_PROGRESS" in why:
        advice.append("Another command deployed the service meanwhile. Deploy again.")
    return " ".join(advice)
