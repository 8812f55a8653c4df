"""What botocore raises, as a sentence that says what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.exceptions

from generator.errors import DeployError


@contextmanager
def explained(stack_name: str) -> Iterator[None]:
    """Turns what botocore raises into a sentence, with the request's ID but no credentials."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _client_error(stack_name, error) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise DeployError(
            stack=stack_name,
            what="There are no AWS credentials",
            # Of those that are missing altogether botocore says just that again.
            why=str(error)
            if isinstance(error, botocore.exceptions.PartialCredentialsError)
            else "none in the environment, in the configuration files, or from a role",
            then="Run `aws configure`, `aws sso login`, or choose a profile with --profile.",
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        then = "Check the connection, the Region, and AWS_ENDPOINT_URL if it is set, as by a rehearsal; then try again."
        raise DeployError(stack=stack_name, what="AWS cannot be reached", why=str(error), then=then) from error


def _client_error(stack_name: str, error: botocore.exceptions.ClientError) -> DeployError:
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), details.get("Message", "")
    operation = error.operation_name
    if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
        what, then = "The AWS session has expired", "Log in again, with `aws sso login` for instance, and repeat."
    elif code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"):
        what, then = f"AWS does not permit {operation}", "Ask for this permission, or use another profile."
    elif code in ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"):
        what, then = f"AWS throttles {operation}", "It was tried several times. Wait a minute and repeat."
    elif code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        what, then = "AWS does not accept the credentials", "Choose others with --profile, or log in again."
    elif code == "InsufficientCapabilitiesException":
        what, then = "A capability is missing", "This is a defect: the command passes CAPABILITY_IAM."
    else:
        what, then = f"{operation} failed", "Fix this and try again."
    return DeployError(stack=stack_name, what=what, why=f"{code}: {message}", then=then)
