"""Container images: a folder with a Dockerfile in, an image in ECR out, named `repository@digest`.

`context.py` derives the image's tag from what the builder gets; `repository.py` asks ECR whether it has that tag, and
lists and deletes images; `build.py` builds and pushes with docker, finch, podman or buildah.
"""
