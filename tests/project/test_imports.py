"""Imports point down only (docs/decisions/0001): a list of floors, not a table of every import."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import generator
from generator.cli import VERBS
from tests.running import ROOT

# Rooms and files from top to bottom. One imports only from the floors below its own, or from its own room.
FLOORS = (
    "rehearsal.upgrade",
    "rehearsal.run",
    "rehearsal.options",
    "rehearsal.load",
    "rehearsal.local_aws",
    "rehearsal.local_resources",
    "rehearsal.before",
    "rehearsal.embedded",
    "rehearsal.containers",
    "rehearsal.services",
    "rehearsal.emulator",
    "rehearsal.processes",
    "rehearsal.__init__",
    "generator.__main__",
    "generator.cli",
    "generator.operations",
    "generator.report",
    "generator.review",
    "generator.parameters",
    "generator.iam",
    "generator.__init__",
    "generator.layers",
    "generator.parts",
    "generator.stacks",
    "generator.database",
    "generator.images",
    "generator.compute",
    "generator.aws",
    "generator.workload",
    "generator.template",
    "generator.rules",
    "generator.settings",
    "generator.contract",
    "generator.regions",
    "generator.errors",
    "generator.redaction",
)
SERVICE = (
    "service.__main__",
    "service.workers",
    "service.server",
    "service.app",
    "service.requests",
    "service.store",
    "service.connection",
    "service.queries",
    "service.openapi",
    "service.users",
    "service.tokens",
    "service.settings",
    "service.logs",
    "service.__init__",
)
# Packages of others, and the only rooms and files that may import them.
OTHERS = {
    "argparse": ("generator.cli",),
    "awacs": ("generator.iam", "generator.parts", "generator.workload"),
    "boto3": ("generator.operations.session", "rehearsal"),
    "cfnlint": (
        "generator.iam.execution_role",
        "generator.rules",
        "generator.template.lint",
        "rehearsal.emulator.environment",
    ),
    "docker": ("generator.images.context",),
    "falcon": ("service",),
    "ministack": ("rehearsal.emulator.extensions",),
    "redis": ("rehearsal", "service"),
    "rich": ("generator.cli.terminal",),
    "shtab": ("generator.cli.completion",),
    "troposphere": (
        "generator.iam.access",
        "generator.layers",
        "generator.parts",
        "generator.template",
        "generator.workload",
    ),
    "waitress": ("service",),
}
# Imported inside the functions that need them, since other commands start without.
LAZY = {"boto3", "botocore", "cfnlint", "docker", "rich", "shtab"}
# Rooms that a verb imports only when it runs, and so may import slow packages themselves.
LATE = (
    "generator.aws.errors",
    "generator.aws.faults",
    "generator.cli.terminal",
    "generator.compute.logs",
    "generator.images",
    "generator.database",
    "generator.operations",
    "generator.report",
    "generator.rules",
    "generator.stacks",
    "rehearsal",
    "service",
)

PACKAGES = ("generator", "rehearsal", "service")
FILES = sorted(str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
# Stock cfn-lint loads the rules file by file, and ministack's interpreter the extensions: neither has our other
# packages.
ALONE = ("generator/rules", "rehearsal/emulator/extensions")


def module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def floor(name: str) -> int:
    floors = SERVICE if name.startswith("service.") else FLOORS
    return next(index for index, room in enumerate(floors) if within(name, (room,)))


def imported(file: str, *, top_level: bool = False) -> set[str]:
    """The modules a file imports, those for the type checker left out where only `top_level` ones are asked for."""
    tree = ast.parse((ROOT / file).read_text())
    found = set()
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # cfn-lint loads the folder of rules as a package of another name.
            if node.level == 1 and file.startswith("generator/rules/"):
                continue
            assert node.level == 0, f"{file}: relative import"
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {m if (ROOT / f"{m.replace('.', '/')}.py").exists() else str(node.module) for m in modules}
    return {f"{name}.__init__" if name in ("generator", "service", "rehearsal") else name for name in found}


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith(ALONE)])
def test_imports_point_down(file: str) -> None:
    name = module(file)
    packages = ("service",) if name.startswith("service.") else ("generator", "rehearsal")
    ours = [other for other in imported(file) if other.partition(".")[0] in PACKAGES]
    room = next(f for f in (SERVICE if name.startswith("service.") else FLOORS) if within(name, (f,)))
    # `rehearse` and `serve` are verbs, and what they start is above the command.
    started = ("rehearsal",) if name.startswith("generator.cli.") else ()
    assert not [
        other
        for other in ours
        if not within(other, (room, *started))
        and (other.partition(".")[0] not in packages or floor(other) <= floor(name))
    ]


@pytest.mark.parametrize("folder", ALONE)
def test_what_others_load_imports_nothing_of_ours(folder: str) -> None:
    own = folder.replace("/", ".")
    found = {other for file in FILES if file.startswith(folder) for other in imported(file)}
    assert not [other for other in found if other.partition(".")[0] in PACKAGES and not within(other, (own,))]


@pytest.mark.parametrize("file", FILES)
def test_packages_of_others_stay_in_their_rooms(file: str) -> None:
    names = {other.partition(".")[0] for other in imported(file)}
    assert not [name for name in names & OTHERS.keys() if not within(module(file), OTHERS[name])]


@pytest.mark.parametrize("file", [file for file in FILES if not within(module(file), LATE)])
def test_what_is_slow_is_imported_where_it_is_needed(file: str) -> None:
    names = imported(file, top_level=True)
    assert not [name for name in names if name.partition(".")[0] in LAZY]
    if file.startswith("generator/cli/"):
        late = ("generator.iam", "generator.operations", "generator.report", "generator.template.lint", "rehearsal")
        assert not [name for name in names if within(name, late) and not within(module(file), LATE)]


def test_a_verb_imports_no_other() -> None:
    code = "import sys; from generator.cli import parser; parser(verb='build'); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {"generator.cli.build", "generator.cli.arguments"} <= set(found.split())
    assert not {f"generator.cli.{verb.replace('-', '_')}" for verb in VERBS if verb != "build"} & set(found.split())


def test_few_files_lie_flat() -> None:
    assert len([file for file in FILES if file.count("/") == 1 and file.startswith("generator/")]) <= 10


def test_no_room_has_the_name_of_a_public_function() -> None:
    """The import of generator.x as a room would hide the function x of generator."""
    rooms = {path.stem for path in (ROOT / "generator").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert rooms & set(generator.__all__) == set()
