"""The rehearsal with a real image: built, pushed through a real registry, pulled by digest, run as a container.

Then once more with a fault in each step, and what the builder takes for the context.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import boto3
import pytest

from acceptance import engine as engines
from acceptance.conftest import note
from acceptance.engine import CERTIFICATES, PODMAN, output
from generator.images.build import Tool, publish
from generator.images.context import Context
from generator.images.repository import ImageRepository
from generator.layers import default_deployments
from rehearsal.emulator.process import emulator
from rehearsal.local_aws import REGISTRY
from rehearsal.run import FAULTS
from rehearsal.services.certificates import certificates
from rehearsal.services.https_proxy import HttpsProxy
from tests.command import Command, Run
from tests.running import ROOT

# The cause that each fault's rehearsal ends with.
CAUSES = {
    "build": "The image could not be built: ",
    "push": "The push was refused: ",
    "data": "Cluster (AWS::MemoryDB::Cluster): Insufficient capacity",
    "unhealthy": "its log ends with: Missing from the environment: MEMORYDB_PASSWORD.",
    "rollback": "the last operation is UPDATE_SERVICE ROLLBACK_SUCCEEDED",
    "image": "/ready reports the build another, not content-",
    "redis": "is answered 503: Redis does not answer in time.",
}


@pytest.fixture(scope="module")
def base() -> str:
    return engines.base(PODMAN)[0]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Podman and buildah as they run on any kernel: see acceptance/engine.py."""
    configuration = tmp_path / "containers.conf"
    configuration.write_text('[engine]\nruntime = "runc"\n')
    monkeypatch.setenv("CONTAINERS_CONF", str(configuration))
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")


@pytest.fixture
def source(base: str, builder: None) -> list[str]:
    """The options for the image's source."""
    secret = [f"--build-secret=id=ca,src={CERTIFICATES}"] if CERTIFICATES.exists() else []
    return [f"--build-arg=BASE={'localhost/' if base.startswith('substitute') else ''}{base}", *secret]


def rehearsed(capfd: pytest.CaptureFixture[str], *arguments: str) -> Run:
    before = containers()
    run = Command(default_deployments, capfd)("rehearse", *arguments)
    assert containers() == before
    assert images() == []
    return run


def containers() -> set[str]:
    return set(PODMAN("ps", "--all", "--quiet").split())


def images() -> list[str]:
    """The images of the rehearsal's registry in podman's store."""
    return PODMAN("images", "--quiet", "--filter", f"reference={REGISTRY}/*").split()


def test_an_image_is_built_pushed_pulled_by_digest_and_verified(
    source: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    run = rehearsed(capfd, *source)
    assert run.code == 0, run.err
    assert "Building content-" in run.err
    assert "Pushed in " in run.err
    assert run.err.count("  a user           written, read back, deleted") == 3
    assert "already: nothing to build." in run.err
    assert "GetAuthorizationToken 1" in run.out
    assert run.out.splitlines()[-1] == "Left behind: nothing."
    for line in run.out.splitlines():
        if line.endswith((" s  done", " s")):
            note(f"rehearsal: {line}")


def test_two_at_once_have_their_own_images_and_containers(source: list[str], tmp_path: Path) -> None:
    before = containers()
    words = [sys.executable, "build.py", "rehearse", *source]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
            for _ in range(2)
        ]
        said = [process.communicate()[0].decode() for process in running]
        assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    assert len({name for text in said for name in re.findall("rehearsal-data-repository-[0-9a-f]+", text)}) == 2
    assert containers() == before
    assert images() == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_with_its_cause_and_leaves_nothing(
    fault: str, source: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    run = rehearsed(capfd, "--fault", fault, *source)
    assert run.code == 1
    assert CAUSES[fault] in run.err
    assert f"The fault was: {FAULTS[fault]}. It was found in: " in run.out
    assert "\nLeft behind: nothing.\n" in run.out


# Podman and buildah with the emulator's registry.


@pytest.fixture
def repository(tmp_path: Path, builder: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ImageRepository]:
    names = certificates(tmp_path, REGISTRY)
    with emulator(tmp_path / "emulator") as running:
        port = int(running.url.rpartition(":")[2])
        with HttpsProxy(names, {REGISTRY: port}.get) as proxy:
            through_proxy = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(names.authority)}
            for name, value in {**running.environment, **through_proxy}.items():
                monkeypatch.setenv(name, value)
            ecr = boto3.client("ecr")
            ecr.create_repository(repositoryName="users", imageTagMutability="IMMUTABLE")
            yield ImageRepository(f"{REGISTRY}/users", ecr)
    for image in dict.fromkeys(images()):
        PODMAN("rmi", "--force", image)


