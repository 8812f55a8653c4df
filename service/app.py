"""The API: HTTP in, HTTP out. `create_app(store)` knows of what keeps the users only what `Users` says."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import Any, Protocol

import falcon

from service.openapi import document
from service.users import MAX_BODY, Fields, InvalidUserError, UnavailableError, dump, parse

# The first is where WSGI servers of this project (service/server.py) say when a request had arrived.
ARRIVED = "service.arrived"
PROBLEM = "application/problem+json"
RETRY_AFTER = 1
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

log = logging.getLogger("service.app")


class Users(Protocol):
    """What keeps the users. A deadline is on `time.monotonic()`'s clock; each may raise UnavailableError."""

    def get(self, email: str, deadline: float) -> Fields | None: ...
    def merge(self, email: str, fields: Fields, deadline: float) -> None: ...
    def replace(self, email: str, fields: Fields, deadline: float) -> bool: ...
    def delete(self, email: str, deadline: float) -> bool: ...
    def check(self, deadline: float) -> None: ...


def create_app(store: Users, *, seconds: float = 2.0, build_id: str = "unknown") -> falcon.App[Any, Any]:
    """The WSGI application. A request that has not been answered `seconds` after it arrived is answered 503."""
    app = falcon.App(middleware=[_Envelope(seconds)])
    # An answer without a body has no type.
    app.resp_options.default_media_type = None  # type: ignore[assignment]  # falcon takes it, but does not say so
    app.set_error_serializer(_problem)
    app.add_error_handler(UnavailableError, _unavailable)
    app.add_error_handler(Exception, _defect)
    app.add_route("/", _Collection(store))
    app.add_route("/health", _Health())
    app.add_route("/ready", _Ready(store, build_id))
    app.add_route("/openapi.json", _OpenApi())
    # An e-mail may hold slashes.
    app.add_route("/{email:path}", _User(store))
    return app


class _Collection:
    def __init__(self, store: Users) -> None:
        self._store = store

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        fields = _body(request)
        self._store.merge(fields["email"], fields, request.context.deadline)
        # The program this replaces answers nothing, with status 200.


class _User:
    def __init__(self, store: Users) -> None:
        self._store = store

    def on_get(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        email = _email(request)
        fields = self._store.get(email, request.context.deadline)
        if fields is None:
            _missing(response, email)
        else:
            response.content_type = falcon.MEDIA_JSON
            response.data = dump(fields)

    on_head = on_get

    def on_put(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        fields = _body(request)
        email = _email(request)
        if fields["email"] != email:
            raise falcon.HTTPBadRequest(description="The e-mail address of the body is not that of the path.")
        created = self._store.replace(email, fields, request.context.deadline)
        response.status = falcon.HTTP_201 if created else falcon.HTTP_200

    def on_delete(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        email = _email(request)
        if self._store.delete(email, request.context.deadline):
            response.status = falcon.HTTP_204
        else:
            _missing(response, email)


class _Health:
    """The process is alive. Nothing else is looked at: a restart would not mend Redis."""

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_JSON
        response.data = b'{"status":"ok"}\n'

    on_head = on_get


class _Ready:
    """Users can be read now, or why not."""

    def __init__(self, store: Users, build_id: str) -> None:
        self._store = store
        self._build_id = build_id

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.set_header("X-Build-Id", self._build_id)
        self._store.check(request.context.deadline)
        response.content_type = falcon.MEDIA_JSON
        response.data = dump({"status": "ok", "build": self._build_id})

    on_head = on_get


class _OpenApi:
    def __init__(self) -> None:
        self._text = json.dumps(document(), indent=2).encode() + b"\n"

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.content_type = falcon.MEDIA_JSON
        response.data = self._text

    on_head = on_get


class _Envelope:
    """What every request has: an ID, a deadline, a line in the log. No path and no body ever gets into the log."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        given = request.get_header("X-Request-Id") or ""
        request.context.id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.context.arrived = request.env.get(ARRIVED) or time.monotonic()
        request.context.deadline = request.context.arrived + self._seconds
        response.set_header("X-Request-Id", request.context.id)
        response.set_header("X-Content-Type-Options", "nosniff")

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, succeeded: bool
    ) -> None:
        if log.isEnabledFor(logging.INFO):
            log.info(
                "request",
                extra={
                    "request": request.context.id,
                    "method": request.method,
                    "route": request.uri_template and request.uri_template.replace(":path", ""),
                    "status": response.status_code,
                    "ms": round(1000 * (time.monotonic() - request.context.arrived), 1),
                },
            )


def _body(request: falcon.Request) -> Fields:
    """The user in the body, whatever type it says it has: curl -d calls it a form."""
    if (request.content_length or 0) > MAX_BODY:
        raise falcon.HTTPContentTooLarge(description=f"A body has at most {MAX_BODY} bytes.")
    try:
        return parse(request.bounded_stream.read())
    except InvalidUserError as error:
        raise falcon.HTTPBadRequest(description=f"{error}.") from None


def _email(request: falcon.Request) -> str:
    """The e-mail in the path, which the server has decoded once (PEP 3333: to Latin-1).

    Falcon's own view of it lacks leading slashes, and has U+FFFD for what is not UTF-8, which would be somebody else's.
    """
    try:
        return str(request.env["PATH_INFO"])[1:].encode("latin-1").decode()
    except UnicodeDecodeError:
        raise falcon.HTTPBadRequest(description="The path is not UTF-8.") from None


def _missing(response: falcon.Response, email: str) -> None:
    """As the program this replaces says it."""
    response.status = falcon.HTTP_404
    response.content_type = falcon.MEDIA_TEXT
    response.data = f"user does not exist {email}\n".encode()


def _problem(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    """RFC 9457."""
    title = HTTPStatus(error.status_code).phrase
    problem = {"title": title, "status": error.status_code, "detail": error.description}
    response.content_type = PROBLEM
    response.data = json.dumps({name: value for name, value in problem.items() if value}).encode() + b"\n"


def _unavailable(request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    cause = error.__cause__
    log.warning(
        "unavailable",
        extra={"request": request.context.id, "reason": str(error), "cause": type(cause).__name__ if cause else None},
    )
    raise falcon.HTTPServiceUnavailable(description=str(error), retry_after=RETRY_AFTER)


def _defect(request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    log.error("defect", extra={"request": request.context.id}, exc_info=error)
    raise falcon.HTTPInternalServerError(description=f"Please report this with request ID {request.context.id}.")
