"""What a deployment's stacks should become: the layers' templates, with their parameters and tags."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from generator import contract
from generator.errors import UsageError
from generator.layers import Deployment, Layer
from generator.operations.options import ChangeOptions, DeployOptions
from generator.stacks.cloudformation import CloudFormation, StackUpdate


def stack_updates(deployment: Deployment, options: ChangeOptions) -> Iterator[tuple[Layer, StackUpdate]]:
    """Each chosen layer with what its stack should become. A parameter is passed to every layer that declares it.

    Raises UsageError for an unknown layer, and for a parameter that no layer of the deployment declares.
    """
    given = options.given_parameters
    known = sorted({name for layer in deployment.layers for name in layer.parameters})
    for name in given:
        if name not in known:
            raise _unknown_parameter(name, known)
    for layer in deployment.chosen(options.layer):
        data_stack = options.data_stack_name(deployment, layer)
        parameters = {**({contract.DATA_STACK_NAME: data_stack} if data_stack else {}), **given}
        yield (
            layer,
            StackUpdate(
                stack_name=options.stack_name(deployment, layer),
                template=layer.text(),
                parameters={name: value for name, value in parameters.items() if name in layer.parameters},
                tags=options.tags,
                role_arn=options.role_arn,
                notification_arns=options.notification_arns,
                import_existing=options.import_existing,
                disable_rollback=isinstance(options, DeployOptions) and options.disable_rollback,
            ),
        )


def with_login_of_data_stack(cloudformation: CloudFormation, update: StackUpdate) -> StackUpdate:
    """The update with the data stack's parameter Authentication, unless one was given: the two have to agree."""
    data_stack = update.parameters.get(contract.DATA_STACK_NAME, "")
    data = cloudformation.stack(data_stack) if data_stack else None
    login = data.parameters.get(contract.AUTHENTICATION) if data else None
    if login is None or contract.AUTHENTICATION not in update.declared or contract.AUTHENTICATION in update.parameters:
        return update
    return replace(update, parameters={**update.parameters, contract.AUTHENTICATION: login})


def _unknown_parameter(name: str, known: Sequence[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(known)}."
    return UsageError(f"No layer has a parameter {name!r}.{hint}")