def context(directory: Path, text: str) -> Context:
    directory.mkdir()
    (directory / "Dockerfile").write_text("FROM scratch\nARG BUILD_ID\nLABEL build=${BUILD_ID}\nCOPY text /\n")
    (directory / "text").write_text(text)
    return Context(directory)


@pytest.mark.parametrize("kind", ["podman", "buildah"])
def test_an_image_is_pulled_again_by_its_digest(kind: str, repository: ImageRepository, tmp_path: Path) -> None:
    image = publish(kind, context(tmp_path / "source", "one"), repository, "content-1", print)
    token = repository.credentials()[1]
    auth = tmp_path / "auth.json"
    login = ["podman", "login", "--username", "AWS", "--password-stdin", "--authfile", str(auth), REGISTRY]
    subprocess.run(login, input=token.encode(), check=True, stdout=subprocess.DEVNULL)
    PODMAN("rmi", "--force", f"{repository.uri}:content-1")
    assert images() == []
    PODMAN("pull", "--quiet", "--authfile", str(auth), image)
    assert PODMAN("image", "inspect", "--format", "{{.Config.Labels.build}}", image) == "content-1"
    assert image == f"{repository.uri}@{repository.digest('content-1')}"


@pytest.mark.parametrize("kind", ["podman", "buildah"])
def test_a_tag_is_not_overwritten(kind: str, repository: ImageRepository, tmp_path: Path) -> None:
    first = publish(kind, context(tmp_path / "one", "one"), repository, "content-1", print)
    said: list[str] = []
    # As when two machines find the tag missing at the same time.
    late = _Late(repository.uri, repository.ecr)
    second = publish(kind, context(tmp_path / "two", "two"), late, "content-1", said.append)
    assert "immutable" in " ".join(said)
    assert second == first


class _Late(ImageRepository):
    """A repository that does not have the tag when it is first asked."""

    def digest(self, tag: str) -> str | None:
        if not hasattr(self, "asked"):
            object.__setattr__(self, "asked", True)
            return None
        return super().digest(tag)


# The build context as the tools read it.

FILES = (
    *("Dockerfile", ".dockerignore", "a.txt", "b.md", "keep.md", "deep/a.txt", "deep/er/a.txt", "deep/er/b.md"),
    *("service/app.py", "service/__pycache__/app.pyc", "service/data/x", "logs/today", ".git/config", "-odd name"),
)
# No leading slash among them: Docker and buildah take it off, podman 4.3 does not.
IGNORED = (
    "",
    "*\n!service/*.py\n",
    "# nothing\n\n**/*.md\n!keep.md\n",
    "deep\n!deep/er\n",
    "*.txt\nlogs/\n.git\n",
    "**/__pycache__\n**/x\nDockerfile\n",
    "a.txt\n  b.md  \n-odd*\n",
)


@pytest.mark.parametrize("kind", ["podman", "buildah"])
@pytest.mark.parametrize("ignored", IGNORED)
def test_the_tag_covers_the_files_that_the_builder_copies(
    kind: str, ignored: str, builder: None, tmp_path: Path
) -> None:
    for name in FILES:
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "source" / "Dockerfile").write_text("FROM scratch\nCOPY . /all/\n")
    (tmp_path / "source" / ".dockerignore").write_text(ignored)
    made = Context(tmp_path / "source")
    command = Tool(shutil.which(kind) or kind, kind).build(made, f"{REGISTRY}/context:1", "tag")
    output(*command[:-1], "--output", str(tmp_path / "out"), command[-1])
    copied = tmp_path / "out" / "all"
    found = {str(path.relative_to(copied)) for path in copied.rglob("*") if not path.is_dir()}
    # Both are sent to the builder, whatever is ignored; whether COPY takes them differs between builders.
    own = {"Dockerfile", ".dockerignore"}
    assert set(made.files()) - own == found - own
    for image in dict.fromkeys(images()):
        PODMAN("rmi", "--force", image)


@pytest.mark.parametrize("kind", ["podman", "buildah"])
def test_an_image_has_the_build_arguments_of_its_own_build(kind: str, builder: None, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG BUILD_ID\nENV BUILD_ID=${BUILD_ID}\n")
    for tag in ("one", "two"):
        image = f"{REGISTRY}/arguments:{tag}"
        output(*Tool(shutil.which(kind) or kind, kind).build(Context(tmp_path), image, tag))
        assert f"BUILD_ID={tag}" in PODMAN("image", "inspect", "--format", "{{.Config.Env}}", image)
    PODMAN("rmi", "--force", *(f"{REGISTRY}/arguments:{tag}" for tag in ("one", "two")))
