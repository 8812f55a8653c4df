"""The image, more restricted than on App Runner: a user without a name, no place to write to, no capability."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acceptance.conftest import BUILD_ID, Container, on_cluster
from acceptance.engine import ROOT, USER, Engine
from acceptance.pins import packages
from generator.contract import SERVICE_PORT
from rehearsal.services.redis_cluster import Cluster
from service import settings
from tests.running import curl, eventually

UNREACHABLE = {
    "MEMORYDB_CLUSTER_ENDPOINT": "127.0.0.1:1",
    "MEMORYDB_USERNAME": "service",
    "MEMORYDB_PASSWORD": "a-password-that-no-log-may-hold",
}


def inside(engine: Engine, image: str, code: str) -> str:
    """The output of Python code in a container of the image."""
    closed = ("--read-only", "--cap-drop", "all", *engine.limits)
    return engine("run", "--rm", *closed, "--network", "none", "--entrypoint", "python", image, "-c", code)


# The answers of the application that this project replaces.


def test_a_posted_user_is_stored(container: Container) -> None:
    status, headers, body = curl("-d", '{"email":"user1@foo.com","name":"user1"}', f"{container.url}/")
    assert (status, headers["content-length"], body) == (200, "0", "")


def test_a_stored_user_is_answered_with_sorted_keys_and_a_newline(container: Container) -> None:
    curl("-d", '{"name":"user2","email":"user2@foo.com"}', f"{container.url}/")
    status, headers, body = curl(f"{container.url}/user2@foo.com")
    assert (status, headers["content-length"], body) == (200, "41", '{"email":"user2@foo.com","name":"user2"}\n')


def test_an_unknown_user_is_a_404_in_plain_text(container: Container) -> None:
    status, headers, body = curl(f"{container.url}/not_there@foo.com")
    assert (status, headers["content-length"], body) == (404, "38", "user does not exist not_there@foo.com\n")
    assert headers["content-type"].startswith("text/plain")


# The running container.


def test_readiness_names_the_build(container: Container) -> None:
    status, _, body = curl(f"{container.url}/ready")
    assert status == 200
    assert BUILD_ID in body


def test_a_body_that_is_too_large_is_413_without_a_place_to_write_to(container: Container, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b'{"email":"' + b"a" * 2**21)
    status, _, _ = curl("-H", "Expect:", "--data-binary", f"@{body}", f"{container.url}/")
    assert status == 413


def test_the_process_has_no_name_and_no_capability(engine: Engine, container: Container) -> None:
    status = engine("exec", container.id, "cat", "/proc/1/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == ["10001"] * 4
    assert fields["Gid"].split() == ["10001"] * 4
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_process_1_supervises_a_worker_for_each_cpu_and_nothing_else_runs(engine: Engine, container: Container) -> None:
    code = (
        "import os; from service.workers import usable_cpus; me = str(os.getpid());"
        "print(usable_cpus(), *(open(f'/proc/{n}/stat').read().rpartition(')')[2].split()[1]"
        " for n in os.listdir('/proc') if n.isdigit() and n not in ('1', me)))"
    )
    cpus, *parents = engine("exec", container.id, "python", "-c", code).split()
    assert parents == (["1"] * int(cpus) if int(cpus) > 1 else [])


def test_a_worker_that_dies_is_replaced_in_the_container(engine: Engine, image: str, cluster: Cluster) -> None:
    with on_cluster(engine, image, cluster, WORKERS="2") as container:
        kill = "import os, signal; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), signal.SIGKILL)"
        engine("exec", container.id, "python", "-c", kill)
        eventually(lambda: '"a worker died"' in container.log())
        assert curl(f"{container.url}/ready")[0] == 200
        assert container.stop() == 0


def test_nothing_was_written(engine: Engine, container: Container) -> None:
    changed = {line.split(maxsplit=1)[1] for line in engine("diff", container.id).splitlines()}
    # Mount points that the engine itself makes.
    assert not [path for path in changed if not path.startswith(("/etc", "/run", "/dev", "/proc", "/sys"))]


def test_sigterm_ends_it_with_0(engine: Engine, image: str, cluster: Cluster) -> None:
    with on_cluster(engine, image, cluster) as container:
        assert curl(f"{container.url}/ready")[0] == 200
        assert container.stop() == 0


def test_without_redis_it_starts_and_is_not_ready(engine: Engine, image: str) -> None:
    with Container(engine, image, UNREACHABLE) as container:
        for path, status in (("health", 200), ("ready", 503), ("user1@foo.com", 503)):
            assert curl(f"{container.url}/{path}")[0] == status
        assert container.stop() == 0
        assert UNREACHABLE["MEMORYDB_PASSWORD"] not in container.log()


@pytest.mark.parametrize("missing", settings.REQUIRED["password"])
def test_a_missing_variable_ends_it_and_is_named(engine: Engine, image: str, missing: str) -> None:
    id = engine.start(image, {name: value for name, value in UNREACHABLE.items() if name != missing})
    try:
        assert engine("wait", id) != "0"
        assert missing in engine.printed("logs", id)
    finally:
        engine("rm", "--force", id)


# The contents of the image.


def test_it_contains_the_service_and_its_pinned_packages_but_no_pip(engine: Engine, image: str) -> None:
    found = "f'{d.name}=={d.version}' for d in m.distributions(path=['/app/packages'])"
    code = f"import importlib.metadata as m; print(*sorted({found}))"
    assert inside(engine, image, code).split() == [f"{name}=={version}" for name, version in packages().items()]
    files = inside(engine, image, "import os; print(*sorted(os.listdir('/app/service')))").split()
    assert files == sorted(["__pycache__", *(path.name for path in (ROOT / "service").glob("*.py"))])
    found = inside(
        engine, image, "import importlib.util as u; print(*(n for n in ('pip', 'ensurepip') if u.find_spec(n)))"
    )
    assert found == ""


def test_it_signs_tokens_for_iam_authentication(engine: Engine, image: str) -> None:
    code = (
        "import os, time; os.environ.update(AWS_ACCESS_KEY_ID='AKIA1', AWS_SECRET_ACCESS_KEY='a');"
        "from service.settings import Settings; from service.tokens import Tokens;"
        "iam = Settings('localhost:6379', 'user-1', memorydb_cluster_name='db-1', aws_region='eu-central-1');"
        "print(Tokens(iam).token(time.monotonic() + 5))"
    )
    assert inside(engine, image, code).startswith("db-1/?Action=connect&User=user-1&X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_it_contains_no_compiler(engine: Engine, image: str) -> None:
    tools = ("cc", "gcc", "g++", "clang", "ld", "make", "pip", "pip3")
    code = f"import shutil; print(*(name for name in {tools} if shutil.which(name)))"
    assert inside(engine, image, code) == ""


def test_its_user_is_a_number_and_not_root(engine: Engine, image: str) -> None:
    assert engine("image", "inspect", "--format", "{{.Config.User}}", image) == USER


def test_its_metadata_has_the_port_and_the_build(engine: Engine, image: str) -> None:
    (inspected,) = json.loads(engine("image", "inspect", image))
    assert list(inspected["Config"]["ExposedPorts"]) == [f"{SERVICE_PORT}/tcp"]
    assert f"BUILD_ID={BUILD_ID}" in inspected["Config"]["Env"]
    assert inspected["Config"]["Labels"]["org.opencontainers.image.revision"] == BUILD_ID
