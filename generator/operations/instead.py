"""Whether another deployment of a program is deployed than the one that a command takes by default."""

from __future__ import annotations

from generator.errors import DeployError
from generator.layers import Deployment
from generator.operations.options import StackOptions
from generator.stacks.cloudformation import CloudFormation


def another_deployed(
    cloudformation: CloudFormation, deployment: Deployment, options: StackOptions, action: str = ""
) -> str:
    """Which of `options.others` exists instead of `deployment`, and what to type; empty where none does.

    Only one that shares a stack counts, with another template for it. A stack that may not be read is not known.
    action: what the command would do to that stack, such as "delete {}".
    """
    layers = {layer.name: layer for layer in deployment.chosen(options.layer)}
    shares = [(other, layer) for other in options.others for layer in other.layers if layer.name in layers]
    own = _services(deployment, options)
    if not (shares and own) or any(_exists(cloudformation, stack) is not False for stack in own):
        return ""
    for other, layer in shares:
        found = next((stack for stack in _services(other, options) if _exists(cloudformation, stack)), "")
        if found and layer.text() != layers[layer.name].text():
            shared = options.stack_name(deployment, layers[layer.name])
            anyway = f", or --deployment {deployment.name} to {action.format(shared)}" if action else ""
            return f"{found} exists and {own[0]} does not: pass --deployment {other.name}{anyway}."
    return ""


def _services(deployment: Deployment, options: StackOptions) -> list[str]:
    return [layer.stack_name(options.name) for layer in deployment.layers if layer.compute]


def _exists(cloudformation: CloudFormation, stack_name: str) -> bool | None:
    try:
        stack = cloudformation.stack(stack_name)
    except DeployError:
        return None
    return bool(stack and stack.exists)
