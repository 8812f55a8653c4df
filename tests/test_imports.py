"""Which module may import which: arrows point down only (docs/decisions/0001)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from generator.cli import VERBS

ROOT = Path(__file__).parents[1]

AWS = {"awacs", "troposphere"}
PARTS = {"generator.parts"}
BOTTOM = {"generator.contract", "generator.errors", "generator.regions"}
GENERATOR = {path.stem for path in (ROOT / "generator").iterdir()}
# Module or package, and what else than the standard library it may import.
ALLOWED = {
    "generator/contract.py": set(),
    "generator/errors.py": set(),
    "generator/regions.py": set(),
    "generator/settings.py": {"generator.errors"},
    "generator/template.py": {"generator.errors", "troposphere"},
    "generator/parts": {*AWS, *BOTTOM, *PARTS, "generator.settings", "generator.template"},
    "generator/compute.py": set(),
    "generator/compute_apprunner.py": {"generator.compute", "generator.contract"},
    "generator/compute_ecs.py": {"generator.compute", "generator.contract"},
    "generator/layers.py": {
        "generator.compute",
        "generator.compute_apprunner",
        "generator.compute_ecs",
        "generator.contract",
        *PARTS,
        "generator.settings",
        "generator.template",
    },
    "generator/policies.py": {
        *("awacs", "generator.arns", "generator.contract", "generator.execution", "generator.handlers"),
        *("generator.layers", "generator.parts.access"),
    },
    "generator/arns.py": {"generator.handlers"},
    "generator/execution.py": {
        *("awacs", "cfnlint", "generator.arns", "generator.errors", "generator.handlers", "generator.layers"),
        "generator.parts.access",
    },
    "generator/handlers.py": {"awacs", "generator.layers"},
    "generator/lint.py": {"cfnlint", "generator.errors"},
    # Nothing of ours: stock cfn-lint loads these files one by one.
    "generator/rules": {"cfnlint"},
    "generator/changeset.py": set(),
    "generator/events.py": set(),
    "generator/report.py": {"generator.changeset"},
    "generator/picture.py": set(),
    # Never troposphere: what is deployed is text.
    "generator/deploy.py": {
        *("botocore", "generator.aws_errors", "generator.changeset", "generator.contract"),
        *("generator.errors", "generator.events"),
    },
    "generator/aws_errors.py": {"botocore", "generator.errors"},
    "generator/drift.py": {"generator.aws_errors", "generator.changeset", "generator.errors"},
    "generator/context.py": {"docker", "generator.errors"},
    "generator/image.py": {"generator.context", "generator.errors", "generator.repository"},
    "generator/repository.py": {"botocore", "generator.aws_errors"},
    "generator/proof.py": {"generator.compute", "generator.contract", "generator.errors"},
    "generator/logs.py": {"botocore"},
    "generator/rotation.py": {"generator.aws_errors", "generator.contract", "generator.errors"},
    "generator/removal.py": {"botocore", "generator.aws_errors", "generator.compute", "generator.contract"},
    # The top: it may import every module of the generator.
    "generator/cli": {
        "generator",
        "boto3",
        "botocore",
        "rehearsal.rehearse",
        "rehearsal.serve",
        "rehearsal.stand_ins",
        "rich",
        "shtab",
        *(f"generator.{name}" for name in GENERATOR),
    },
    "generator/__main__.py": {"generator", "generator.cli"},
    "rehearsal/__init__.py": set(),
    "rehearsal/processes.py": set(),
    "rehearsal/emulator.py": {"cfnlint", "rehearsal.processes"},
    # Inside ministack's own process and environment: nothing of ours but each other.
    "rehearsal/fillers": {"ministack", "rehearsal.fillers"},
    "rehearsal/certificates.py": {"cryptography", "rehearsal.cluster"},
    "rehearsal/internet.py": {"rehearsal.cluster", "rehearsal.processes"},
    "rehearsal/machines.py": {
        *("generator.errors", "redis", "rehearsal.certificates", "rehearsal.cluster", "rehearsal.processes"),
    },
    "rehearsal/identities.py": {"boto3"},
    "rehearsal/registry.py": {"generator.errors"},
    "rehearsal/runners.py": {"generator.errors", "rehearsal.processes", "rehearsal.registry"},
    "rehearsal/stand_ins.py": {
        *("boto3", "botocore", "generator.compute", "generator.context", "generator.contract"),
        *(f"rehearsal.{name}" for name in ("certificates", "emulator", "identities", "internet", "machines")),
        *("rehearsal.registry", "rehearsal.runners"),
    },
    "rehearsal/rehearse.py": {
        *("boto3", "generator.compute", "generator.context", "generator.errors"),
        *("rehearsal.cluster", "rehearsal.emulator", "rehearsal.processes", "rehearsal.stand_ins"),
    },
    "rehearsal/cluster.py": {"generator.errors", "redis", "rehearsal.processes"},
    "rehearsal/serve.py": {"generator.contract", "generator.errors", "rehearsal.cluster", "rehearsal.processes"},
    # Never the generator: the image holds this package alone.
    "service/__init__.py": set(),
    "service/settings.py": set(),
    "service/users.py": {"msgspec"},
    "service/openapi.py": {"msgspec", "service.users"},
    "service/tokens.py": {"botocore", "service.settings"},
    "service/queries.py": {"service.users"},
    "service/connection.py": {"redis", "service.queries", "service.settings", "service.tokens"},
    "service/store.py": {"redis", "service.connection", "service.queries", "service.settings", "service.users"},
    "service/app.py": {"falcon", "service.logs", "service.openapi", "service.queries", "service.users"},
    "service/requests.py": {"service.users", "waitress"},
    "service/server.py": {"service.app", "service.requests", "service.store", "waitress"},
    "service/workers.py": set(),
    "service/logs.py": set(),
    "service/__main__.py": {
        "service.app",
        "service.logs",
        "service.server",
        "service.settings",
        "service.store",
        "service.tokens",
        "service.workers",
    },
    "generator/__init__.py": {
        "generator.compute",
        "generator.compute_apprunner",
        "generator.compute_ecs",
        "generator.errors",
        "generator.layers",
        *PARTS,
        "generator.settings",
        "generator.template",
    },
}

# What only some verbs need.
SLOW = {
    *("boto3", "botocore", "generator.lint", "generator.picture", "generator.policies", "rehearsal", "rich", "shtab"),
    *(
        f"generator.{name}"
        for name in ("aws_errors", "deploy", "drift", "image", "logs", "proof", "removal", "rotation")
    ),
}
LAZY = {
    "generator/context.py": {"docker"},
    "generator/execution.py": {"cfnlint"},
    "generator/lint.py": {"cfnlint"},
    "service/tokens.py": {"botocore"},
    **{str(path.relative_to(ROOT)): SLOW for path in sorted((ROOT / "generator/cli").glob("*.py"))},
}

PACKAGES = ("generator", "rehearsal", "service")
FILES = sorted(str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def group(file: str) -> str:
    return file if file in ALLOWED else "/".join(file.split("/")[:2])


def imported(file: str, *, top_level: bool = False) -> set[str]:
    """The modules a file imports, those for the type checker left out where only `top_level` ones are asked for."""
    tree = ast.parse((ROOT / file).read_text())
    found = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {m if (ROOT / f"{m.replace('.', '/')}.py").exists() else str(node.module) for m in modules}
    return {module for module in found if module.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("file", FILES)
def test_a_module_imports_only_what_it_may(file: str) -> None:
    allowed = ALLOWED[group(file)]
    assert not [
        module
        for module in imported(file)
        if module not in allowed
        and module.partition(".")[0] not in allowed - {"generator"}
        and not any(module.startswith(f"{package}.") for package in allowed - {"generator"})
    ]


@pytest.mark.parametrize("file", LAZY)
def test_what_is_slow_is_imported_where_it_is_needed(file: str) -> None:
    assert not [module for module in imported(file, top_level=True) for slow in LAZY[file] if module.startswith(slow)]


def test_a_verb_imports_no_other() -> None:
    code = "import sys; from generator.cli import parser; parser(verb='build'); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"generator.cli.build", "generator.cli.verbs"} <= set(found.split())
    assert not {f"generator.cli.{verb}" for verb in VERBS if verb != "build"} & set(found.split())
