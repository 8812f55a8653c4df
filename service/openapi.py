"""/openapi.json, generated from the types that validate requests (service/users.py)."""

from __future__ import annotations

from typing import Any

import msgspec

from service.users import MAX_BODY, Attributes, Problem, User

Json = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
USER, PROBLEM = ({"$ref": REFERENCE.format(name=name)} for name in ("User", "Problem"))
BODY = {
    "required": True,
    "description": f"At most {MAX_BODY} bytes of JSON in UTF-8, whatever content type the request names.",
    "content": {"application/json": {"schema": USER}},
}
INFO = {
    "title": "Users",
    "version": "1",
    "description": "Users by e-mail address. Any answer may also be 503 with Retry-After: the store could "
    "not do it before the request's deadline.",
}


def document() -> Json:
    """The API as OpenAPI 3.1."""
    _, schemas = msgspec.json.schema_components([User, Problem], ref_template=REFERENCE)
    schemas["User"] = msgspec.json.schema(Attributes) | schemas["User"]
    email = {"name": "email", "in": "path", "required": True, "schema": schemas["User"]["properties"]["email"]}
    stored, found = _answer("Stored; no body."), _answer("The user, keys sorted.", USER)
    missing = _answer("There is no such user; the text says so.", {"type": "string"}, "text/plain")
    lookup = {"404": missing, "400": _problem("The path is not UTF-8.")}
    head = dict.fromkeys(("200", "400", "404"), _answer("As GET, without the body."))
    invalid, large = _problem("The body or the path is invalid."), _problem("The body is too large.")
    write = {"200": stored, "400": invalid, "413": large}
    create = {"201": stored, "412": _problem("With If-None-Match: *, there is such a user.")}
    merge = "Creates a user, or sets these attributes of one and leaves the others."
    replace = "Makes these attributes all that the user has. The body's e-mail is that of the path."
    live, ready = _answer("Yes.", _strings("status")), _answer("Users can be read.", _strings("build", "status"))
    user = {
        "parameters": [email],
        "get": _operation("getUser", "The user.", {"200": found, **lookup}),
        "head": _operation("headUser", "The header of GET.", head),
        "put": _operation("replaceUser", replace, write | create) | {"requestBody": BODY},
        "delete": _operation("deleteUser", "Deletes the user.", {"204": _answer("Deleted."), **lookup}),
    }
    paths = {
        "/": {"post": _operation("mergeUser", merge, write) | {"requestBody": BODY}},
        "/{email}": user,
        "/health": {"get": _operation("health", "The process runs.", {"200": live})},
        "/ready": {"get": _operation("ready", "Reads a user.", {"200": ready})},
    }
    return {"openapi": "3.1.0", "info": INFO, "paths": paths, "components": {"schemas": schemas}}


def _operation(name: str, summary: str, answers: Json) -> Json:
    retry = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    unavailable = _problem("The store could not do it before the deadline; the detail says why.") | {"headers": retry}
    return {"operationId": name, "summary": summary, "responses": {**answers, "503": unavailable}}


def _answer(description: str, schema: Json | None = None, media_type: str = "application/json") -> Json:
    return {"description": description} | ({"content": {media_type: {"schema": schema}}} if schema else {})


def _problem(description: str) -> Json:
    return _answer(description, PROBLEM, "application/problem+json")


def _strings(*names: str) -> Json:
    return {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": list(names)}
