"""The user API on FastAPI, as `benchmarks.service` runs it: uvicorn with uvloop and httptools, one process.

Written as one would write it for use: redis.asyncio's pooled cluster client made once, the same bounds, the same stored
layout, the same answers, a 503 when Redis does not answer in time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from fastapi import FastAPI, Request, Response
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import RedisError

from benchmarks.peers import settings

Value = Annotated[str, msgspec.Meta(max_length=1024)]
_users = msgspec.json.Decoder(dict[str, Value])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = RedisCluster(**settings.connection(), max_connections=512)
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.get("/health")
async def health() -> Response:
    return Response("ok\n", media_type="text/plain")


@app.post("/")
async def store(request: Request) -> Response:
    try:
        user = _users.decode(await request.body())
    except msgspec.MsgspecError as error:
        return Response(f"{error}\n", 400, media_type="text/plain")
    if not user.get("email") or not user.get("name") or len(user["email"]) > 254:
        return Response("email and name are required\n", 400, media_type="text/plain")
    await app.state.redis.hset(f"user:{user['email']}", mapping=user)
    return Response()


@app.get("/{email}")
async def show(email: str) -> Response:
    user = await app.state.redis.hgetall(f"user:{email}")
    if not user:
        return Response(f"user does not exist {email}\n", 404, media_type="text/plain")
    return Response(msgspec.json.encode(user, order="sorted") + b"\n", media_type="application/json")


@app.exception_handler(RedisError)
async def unavailable(request: Request, error: RedisError) -> Response:
    return Response("try again\n", 503, {"Retry-After": "1"}, media_type="text/plain")
