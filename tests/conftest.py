"""Fixtures of all tests.

Hypothesis generates the same cases in every run, so that a failing test keeps failing until it is fixed. The clusters
are real servers with TLS and the access string of the data layer's template, started once per process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from rehearsal import local_aws
from rehearsal.emulator.process import Emulator, emulator
from rehearsal.services.certificates import certificates
from rehearsal.services.redis_cluster import HOST, Cluster
from tests.cloudformation_script import Script
from tests.running import Service, environment, user

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    """Three shards without replicas, and three with one each; started together because each takes two seconds."""
    directory = tmp_path_factory.mktemp("clusters")
    tls = certificates(directory, HOST)
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
    """Three shards with a replica each, all running."""
    clusters[1].start()
    clusters[1].wait()
    return clusters[1]


@pytest.fixture(scope="session")
def service(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on three shards, for tests that break none of them."""
    with Service(environment(cluster, BUILD_ID="build-7"), tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator for the tests of one file; boto3 uses it."""
    with emulator(tmp_path_factory.mktemp("emulator")) as running, local_aws.environment(running.environment):
        yield running


@pytest.fixture
def script() -> Iterator[Script]:
    """Prepared answers of CloudFormation, all of which have to be asked for."""
    made = Script()
    with made.stubber:
        yield made
        made.stubber.assert_no_pending_responses()
