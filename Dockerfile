# The service's image: service/ and the wheels in service/requirements.txt, on a slim Python.
# It runs as a user without a name, with a read-only root and no capabilities; see docs/container.md.

# An exact tag, so that a commit always makes the same image. Any base with `python` on its PATH works
# (`--build-arg BASE=...`) if its Python is the version that service/requirements.txt has wheels for.
ARG BASE=python:3.13.14-slim-trixie

FROM ${BASE} AS made
WORKDIR /app
COPY service/requirements.txt ./
# Wheels only, so no compiler is needed. A build secret named ca replaces the base's certificate authorities, for
# networks whose proxy re-encrypts TLS.
# botocore's data, 28 MB, are models of every AWS service; finding credentials and signing needs none of them.
# A running container cannot write bytecode, so it is written here, and marked as not to be checked against its source.
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-compile \
        --only-binary=:all: --require-hashes --target=packages --requirement=requirements.txt \
 && rm -rf packages/bin packages/botocore/data/*/ requirements.txt
COPY service/*.py service/
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM ${BASE}
# A running service does not need pip.
RUN python -c "import importlib.util, pathlib, shutil; \
[shutil.rmtree(found) for name in ('ensurepip', 'pip') if (spec := importlib.util.find_spec(name)) \
 for found in pathlib.Path(spec.origin).parents[1].glob(name + '*')]" \
 && rm -f /usr/local/bin/pip* /usr/bin/pip*
WORKDIR /app
COPY --from=made /app ./

# What /ready reports.
ARG BUILD_ID=unknown
LABEL org.opencontainers.image.title="memorydb-apprunner service" \
      org.opencontainers.image.description="Users in Amazon MemoryDB, over HTTP" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${BUILD_ID}"
ENV BUILD_ID=${BUILD_ID} \
    PORT=8080 \
    PYTHONPATH=/app/packages \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
EXPOSE 8080
USER 10001:10001
ENTRYPOINT ["python", "-m", "service"]
