"""What botocore raises, as one message that says what to type next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import botocore.exceptions

from generator.errors import DeployError


@contextmanager
def translate_errors(stack_name: str) -> Iterator[None]:
    """Raises DeployError for what botocore raises inside the block. Its message has no credentials in it."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _client_error(stack_name, error) from error
    except (botocore.exceptions.NoCredentialsError, botocore.exceptions.PartialCredentialsError) as error:
        raise DeployError(
            stack=stack_name,
            what="There are no AWS credentials",
            # botocore's message for missing credentials only repeats that there are none.
            why=str(error)
            if isinstance(error, botocore.exceptions.PartialCredentialsError)
            else "none in the environment, in the configuration files, or from a role",
            then="Run `aws configure` or `aws sso login`, or choose a profile with --profile.",
        ) from error
    except botocore.exceptions.BotoCoreError as error:
        then = "Check the connection, the Region, and AWS_ENDPOINT_URL if it is set (a rehearsal sets it)."
        raise DeployError(stack=stack_name, what="AWS cannot be reached", why=str(error), then=then) from error


def _client_error(stack_name: str, error: botocore.exceptions.ClientError) -> DeployError:
    details = error.response.get("Error", {})
    code, message = details.get("Code", ""), details.get("Message", "")
    operation = error.operation_name
    if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
        what, then = "The AWS session has expired", "Log in again, for example with `aws sso login`."
    elif code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"):
        what, then = f"AWS does not permit {operation}", "Ask for this permission, or use another profile."
    elif code in ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"):
        what, then = f"AWS throttles {operation}", "It was tried several times. Wait a minute, then run it again."
    elif code in ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        what, then = "AWS does not accept the credentials", "Log in again, or choose a profile with --profile."
    elif code == "InsufficientCapabilitiesException":
        what, then = "A capability is missing", "This is a defect: the command passes CAPABILITY_IAM."
    else:
        what, then = f"{operation} failed", ""
    return DeployError(stack=stack_name, what=what, why=f"{code}: {message}", then=then)
