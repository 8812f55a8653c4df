"""What a deployment's stacks should become: the layers' templates, with their parameters and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from generator import contract
from generator.errors import UsageError
from generator.layers import Deployment, Layer
from generator.operations.options import ChangeOptions
from generator.operations.session import UI
from generator.stacks.cloudformation import CloudFormation, StackUpdate
from generator.template.parameters import LayerParameters, findings, values_for


def stack_updates(deployment: Deployment, ui: UI, options: ChangeOptions) -> list[tuple[Layer, StackUpdate]]:
    """Each chosen layer with what its stack should become.

    A parameter `Key` is passed to every layer that declares it, which is reported where there are several; `layer.Key`
    only to that layer, and wins. Raises UsageError for an unknown layer or parameter, and for a value that
    CloudFormation would refuse, as far as that is certain before anything is known of the stacks.
    """
    layers = deployment.chosen(options.layer)
    for key in options.given_parameters:
        passed = [layer.name for layer in layers if key in layer.parameters]
        if len(passed) > 1:
            if key == contract.IMAGE_URI:
                raise UsageError(f"--image is of one service: write {' or '.join(f'--image {p}=URI' for p in passed)}.")
            ui.progress(f"The parameter {key} is passed to the layers {', '.join(passed)}.")
    _check(
        options,
        [
            LayerParameters(layer.name, layer.template, pending=layer.parameters, selected=layer in layers)
            for layer in deployment.layers
        ],
    )
    return [(layer, _stack_update(deployment, layer, options)) for layer in layers]


def check_values(
    cloudformation: CloudFormation,
    deployment: Deployment,
    updates: Sequence[tuple[Layer, StackUpdate]],
    options: ChangeOptions,
) -> None:
    """Checks the values that the stacks will have, those of all layers before the first one is deployed.

    Raises UsageError for a parameter without a value, and for what CloudFormation would refuse.
    """
    stacks = {layer.name: cloudformation.stack(update.stack_name) for layer, update in updates}
    _check(
        options,
        [
            LayerParameters(
                layer.name,
                layer.template,
                deployed=stack.parameters if (stack := stacks.get(layer.name)) and stack.exists else {},
                pending=_added_later(layer),
                selected=layer.name in stacks,
            )
            for layer in deployment.layers
        ],
        {f"{layer.name}.{name}": value for layer, update in updates for name, value in update.parameters.items()},
        {"AWS::Region": cloudformation.region},
    )


def _check(
    options: ChangeOptions,
    layers: Sequence[LayerParameters],
    values: Mapping[str, str] = MappingProxyType({}),
    pseudo: Mapping[str, str] = MappingProxyType({}),
) -> None:
    given = {**options.given_parameters, **values}
    if found := findings(given, layers, previous=options.previous, pseudo=pseudo):
        raise UsageError("\n".join(found))


def _added_later(layer: Layer) -> tuple[str, ...]:
    """The parameters that take a value of their own during the deployment."""
    return (contract.AUTHENTICATION, *([contract.IMAGE_URI] if layer.compute else []))


def _stack_update(deployment: Deployment, layer: Layer, options: ChangeOptions) -> StackUpdate:
    data_stack = options.data_stack_name(deployment, layer)
    parameters = {contract.DATA_STACK_NAME: data_stack} if data_stack else {}
    parameters |= values_for(layer.name, options.given_parameters)
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
