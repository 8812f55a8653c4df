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

from generator.compute import Compute, Running
from generator.compute.apprunner import AppRunnerCompute
from generator.compute.ecs_express import EcsExpressCompute
from generator.errors import (
    DuplicateLogicalIdError,
    GeneratorError,
    MissingPackageError,
    OutputError,
    SettingsError,
    TemplateError,
    UsageError,
)
from generator.layers import (
    Deployment,
    Layer,
    app_runner_deployment,
    app_runner_layer,
    data_layer,
    default_deployments,
    ecs_express_deployment,
    ecs_express_layer,
)
from generator.parts.apprunner.service import AppRunner, app_runner
from generator.parts.data.memorydb import MemoryDB, memorydb
from generator.parts.data.repository import Repository, repository
from generator.parts.data.user import User, user
from generator.parts.ecs_express.endpoints import TaskEndpoints, task_endpoints
from generator.parts.ecs_express.service import EcsExpress, ecs_express
from generator.parts.imports import Data, ImportedData, TaskData, imported_data
from generator.parts.network.network import (
    ExistingNetwork,
    Network,
    Place,
    existing_network,
    network,
    place_exports,
)
from generator.parts.network.zones import supported_region
from generator.settings import Settings
from generator.template.assemble import assemble, elements
from generator.template.elements import Condition, Element, Input, Part, Rule, Table, contains, export, why
from generator.template.render import render

__version__ = "0.1.0"

__all__ = [
    "AppRunner",
    "AppRunnerCompute",
    "Compute",
    "Condition",
    "Data",
    "Deployment",
    "DuplicateLogicalIdError",
    "EcsExpress",
    "EcsExpressCompute",
    "Element",
    "ExistingNetwork",
    "GeneratorError",
    "ImportedData",
    "Input",
    "Layer",
    "MemoryDB",
    "MissingPackageError",
    "Network",
    "OutputError",
    "Part",
    "Place",
    "Repository",
    "Rule",
    "Running",
    "Settings",
    "SettingsError",
    "Table",
    "TaskData",
    "TaskEndpoints",
    "TemplateError",
    "UsageError",
    "User",
    "app_runner",
    "app_runner_deployment",
    "app_runner_layer",
    "assemble",
    "contains",
    "data_layer",
    "default_deployments",
    "ecs_express",
    "ecs_express_deployment",
    "ecs_express_layer",
    "elements",
    "existing_network",
    "export",
    "imported_data",
    "memorydb",
    "network",
    "place_exports",
    "render",
    "repository",
    "supported_region",
    "task_endpoints",
    "user",
    "why",
]
