"""CloudFormation templates for a web service on AWS App Runner or ECS Express Mode with Amazon MemoryDB behind it.

`Settings` → parts → `Template` → text. A part is a frozen dataclass whose fields are the elements of a template;
a function makes it; `Layer` names the parts of one template. What is listed in `__all__` is the public interface.
"""

from __future__ import annotations

from generator.compute.apprunner import AppRunnerCompute
from generator.compute.compute import Compute, Running
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
    Layer,
    all_layers,
    app_runner_layer,
    data_layer,
    default_layers,
    ecs_express_layer,
    ecs_express_layers,
)
from generator.parts.apprunner.service import app_runner
from generator.parts.data.memorydb import memorydb
from generator.parts.data.repository import repository
from generator.parts.data.user import User, user
from generator.parts.ecs_express.endpoints import task_endpoints
from generator.parts.ecs_express.service import ecs_express
from generator.parts.imports import imported
from generator.parts.network.place import existing_network, place_exports
from generator.parts.network.vpc import Network, network
from generator.parts.network.zones import supported_region
from generator.settings import Settings
from generator.template.assemble import assemble, elements
from generator.template.elements import (
    Condition,
    Element,
    ForEach,
    Input,
    Mapping,
    Part,
    Rule,
    TemplateMetadata,
    Transform,
    contains,
    export,
    why,
)
from generator.template.render import render
from generator.workload import HealthCheck, MemoryDBAccess, Place, Verification, Workload

__version__ = "0.1.0"

__all__ = [
    "AppRunnerCompute",
    "Compute",
    "Condition",
    "DuplicateLogicalIdError",
    "EcsExpressCompute",
    "Element",
    "ForEach",
    "GeneratorError",
    "HealthCheck",
    "Input",
    "Layer",
    "Mapping",
    "MemoryDBAccess",
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
    "TemplateMetadata",
    "Transform",
    "UsageError",
    "User",
    "Verification",
    "Workload",
    "all_layers",
    "app_runner",
    "app_runner_layer",
    "assemble",
    "contains",
    "data_layer",
    "default_layers",
    "ecs_express",
    "ecs_express_layer",
    "ecs_express_layers",
    "elements",
    "existing_network",
    "export",
    "imported",
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
