"""What an operation can be asked for, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from generator import contract
from generator.errors import UsageError
from generator.layers import Deployment, Layer


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """Which stacks. A layer's stack is `<name>-<layer>`; data_stack: another name for the data layer's stack.

    layer: only this layer. others: the program's other deployments, where this one was not chosen by its name, so that
    one of them may be meant.
    """

    name: str = "users"
    data_stack: str = ""
    layer: str = ""
    others: tuple[Deployment, ...] = ()

    def stack_name(self, deployment: Deployment, layer: Layer) -> str:
        """The name of a layer's stack. Raises UsageError for one that is too long, and where data_stack could be
        the stack of two layers."""
        data_layers = deployment.data_layers
        if not self.data_stack or layer not in data_layers:
            return layer.stack_name(self.name)
        if len(data_layers) > 1:
            names = " and ".join(layer.name for layer in data_layers)
            raise UsageError(f"--data-stack is the name of one stack, but {names} are data layers.")
        return self.data_stack

    def data_stack_name(self, deployment: Deployment, layer: Layer) -> str:
        """The name of the stack that a layer imports from, as far as it is known; else empty."""
        source = deployment.source_of(layer)
        return self.data_stack or (self.stack_name(deployment, source) if source else "")


@dataclass(frozen=True, kw_only=True)
class ChangeOptions(StackOptions):
    """What the stacks should become.

    role_arn: the role that CloudFormation assumes. parameters: `Key` for every layer that declares it, or
    `layer.Key`; the others keep their deployed values, and those named in `previous` must. tags: `key` of every stack,
    or `layer.key`; the others stay, but for removed_tags. capabilities: those that templates may need; all if empty.
    template_bucket: where a template goes that is too large for a request. image: the parameter ImageUri; images: of
    several services, by their layers. Without it, the image is built from `context` (by default the compute's folder)
    with build_args and build_secrets by container_tool. allow_replacement: logical IDs that the guard does not
    refuse. notification_arns: SNS topics for the stacks' events. import_existing: resources of the same name are
    imported. disable_rollback: resources stay when one fails. revert_drift: what was changed by hand is changed
    back to the templates.
    """

    role_arn: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    previous: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    removed_tags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    template_bucket: str = ""
    image: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    context: Path | None = None
    build_args: Mapping[str, str] = field(default_factory=dict)
    build_secrets: tuple[str, ...] = ()
    container_tool: str | None = None
    allow_replacement: tuple[str, ...] = ()
    notification_arns: tuple[str, ...] = ()
    import_existing: bool = False
    disable_rollback: bool = False
    revert_drift: bool = False

    @property
    def given_parameters(self) -> dict[str, str]:
        """The parameters, those of the images included."""
        images = {f"{layer}.{contract.IMAGE_URI}": image for layer, image in self.images.items()}
        return {**self.parameters, **({contract.IMAGE_URI: self.image} if self.image else {}), **images}


@dataclass(frozen=True, kw_only=True)
class PreviewOptions(ChangeOptions):
    """keep: the change sets are kept, to be executed by `deploy_change_set`."""

    keep: bool = False


@dataclass(frozen=True, kw_only=True)
class DeployOptions(ChangeOptions):
    """recreate: a stack whose creation failed is deleted first. wait: CloudFormation is followed to its end.

    verify: the running service is verified. ignore_error_rate: a service is updated although so many requests fail that
    the update would be rolled back.
    """

    recreate: bool = False
    ignore_error_rate: bool = False
    wait: bool = True
    verify: bool = True


@dataclass(frozen=True, kw_only=True)
class RotateOptions(StackOptions):
    """users: the MemoryDB users whose passwords are rotated, by name; without any, all users.

    ignore_error_rate: services are redeployed although so many requests fail that this would be rolled back.
    """

    users: tuple[str, ...] = ()
    ignore_error_rate: bool = False


@dataclass(frozen=True, kw_only=True)
class DestroyOptions(StackOptions):
    """role_arn: the role that CloudFormation assumes. purge_images: the images in the stacks' repositories are deleted
    too."""

    role_arn: str = ""
    purge_images: bool = False


@dataclass(frozen=True, kw_only=True)
class StatusOptions(StackOptions):
    """drift: manual changes are looked for, which takes a minute or more."""

    drift: bool = False


@dataclass(frozen=True, kw_only=True)
class LogsOptions(StackOptions):
    """since: the time of the earliest line. pattern: a filter pattern of CloudWatch Logs; every line if empty. follow:
    new lines are waited for, without end."""

    since: datetime
    pattern: str = ""
    follow: bool = False
