"""The proof that what runs is what was asked for. CloudFormation's success does not say so.

A rolled-back deployment of App Runner looks green (roadmap issues 209 and 272): what its API says of the service, what
the service says of itself, and a user written through its public URL are what counts. HTTP, clock and sleep are given.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote

from generator import contract
from generator.compute.compute import Running
from generator.errors import DeployError

OPERATION_MINUTES = 30
# How late a deployment may be told of that was asked for.
BEGIN_SECONDS = 60
# A new service's name has to reach the resolvers, and a new revision every instance of the load balancer.
ANSWER_SECONDS = 120
# Twice what a failover of the cluster takes.
READY_SECONDS = 20
REQUEST_SECONDS = 10
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP; status 0 when there was none, and `body` says why."""

    status: int
    body: bytes

    def field(self, name: str) -> str:
        """A field of the JSON object that the body is; empty where it is none."""
        with suppress(ValueError):
            document = json.loads(self.body)
            if isinstance(document, dict):
                return str(document.get(name) or "")
        return ""

    def __str__(self) -> str:
        if self.status == 0:
            return self.body.decode(errors="replace")
        detail = self.field("detail")
        return f"{self.status}: {detail}" if detail else str(self.status)


Send = Callable[[str, str, bytes | None], Answer]


@dataclass(frozen=True)
class Wanted:
    """What should run: the image as the template names it, and the builds that it may say it is; any, where there are
    none."""

    image: str
    builds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fact:
    """Something that was looked at, and what was seen."""

    about: str
    seen: str


class NotProvenError(DeployError):
    """What runs is not what was asked for."""


def send(method: str, url: str, body: bytes | None) -> Answer:
    """A request over HTTP(S), with the proxy and the certificate authorities that the environment names."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {}, method=method)
    try:
        # urlopen() would remember the proxies of its first use.
        with urllib.request.build_opener().open(request, timeout=REQUEST_SECONDS) as answer:
            return Answer(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read())
    except urllib.error.URLError as error:
        return Answer(0, str(error.reason).encode())
    except (OSError, ValueError) as error:
        return Answer(0, str(error).encode())


class Proof:
    """Looks at one stack's service. Each method yields what it saw, and raises NotProvenError at the first thing that
    is not as it should be."""

    def __init__(
        self,
        stack_name: str,
        *,
        send: Send = send,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stack_name = stack_name
        self._send = send
        self._sleep = sleep
        self._now = now

    def as_begun(self, observe: Callable[[], Running], before: Running) -> None:
        """Waits until another operation than that of `before` is the last: an API may tell of a new one late."""
        end = self._now() + BEGIN_SECONDS
        while observe().operation_id == before.operation_id:
            if self._now() >= end:
                raise self._differs(
                    f"no deployment has begun, the last operation is still {before.operation}",
                    "The previous version still runs: run the same command again.",
                )
            self._sleep(PAUSE_SECONDS)

    def as_told(self, observe: Callable[[], Running], wanted: Wanted) -> Iterator[Fact]:
        """By what AWS says: the last operation, the status, the image. Waits for an operation that is under way."""
        end = self._now() + 60 * OPERATION_MINUTES
        pause = PAUSE_SECONDS
        while (running := observe()).ended is None and self._now() < end:
            self._sleep(pause)
            pause = min(1.5 * pause, LONGEST_PAUSE_SECONDS)
        if not running.ended:
            raise self._differs(
                f"the last operation is {running.operation}, so the deployment did not take effect",
                "The previous version still runs. Fix the image or its settings, and deploy again.",
            )
        yield Fact("last operation", running.operation)
        if not running.ready:
            raise self._differs(f"the service is {running.status}", running.then)
        yield Fact("status", running.status)
        if running.image != wanted.image:
            raise self._differs(
                f"the image is {running.image or 'none'}, not {wanted.image}",
                "Somebody changed the service by hand, or its deployment was taken back: deploy another image.",
            )
        yield Fact("image", running.image)

    def as_answered(self, url: str, wanted: Wanted) -> Iterator[Fact]:
        """By what the service answers: alive, ready, of the wanted build."""
        answer = self._until_ok("GET", f"{url}{contract.HEALTH_PATH}", ANSWER_SECONDS)
        yield Fact(f"GET {contract.HEALTH_PATH}", str(answer))
        # An instance of the build before may answer for a moment.
        end = self._now() + READY_SECONDS
        while True:
            answer = self._until_ok("GET", f"{url}{contract.READY_PATH}", READY_SECONDS)
            build = answer.field("build") or "unknown"
            if not wanted.builds or build in wanted.builds:
                break
            if self._now() >= end:
                raise self._differs(
                    f"{contract.READY_PATH} says that the build is {build}, not {' or '.join(wanted.builds)}",
                    "Another image runs than the one that was pushed: deploy again, and look at the service's log.",
                )
            self._sleep(PAUSE_SECONDS)
        yield Fact(f"GET {contract.READY_PATH}", f"{answer}, build {build}")

    def as_used(self, url: str) -> Iterator[Fact]:
        """By use: a user is written, read back and deleted. It is deleted whatever happens in between."""
        email = f"probe-{secrets.token_hex(8)}@example.invalid"
        user = {"email": email, "name": "deployment probe"}
        path = f"{url}/{quote(email, safe='@')}"
        try:
            self._until_ok("POST", f"{url}/", READY_SECONDS, json.dumps(user).encode())
            read = self._until_ok("GET", path, READY_SECONDS)
            if {name: read.field(name) for name in user} != user:
                raise self._differs("a user that was written is read as another", "Look at the service's log.")
            self._until_ok("DELETE", path, READY_SECONDS)
        except NotProvenError as error:
            if self._send("DELETE", path, None).status in (204, 404):
                raise
            raise self._differs(error.why, f"{error.then} The user {email} may be left: delete it.") from error
        except BaseException:
            self._send("DELETE", path, None)
            raise
        gone = self._send("GET", path, None)
        if gone.status != 404:
            raise self._differs(
                f"the user {email} was deleted and is answered {gone}",
                "Look at the service's log, and delete the user.",
            )
        yield Fact("a user", "written, read back, deleted")

    def _until_ok(self, method: str, url: str, seconds: float, body: bytes | None = None) -> Answer:
        end = self._now() + seconds
        while (answer := self._send(method, url, body)).status not in (200, 201, 204):
            # What the client got wrong stays wrong; a name that is not yet known, or a failover, passes.
            if (400 <= answer.status < 500 and answer.status not in (404, 429)) or self._now() >= end:
                raise self._differs(
                    f"{method} {url} is answered {answer}"
                    if answer.status
                    else f"{method} {url} is not answered: {answer}",
                    "Look at the service's log.",
                )
            self._sleep(PAUSE_SECONDS)
        return answer

    def _differs(self, why: str, then: str) -> NotProvenError:
        return NotProvenError(stack=self._stack_name, what="Not proven to run as deployed", why=why, then=then)
