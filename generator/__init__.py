"""CloudFormation templates for a web service on AWS App Runner or ECS Express Mode with Amazon MemoryDB behind it.

`Settings` go into functions that return *parts* (`parts/`: frozen dataclasses of Troposphere resources). Parts make a
`Layer`, which is one template; `template/` assembles, renders, lints and draws it. A `Deployment` is the layers that
belong together (`layers.py`).

`operations/` previews, deploys, destroys, rotates and describes a deployment. It uses `stacks/` (CloudFormation),
`images/` (containers), `compute/` (the running service) and `database/` (passwords, snapshots), which all call AWS
through `aws/`. `report/` turns the results into text, Markdown and JSON; `iam/` derives the policies that operations
need; `rules/` are cfn-lint rules; `cli/` is the command. Imports point down only.

What is listed in `__all__` is the public interface of the templates; `generator.operations` has that of the operations.
"""

from __future__ import annotations

from generator.errors import GeneratorError, SettingsError, TemplateError
from generator.layers import (
    Deployment,
    Layer,
    app_runner_deployment,
    app_runner_layer,
    data_layer,
    ecs_express_deployment,
    ecs_express_layer,
)
from generator.parts.data.repository import repository
from generator.parts.data.user import user
from generator.parts.imports import imported
from generator.parts.network.place import existing_network
from generator.settings import Settings
from generator.template.elements import (
    Condition,
    ForEach,
    Input,
    Mapping,
    Part,
    Rule,
    TemplateMetadata,
    Transform,
    export,
    why,
)
from generator.workload import HealthCheck, MemoryDBAccess, Place, Verification, Workload

__version__ = "0.1.0"

__all__ = [
    "Condition",
    "Deployment",
    "ForEach",
    "GeneratorError",
    "HealthCheck",
    "Input",
    "Layer",
    "Mapping",
    "MemoryDBAccess",
    "Part",
    "Place",
    "Rule",
    "Settings",
    "SettingsError",
    "TemplateError",
    "TemplateMetadata",
    "Transform",
    "Verification",
    "Workload",
    "app_runner_deployment",
    "app_runner_layer",
    "data_layer",
    "ecs_express_deployment",
    "ecs_express_layer",
    "existing_network",
    "export",
    "imported",
    "repository",
    "user",
    "why",
]
