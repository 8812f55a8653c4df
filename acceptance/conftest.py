"""The image, built once; a TLS cluster with the service's user; a container of the image on that cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from acceptance import engine as engines
from acceptance.engine import Engine
from generator.contract import HEALTH_PATH
from rehearsal.processes import ADDRESS, answers, free_ports
from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import Cluster
from tests.running import environment, user

IMAGE = "memorydb-apprunner-service:acceptance"
BUILD_ID = "acceptance-1"
AUTHORITY = "/run/authority.pem"
GRACE = 30

_facts: list[str] = []


def note(fact: str) -> None:
    """Prints a line after the tests."""
    _facts.append(fact)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for fact in _facts:
        terminalreporter.write_line(fact)


@pytest.fixture(scope="session")
def engine() -> Engine:
    return engines.engine()


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    started = time.monotonic()
    image, real = engines.base(engine)
    kind = "pulled" if real else "a substitute, because it cannot be pulled"
    note(f"base: {image}, {kind}, ready after {time.monotonic() - started:.0f} s")
    return image


@pytest.fixture(scope="session")
def image(engine: Engine, base: str) -> str:
    started = time.monotonic()
    engine.build(IMAGE, base, BUILD_ID)
    added = engine.size(IMAGE) - engine.size(base)
    note(f"image: built in {time.monotonic() - started:.0f} s, {added / 1e6:.1f} MB more than its base")
    return IMAGE


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster(directory, user=user(), shards=3, tls=certificates(directory)) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def container(engine: Engine, image: str, cluster: Cluster) -> Iterator[Container]:
    """The service on the cluster."""
    with on_cluster(engine, image, cluster) as container:
        yield container


class Container:
    def __init__(self, engine: Engine, image: str, environment: dict[str, str], *options: str) -> None:
        """The container shares the network of this machine; the service listens on the loopback interface."""
        self.engine = engine
        (self.port,) = free_ports(1)
        here = {"HOST": ADDRESS, "PORT": str(self.port)}
        self.id = engine.start(image, {**environment, **here}, *options)

    def __enter__(self) -> Container:
        if not answers(self.port, HEALTH_PATH, lambda: self._inspect("Running") == "true"):
            text = self.log()
            self.__exit__()
            raise RuntimeError(f"It does not become healthy:\n{text}")
        return self

    def __exit__(self, *_: object) -> None:
        self.engine("rm", "--force", self.id)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.port}"

    def stop(self) -> int:
        """SIGTERM, then its exit code; 137 when it had to be killed."""
        self.engine("stop", "--time", str(GRACE), self.id)
        return int(self._inspect("ExitCode"))

    def log(self) -> str:
        """All output."""
        return self.engine.printed("logs", self.id)

    def _inspect(self, name: str) -> str:
        return self.engine("inspect", "--format", f"{{{{.State.{name}}}}}", self.id)


def on_cluster(engine: Engine, image: str, cluster: Cluster, **more: str) -> Container:
    assert cluster.tls is not None
    variables = {**environment(cluster, **more), "MEMORYDB_TLS_CA_FILE": AUTHORITY}
    return Container(engine, image, variables, "--volume", f"{cluster.tls.authority}:{AUTHORITY}:ro")
