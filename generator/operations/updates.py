"""What a deployment's stacks should become: the layers' templates, with their parameters and tags."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from generator import contract
from generator.errors import UsageError
from generator.layers import Deployment, Layer
from generator.operations.options import ChangeOptions
from generator.operations.session import UI
from generator.stacks.cloudformation import CloudFormation, StackUpdate


def stack_updates(deployment: Deployment, ui: UI, options: ChangeOptions) -> list[tuple[Layer, StackUpdate]]:
    """Each chosen layer with what its stack should become.

    A parameter `Key` is passed to every layer that declares it, which is reported where there are several; `layer.Key`
    only to that layer, and wins. Raises UsageError for an unknown layer or parameter.
    """
    layers = deployment.chosen(options.layer)
    given = [(*_layer_and_name(deployment, key), value) for key, value in options.given_parameters.items()]
    for layer_name, name, _ in given:
        passed = [layer.name for layer in layers if name in layer.parameters]
        if not layer_name and len(passed) > 1:
            if name == contract.IMAGE_URI:
                raise UsageError(f"--image is of one service: write {' or '.join(f'--image {p}=URI' for p in passed)}.")
            ui.progress(f"The parameter {name} is passed to the layers {', '.join(passed)}.")
    return [(layer, _stack_update(deployment, layer, given, options)) for layer in layers]


def _stack_update(
    deployment: Deployment, layer: Layer, given: Sequence[tuple[str, str, str]], options: ChangeOptions
) -> StackUpdate:
    data_stack = options.data_stack_name(deployment, layer)
    parameters = {contract.DATA_STACK_NAME: data_stack} if data_stack else {}
    for only_for in ("", layer.name):
        parameters |= {name: value for layer_name, name, value in given if layer_name == only_for}
    return StackUpdate(
        stack_name=options.stack_name(deployment, layer),
        template=layer.text(),
        parameters={name: value for name, value in parameters.items() if name in layer.parameters},
        tags=options.tags,
        role_arn=options.role_arn,
        notification_arns=options.notification_arns,
        import_existing=options.import_existing,
        disable_rollback=options.disable_rollback,
    )


def with_login_of_data_stack(cloudformation: CloudFormation, update: StackUpdate) -> StackUpdate:
    """The update with the data stack's parameter Authentication, unless one was given: the two have to agree."""
    data_stack = update.parameters.get(contract.DATA_STACK_NAME, "")
    data = cloudformation.stack(data_stack) if data_stack else None
    login = data.parameters.get(contract.AUTHENTICATION) if data else None
    if login is None or contract.AUTHENTICATION not in update.declared or contract.AUTHENTICATION in update.parameters:
        return update
    return replace(update, parameters={**update.parameters, contract.AUTHENTICATION: login})


def _layer_and_name(deployment: Deployment, key: str) -> tuple[str, str]:
    """The layer, empty for every layer, and the parameter of `layer.Key` or `Key`."""
    layer_name, _, name = key.rpartition(".")
    layers = deployment.chosen(layer_name)
    known = sorted({known for layer in layers for known in layer.parameters})
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
        where = f"The layer {layer_name} has no" if layer_name else "No layer has a"
        raise UsageError(f"{where} parameter {name!r}. {hint}")
    return layer_name, name
