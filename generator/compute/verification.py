"""Whether what was deployed is what runs. A stack that succeeded does not prove it.

A rolled-back deployment of App Runner looks successful (roadmap issues 209 and 272). So three things are checked: the
service's API, the service's own answers, and a user written through its public URL. `send` and the clock are passed in.
"""

from __future__ import annotations

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote

from generator import contract
from generator.aws.calls import Clock
from generator.compute import Outcome, Running
from generator.errors import DeployError

OPERATION_MINUTES = 30
# How long an API may take to list a deployment that was started.
BEGIN_SECONDS = 60
# A new service's name has to reach the resolvers, and a new revision every instance of the load balancer.
ANSWER_SECONDS = 120
# Twice what a failover of the cluster takes.
READY_SECONDS = 20
REQUEST_SECONDS = 10
OK = (200, 201, 204)
LOOK = "Look at the service's log."
ANOTHER = "If it is not this project's user API, write into Workload.verification what it answers."
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP. status 0: there was none, and `body` is the reason."""

    status: int
    body: bytes

    def field(self, name: str) -> str:
        """A field of the body's JSON object; empty if there is none."""
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
class Expected:
    """What should run: the image as the stack's parameter has it (empty for one that is fixed in the template), the
    builds that it may report (any, if empty), and how it answers: each path with its status, and whether it is the user
    API."""

    image: str
    builds: tuple[str, ...] = ()
    paths: Mapping[str, int] = field(default_factory=dict)
    users_api: bool = True


@dataclass(frozen=True)
class Fact:
    """Something that was checked, and what was found."""

    about: str
    found: str


class VerificationError(DeployError):
    """What runs is not what was deployed."""


