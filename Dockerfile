# The service as an image: service/ and the wheels that service/requirements.txt names, on a slim Python.
# It runs as a user without a name, with a read-only root and without capabilities; docs/container.md says how.

# An exact tag, so that the same commit makes the same image. Another base with `python` on its PATH will do:
# `--build-arg BASE=...`; its Python must be the one that service/requirements.txt has wheels for.
ARG BASE=python:3.13.14-slim-trixie

FROM ${BASE} AS made
WORKDIR /app
COPY service/requirements.txt ./
# Wheels only: nothing is compiled here, so no compiler is needed. A secret named ca, when the build is given one,
# stands in for the certificate authorities of the base: some networks have a proxy that re-encrypts.
# Nobody can write bytecode later on, so it is written now, and marked as not to be compared with its source.
# botocore's data are models of all of AWS's services, 28 MB, of which finding credentials and signing read nothing.
RUN --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
 && python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --no-compile \
        --only-binary=:all: --require-hashes --target=packages --requirement=requirements.txt \
 && rm -rf packages/bin packages/botocore/data/*/ requirements.txt
COPY service/*.py service/
RUN python -m compileall -q --invalidation-mode unchecked-hash .

FROM ${BASE}
# The base brings pip, which a running service has no use for.
RUN python -c "import importlib.util, pathlib, shutil; \
[shutil.rmtree(found) for name in ('ensurepip', 'pip') if (spec := importlib.util.find_spec(name)) \
 for found in pathlib.Path(spec.origin).parents[1].glob(name + '*')]" \
 && rm -f /usr/local/bin/pip* /usr/bin/pip*
WORKDIR /app
COPY --from=made /app ./

# What the service says it is, at /ready.
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
