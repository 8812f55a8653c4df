"""CloudFormation templates for a web service on AWS App Runner or ECS Express Mode with Amazon MemoryDB behind it.

`Settings` go into functions that return *parts* (`parts/`: frozen dataclasses of Troposphere resources). Parts make a
`Layer`, which is one template; `template/` assembles, renders, lints and draws it. A `Deployment` is the layers that
belong together (`layers.py`).

`operations/` previews, deploys, destroys, rotates and describes a deployment. It uses `stacks/` (CloudFormation),
`images/` (containers), `compute/` (the running service) and `memorydb/` (passwords, snapshots), which all call AWS
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
from generator.parts.apprunner.service import app_runner
from generator.parts.data.memorydb import memorydb
from generator.parts.data.repository import repository
from generator.parts.data.user import User, user
from generator.parts.ecs_express.endpoints import task_endpoints
from generator.parts.ecs_express.service import ecs_express
from generator.parts.imports import ImportedData, imported_data
from generator.parts.network.place import ExistingNetwork, Place, existing_network, place_exports
from generator.parts.network.vpc import Network, network
from generator.parts.network.zones import supported_region
from generator.settings import Settings
from generator.template.assemble import assemble, elements
from generator.template.elements import Condition, Element, Input, Mapping, Part, Rule, contains, export, why
from generator.template.render import render

__version__ = "0.1.0"

__all__ = [
    "AppRunnerCompute",
    "Compute",
    "Condition",
    "Deployment",
    "DuplicateLogicalIdError",
    "EcsExpressCompute",
    "Element",
    "ExistingNetwork",
    "GeneratorError",
    "ImportedData",
    "Input",
    "Layer",
    "Mapping",
    "MissingPackageError",
    "Network",
    "OutputError",
    "Part",
    "Place",
    "Rule",
    "Running",
    "Settings",
    "SettingsError",
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