def send(method: str, url: str, body: bytes | None) -> Answer:
    """A request over HTTP(S), with the proxy and the certificate authorities of the environment."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"} if body else {}, method=method)
    try:
        # urlopen() would keep the proxies of its first use.
        with urllib.request.build_opener().open(request, timeout=REQUEST_SECONDS) as answer:
            return Answer(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read())
    except urllib.error.URLError as error:
        return Answer(0, str(error.reason).encode())
    except (OSError, ValueError) as error:
        return Answer(0, str(error).encode())


class Verification:
    """Checks of one stack's service. Each yields what it finds, and raises VerificationError at the first fault."""

    def __init__(self, stack_name: str, *, send: Send = send, clock: Clock = Clock()) -> None:
        self._stack_name = stack_name
        self._send = send
        self._clock = clock

    def check_started(self, observe: Callable[[], Running], before: Running) -> None:
        """Waits until the last operation is another than that of `before`."""
        running = self._clock.poll(
            observe,
            lambda running: running.operation_id != before.operation_id,
            seconds=BEGIN_SECONDS,
            pause=PAUSE_SECONDS,
        )
        if running.operation_id == before.operation_id:
            raise self._fault(
                f"no deployment has started, the last operation is still {before.operation}",
                "The previous version still runs. Run the command again.",
            )

    def check_reported(self, observe: Callable[[], Running], expected: Expected) -> Iterator[Fact]:
        """By the API: last operation, status, image. Waits for an operation that is in progress."""
        running = self._clock.poll(
            observe,
            lambda running: running.outcome is not Outcome.IN_PROGRESS,
            seconds=60 * OPERATION_MINUTES,
            pause=PAUSE_SECONDS,
            longest=LONGEST_PAUSE_SECONDS,
        )
        if running.outcome is not Outcome.SUCCEEDED:
            raise self._fault(
                f"the last operation is {running.operation}, so the deployment did not take effect",
                "The previous version still runs. Fix the image or its settings, and deploy again.",
            )
        yield Fact("last operation", running.operation)
        if not running.ready:
            raise self._fault(f"the service is {running.status}", running.advice)
        yield Fact("status", running.status)
        if expected.image and running.image != expected.image:
            raise self._fault(
                f"the image is {running.image or 'none'}, not {expected.image}",
                "The service was changed outside of CloudFormation, or rolled back. Deploy another image.",
            )
        yield Fact("image", running.image)

    def check_answers(self, url: str, expected: Expected) -> Iterator[Fact]:
        """By the service: each path has its status; the user API is alive, ready, of the expected build."""
        for path, status in expected.paths.items():
            yield Fact(f"GET {path}", str(self._until("GET", f"{url}{path}", ANSWER_SECONDS, statuses=(status,))))
        if not expected.users_api:
            return
        answer = self._until_ok("GET", f"{url}{contract.HEALTH_PATH}", ANSWER_SECONDS)
        yield Fact(f"GET {contract.HEALTH_PATH}", str(answer))

        def look() -> Answer:
            return self._until_ok("GET", f"{url}{contract.READY_PATH}", READY_SECONDS)

        # An instance of the previous build may answer for a moment.
        answer = self._clock.poll(
            look,
            lambda answer: not expected.builds or answer.field("build") in expected.builds,
            seconds=READY_SECONDS,
            pause=PAUSE_SECONDS,
        )
        build = answer.field("build") or "unknown"
        if expected.builds and not answer.field("build"):
            raise self._fault(f"{contract.READY_PATH} reports no build", f"{LOOK} {ANOTHER}")
        if expected.builds and build not in expected.builds:
            raise self._fault(
                f"{contract.READY_PATH} reports the build {build}, not {' or '.join(expected.builds)}",
                "Another image runs than the one that was pushed. Deploy again, and look at the service's log.",
            )
        yield Fact(f"GET {contract.READY_PATH}", f"{answer}, build {build}")

    def check_use(self, url: str) -> Iterator[Fact]:
        """By use: a user is written, read back and deleted. It is deleted whatever happens in between."""
        email = f"probe-{secrets.token_hex(8)}@example.invalid"
        user = {"email": email, "name": "deployment probe"}
        path = f"{url}/{quote(email, safe='@')}"
        try:
            self._until_ok("POST", f"{url}/", READY_SECONDS, json.dumps(user).encode())
            read = self._until_ok("GET", path, READY_SECONDS)
            if {name: read.field(name) for name in user} != user:
                raise self._fault("a user that was written is read back as another", f"{LOOK} {ANOTHER}")
            self._until_ok("DELETE", path, READY_SECONDS)
        except VerificationError as error:
            if self._send("DELETE", path, None).status in (204, 404):
                raise
            raise self._fault(error.why, f"{error.then} The user {email} may be left: delete it.") from error
        except BaseException:
            self._send("DELETE", path, None)
            raise
        gone = self._send("GET", path, None)
        if gone.status != 404:
            raise self._fault(
                f"the user {email} was deleted, and a request for it is answered {gone}",
                "Look at the service's log, and delete the user.",
            )
        yield Fact("a user", "written, read back, deleted")

    def _until_ok(self, method: str, url: str, seconds: float, body: bytes | None = None) -> Answer:
        return self._until(method, url, seconds, body, statuses=OK)

    def _until(
        self, method: str, url: str, seconds: float, body: bytes | None = None, *, statuses: tuple[int, ...]
    ) -> Answer:
        answer = self._clock.poll(
            lambda: self._send(method, url, body),
            # A request that the client got wrong stays wrong; a name that is not yet known, or a failover, passes.
            lambda answer: (
                answer.status in statuses or (400 <= answer.status < 500 and answer.status not in (404, 429))
            ),
            seconds=seconds,
            pause=PAUSE_SECONDS,
        )
        if answer.status not in statuses:
            expected = "" if statuses == OK else f", not {statuses[0]}"
            # Only the user API is asked for any of several.
            another = statuses == OK and (400 <= answer.status < 500 or answer.status == 501)
            raise self._fault(
                f"{method} {url} is answered {answer}{expected}"
                if answer.status
                else f"{method} {url} is not answered: {answer}",
                f"{LOOK} {ANOTHER}" if another else LOOK,
            )
        return answer

    def _fault(self, why: str, then: str) -> VerificationError:
        what = "Could not verify that the new version is running"
        return VerificationError(stack=self._stack_name, what=what, why=why, then=then)
