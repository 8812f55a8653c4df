"""Where the image of a service comes from: a given URI, the deployed one, or a build of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from generator import contract
from generator.compute import Compute
from generator.errors import DeployError, UsageError
from generator.images.build import container_tool, publish
from generator.images.context import PLATFORM, TOOLS, Context
from generator.images.repository import ImageRepository
from generator.layers import Deployment
from generator.operations.options import ChangeOptions
from generator.operations.session import Session
from generator.parts.image import ECR_IMAGE
from generator.stacks.cloudformation import StackUpdate
from generator.stacks.events import NEVER_CREATED


def check_image_options(deployment: Deployment, options: ChangeOptions) -> None:
    """Raises UsageError for image options that cannot work, before anything is deployed."""
    built = [layer for layer in deployment.chosen(options.layer) if layer.compute and layer.compute.repository]
    services = [layer.name for layer in built if layer.name not in options.images]
    if options.context and len(services) > 1:
        raise UsageError(f"--context is the source of one service: choose --layer {' or --layer '.join(services)}.")
    if options.context and services and not options.image:
        Context(options.context).tag()
    if options.container_tool and Path(options.container_tool).name not in TOOLS:
        raise UsageError(f"--container-tool {options.container_tool} is none of {', '.join(TOOLS)}.")


@dataclass(frozen=True)
class ImageSource:
    """The source of one service's image."""

    session: Session
    compute: Compute
    options: ChangeOptions

    def check(self, update: StackUpdate) -> None:
        """Checks a given image, or that a first one can be built, before the data layer is deployed, which takes its
        time.

        Raises UsageError without a Dockerfile, DeployError without a container tool or for an image that is built
        elsewhere and not given, and what `check_given` raises.
        """
        self.check_given(update)
        if not self._needs_image(update) or self._deployed_image(update):
            return
        self._built_here(update).tag()
        # With a repository, the image may be in it already, and no tool is needed.
        if not self._repository_uri(update):
            container_tool(self.options.container_tool)

    def check_given(self, update: StackUpdate) -> None:
        """Checks that a given image exists and is for the processor of the services, where ECR lets it be read.

        Raises UsageError if not.
        """
        image = update.parameters.get(contract.IMAGE_URI, "")
        found = ECR_IMAGE.fullmatch(image)
        # A client asks its own Region only.
        if not found or found["region"] != self.session.cloudformation.region:
            return
        uri, _, reference = image.partition("@") if "@" in image else image.rpartition(":")
        try:
            platforms = ImageRepository(uri, self.session.client("ecr")).platforms(reference)
        except DeployError as error:
            self.session.ui.progress(f"{image} is not checked: {error.what}.")
            return
        if platforms is None:
            raise UsageError(f"--image {image}: there is no such image. Push it first, or correct its tag or digest.")
        if platforms and PLATFORM not in platforms:
            raise UsageError(
                f"--image {image}: it is for {', '.join(platforms)}, and services run on {PLATFORM}. Build it with "
                f"--platform {PLATFORM}."
            )

    def previewed(self, update: StackUpdate) -> StackUpdate:
        """The update with the image that a deployment would run. Builds nothing."""

        def expected(context: Context, repository: ImageRepository) -> str:
            tag = context.tag()
            if digest := repository.digest(tag):
                return f"{repository.uri}@{digest}"
            self.session.ui.progress(f"{tag} is not in {repository.name} yet. A deployment builds and pushes it.")
            return f"{repository.uri}:{tag}"

        return self._with_image(update, expected)

    def publish_previewed(self, image: str) -> None:
        """Builds and pushes the image of a reviewed change set, which `previewed` named by the tag of its source."""
        uri, _, tag = image.rpartition(":")
        context = self._context()
        if "@" not in image and context and context.exists and tag == context.tag():
            self._publish(context, ImageRepository(uri, self.session.client("ecr")))

    def published(self, update: StackUpdate) -> StackUpdate:
        """The update with its image, built and pushed unless the repository has it."""
        return self._with_image(update, self._publish)

    def _publish(self, context: Context, repository: ImageRepository) -> str:
        return publish(self.options.container_tool, context, repository, context.tag(), self.session.ui.progress)

    def _context(self) -> Context | None:
        """What the image is built from; None where it is built elsewhere."""
        directory = (self.options.context or self.compute.context) if self.compute.repository else ""
        return Context(Path(directory), self.options.build_args, self.options.build_secrets) if directory else None

    def _built_here(self, update: StackUpdate) -> Context:
        if context := self._context():
            return context
        raise DeployError(
            stack=update.stack_name,
            what="There is no image",
            why="it is built elsewhere",
            then="Pass --image URI, or --image LAYER=URI where there are several services.",
        )

    def _needs_image(self, update: StackUpdate) -> bool:
        """Whether no image is given, and the template has no fixed one."""
        return contract.IMAGE_URI in update.declared and contract.IMAGE_URI not in update.parameters

    def _deployed_image(self, update: StackUpdate) -> str:
        """The image that stays if no other is built; empty where the stack was never created."""
        stack = self.session.cloudformation.stack(update.stack_name)
        if stack is None or not stack.exists or stack.status in NEVER_CREATED:
            return ""
        return stack.parameters.get(contract.IMAGE_URI, "")

    def _repository_uri(self, update: StackUpdate) -> str:
        data_stack = update.parameters.get(contract.DATA_STACK_NAME, "")
        data = self.session.cloudformation.stack(data_stack) if data_stack else None
        # Another command may delete the data layer while this one waits.
        return data.outputs.get(self.compute.repository, "") if data and not data.deleting else ""

    def _with_image(self, update: StackUpdate, image_of: Callable[[Context, ImageRepository], str]) -> StackUpdate:
        """The update with the image that `image_of` returns; as it is where the image is given or stays."""
        if not self._needs_image(update):
            return update
        context = self._context()
        if not (context and context.exists) and not self.options.context and (image := self._deployed_image(update)):
            why = f"{update.stack_name} takes an image that is built elsewhere"
            if context:
                why = f"There is no Dockerfile in {context.directory.resolve()}"
            self.session.ui.progress(f"{why}: the image stays {image}.")
            return update
        context = self._built_here(update)
        uri = self._repository_uri(update)
        if not uri:
            raise DeployError(
                stack=update.parameters.get(contract.DATA_STACK_NAME) or update.stack_name,
                what="There is no repository for the image",
                why=f"the stack is being deleted, or has no output {self.compute.repository}",
                then="Deploy the data layer first, or pass --image URI.",
            )
        image = image_of(context, ImageRepository(uri, self.session.client("ecr")))
        return replace(update, parameters={**update.parameters, contract.IMAGE_URI: image})
