"""What all tests share.

Hypothesis looks at the same cases in every run, so that a red test stays red until it is mended. The clusters, of real
servers with TLS and the very access string that the data layer's template gives, are started once a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from rehearsal import stand_ins
from rehearsal.certificates import certificates
from rehearsal.cluster import Cluster
from rehearsal.emulator import Emulator, emulator
from tests.running import Service, environment, user

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    """Three shards alone, and three with a replica each; started together because both wait for two seconds."""
    directory = tmp_path_factory.mktemp("clusters")
    tls = certificates(directory)
    with ExitStack() as stack:
        plain = Cluster(directory / "plain", user=user(), shards=3, tls=tls)
        replicated = Cluster(directory / "replicated", user=user(), shards=3, replicas=1, tls=tls)
        for cluster in (plain, replicated):
            stack.callback(cluster.stop)
            cluster.start()
        for cluster in (plain, replicated):
            cluster.wait()
        yield plain, replicated


@pytest.fixture(scope="session")
def cluster(clusters: tuple[Cluster, Cluster]) -> Cluster:
    """Three shards without replicas."""
    return clusters[0]


@pytest.fixture
def replicated(clusters: tuple[Cluster, Cluster]) -> Cluster:
    """Three shards with a replica each, whole again whatever the last test did."""
    clusters[1].start()
    clusters[1].wait()
    return clusters[1]


@pytest.fixture(scope="session")
def service(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on three shards, for everything that does not break them."""
    with Service(environment(cluster, BUILD_ID="build-7"), tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of AWS for the tests of one file, whose environment leads to it."""
    with emulator(tmp_path_factory.mktemp("emulator")) as running, stand_ins.environment(running.environment):
        yield running
