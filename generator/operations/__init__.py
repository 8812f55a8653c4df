"""Preview, deploy, destroy, rotate, status and logs as functions of a `Deployment`, a `Session` and frozen options.

`deploy` does the following for each layer, in order, after the checks that need no AWS and before anything changes:

1. The image of a service is built and pushed, unless the repository has it (`image.py`).
2. A change set is created for the layer's template and parameters (`updates.py`, `generator.stacks`).
3. It becomes a `Plan`, and the guard refuses to lose data (`plans.py`). `preview` does steps 2 and 3 and stops here.
4. The UI shows the plan and asks for confirmation (`session.py`).
5. The change set that was shown is executed, and no other, under a stack policy (`stack_policy.py`).
6. The stack's events are followed to their end (`watch.py`).
7. The running service is verified: its API, its answers, its use (`service.py`, `generator.compute`).

`destroy` and `rotate` check, ask and act in the same order. One function finds why a stack failed, for all of them
and for `status` (`cause.py`). Results are values; every error is a GeneratorError. A
Session owns clients, clock and UI, all of which can be passed in, so that nothing here reads arguments or prints.
"""

from __future__ import annotations

from importlib.util import find_spec

from generator.errors import MissingPackageError

if find_spec("boto3") is None:
    raise MissingPackageError(package="boto3", extra="deploy")

from generator.aws.calls import Clock
from generator.operations.deploy import DeployedLayer, deploy, deploy_change_set
from generator.operations.destroy import Destroyed, destroy
from generator.operations.export_stacks import ExportedStack, export_document, export_stacks, read_export
from generator.operations.logs import logs
from generator.operations.options import (
    DeployOptions,
    DestroyOptions,
    LogsOptions,
    PreviewOptions,
    RotateOptions,
    StackOptions,
    StatusOptions,
)
from generator.operations.preview import preview
from generator.operations.rotate import RotatedPasswords, rotate
from generator.operations.session import UI, Session, boto3_clients
from generator.operations.status import status
from generator.report.results import LastOperation, LayerStatus, LogLine, Plan, Removal, RotationPlan
from generator.stacks.cloudformation import Stack

__all__ = [
    "UI",
    "Clock",
    "DeployOptions",
    "DeployedLayer",
    "DestroyOptions",
    "Destroyed",
    "ExportedStack",
    "LastOperation",
    "LayerStatus",
    "LogLine",
    "LogsOptions",
    "Plan",
    "PreviewOptions",
    "Removal",
    "RotateOptions",
    "RotatedPasswords",
    "RotationPlan",
    "Session",
    "Stack",
    "StackOptions",
    "StatusOptions",
    "boto3_clients",
    "deploy",
    "deploy_change_set",
    "destroy",
    "export_document",
    "export_stacks",
    "logs",
    "preview",
    "read_export",
    "rotate",
    "status",
]
