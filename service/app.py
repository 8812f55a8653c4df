"""The API: HTTP in, HTTP out. The server sends the query of a request to the store, and then calls the application."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from http import HTTPStatus
from typing import Any

import falcon

from service import logs
from service.openapi import document
from service.queries import PATHS, User
from service.users import Fields, Problem, UnavailableError, dump

# What the server adds to a request's environment: its arrival (time.monotonic()), waitress's error if it is malformed,
# the user in its body, and the answers of the store, or the errors in their place.
ARRIVED = "service.arrived"
REFUSED = "service.refused"
USER = "service.user"
ANSWERS = "service.answers"
USER_PATH = "/{email}"
PROBLEM = "application/problem+json"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

log = logging.getLogger("service.app")


def create_app(build_id: str = "unknown") -> falcon.App[Any, Any]:
    """The WSGI application."""
    app = falcon.App(middleware=[_Envelope()])
    # An answer without a body has no type.
    app.resp_options.default_media_type = None  # type: ignore[assignment]  # falcon takes it, but does not say so
    app.set_error_serializer(_problem)
    app.add_error_handler(Exception, _defect)
    users = _Users()
    app.add_route("/", users)
    app.add_route(USER_PATH, users, suffix="one")
    # A restart would not repair Redis, so /health does not ask it.
    app.add_route("/health", _Document(dump({"status": "ok"})))
    app.add_route("/ready", _Document(dump({"status": "ok", "build": build_id}), build_id))
    app.add_route("/openapi.json", _Document(json.dumps(document(), indent=2).encode() + b"\n"))
    return app


class _Users:
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Status 200 without a body, as in the application that this one replaces."""
        _body(request)
        _answers(request)

    def on_get_one(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        # Other programs may have stored any bytes.
        text = [part.decode(errors="replace") for part in _answers(request)[0]]
        if not text:
            raise _missing(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = dump(dict(zip(text[::2], text[1::2], strict=True)))

    on_head_one = on_get_one

    def on_put_one(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        if _body(request)["email"] != request.context.email:
            raise falcon.HTTPBadRequest(description="The e-mail address of the body is not that of the path.")
        replaced = _answers(request)[-1]
        if replaced is None:
            raise falcon.HTTPPreconditionFailed(description="There is such a user.")
        deleted, _ = replaced
        response.status = falcon.HTTP_200 if deleted else falcon.HTTP_201

    def on_delete_one(self, request: falcon.Request, response: falcon.Response, **_: str) -> None:
        if not _answers(request)[0]:
            raise _missing(request)
        response.status = falcon.HTTP_204


class _Document:
    """JSON that does not change. For /ready: if Redis answers, with the build ID in the header too."""

    def __init__(self, text: bytes, build_id: str | None = None) -> None:
        self._text, self._build_id = text, build_id

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        if self._build_id is not None:
            response.set_header("X-Build-Id", self._build_id)
            _answers(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = self._text

    on_head = on_get


class _Envelope:
    """The ID, the address and the log line of every request."""

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        environment, context = request.env, request.context
        given = environment.get("HTTP_X_REQUEST_ID")
        context.id = given if given and REQUEST_ID.fullmatch(given) else os.urandom(16).hex()
        response.set_header("X-Request-Id", context.id)
        response.set_header("X-Content-Type-Options", "nosniff")
        if refused := environment.get(REFUSED):
            raise falcon.HTTPError(refused.code, description=refused.body)
        # Decoded once, by the server (PEP 3333: to Latin-1). Falcon would drop slashes from the front.
        path = environment["PATH_INFO"].encode("latin-1").decode()
        context.email = path[1:]
        if path not in PATHS:
            request.path = USER_PATH

    def process_response(self, request: falcon.Request, response: falcon.Response, *_: object) -> None:
        arrived = request.env.get(ARRIVED) or time.monotonic()
        logs.request(request.context.id, request.method, request.uri_template, response.status_code, arrived)


def _body(request: falcon.Request) -> Fields:
    """The user in the body. The content type does not matter: curl -d sends that of a form."""
    user: User = request.env[USER]
    if isinstance(user, dict):
        return user
    raise falcon.HTTPBadRequest(description=f"{user}.")


def _answers(request: falcon.Request) -> list[Any]:
    answers: list[Any] | UnavailableError = request.env[ANSWERS]
    if isinstance(answers, UnavailableError):
        cause = type(answers.__cause__).__name__ if answers.__cause__ else None
        log.warning("unavailable", extra={"request": request.context.id, "reason": str(answers), "cause": cause})
        raise falcon.HTTPServiceUnavailable(description=str(answers), retry_after=1)
    return answers


def _missing(request: falcon.Request) -> falcon.HTTPStatus:
    """The answer of the application that this one replaces."""
    text = f"user does not exist {request.context.email}\n"
    return falcon.HTTPStatus(falcon.HTTP_404, {"Content-Type": falcon.MEDIA_TEXT}, text)


def _problem(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    response.content_type = PROBLEM
    status = error.status_code
    response.data = dump(Problem(HTTPStatus(status).phrase, status, error.description or ""))


def _defect(request: falcon.Request, response: falcon.Response, error: Exception, params: dict[str, Any]) -> None:
    log.error("defect", extra={"request": request.context.id}, exc_info=error)
    raise falcon.HTTPInternalServerError(description=f"Please report this with request ID {request.context.id}.")
