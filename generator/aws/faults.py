"""What goes wrong between this machine and AWS: what failed, why, and what to type next.

`fault` turns what botocore raises, and what is raised while credentials are looked up, into a `Fault`. Most of them are
local: a value, a profile, a proxy, a certificate, a clock. That AWS cannot be reached is said only
where nothing answered. `refuse_foreign_answer` is for answers that are not from AWS, such as a proxy's page, which
botocore takes for an empty list. No text of a library is passed on unredacted.

Sources: botocore 1.44 (exceptions.py, credentials.py, parsers.py); tests/aws repeats what it raises in each case.
"""

from __future__ import annotations

import configparser
import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions
from botocore.parsers import ResponseParserError

from generator.redaction import redact

FAILED, USAGE = 1, 64
WHY_CHARACTERS = 600

# Partition, place and number, as in eu-west-1 or us-gov-east-1 (botocore's partitions.json).
REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}")
# The members of requests that are options of the command.
OPTIONS = {
    "NotificationARNs": "--notification-arn",
    "Parameters": "--parameter",
    "RoleARN": "--role-arn",
    "StackName": "--name",
    "Tags": "--tag",
}
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

# Codes that AWS answers with.
CLOCK = ("RequestTimeTooSkewed", "RequestInTheFuture")
EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
THROTTLED = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException")
UNAVAILABLE = ("InternalFailure", "InternalError", "ServiceUnavailable", "ServiceUnavailableException")
# Those that a Region gives too which is not enabled for the account.
NOT_ENABLED = ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure")
UNKNOWN_KEYS = (*NOT_ENABLED, "IncompleteSignature", "InvalidAccessKeyId", "InvalidSignatureException",
                "SignatureDoesNotMatch")  # fmt: skip
CLOCK_WORDS = re.compile(r"signature (not yet current|expired)|request (has )?expired|too skewed", re.IGNORECASE)

# The codes, what is said of an operation, what to do, and whether this machine is at fault.
REFUSALS = (
    (CLOCK, "This machine's clock is wrong", "Set the clock (AWS allows five minutes), and run it again.", True),
    (EXPIRED, "The AWS session has expired", "Log in again, for example with `aws sso login{profile}`.", True),
    (UNKNOWN_KEYS, "AWS does not accept the credentials", "Log in again, or choose a profile with --profile.", True),
    (DENIED, "AWS does not permit {operation}", "Ask for this permission, or choose a profile with --profile.", False),
    (THROTTLED, "AWS throttles {operation}", "It was tried several times. Wait a minute, then run it again.", False),
    (("OptInRequired",), "{operation} is not available to this account", "Enable the Region or the service.", False),
    (UNAVAILABLE, "AWS has a fault in {operation}", "Wait a minute, then run it again.", False),
)

SSO_LOGIN, ANOTHER_PROFILE = "Run `aws sso login{profile}`.", "Choose another profile with --profile."
LOGIN = "Run `aws configure` or `aws sso login{profile}`, or choose another profile with --profile."
# What botocore's own text gives the reason of: what failed, and what to do. A class comes before what it derives from.
REASONS: Sequence[tuple[type[BaseException], str, str]] = (
    (exceptions.UnauthorizedSSOTokenError, "The SSO login is missing or expired", SSO_LOGIN),
    (exceptions.SSOTokenLoadError, "The SSO login is missing or expired", SSO_LOGIN),
    (exceptions.SSOError, "The SSO login cannot be used", SSO_LOGIN),
    (exceptions.TokenRetrievalError, "The SSO login cannot be used", SSO_LOGIN),
    (exceptions.LoginInsufficientPermissions, "The login session cannot be used", "Ask for this permission."),
    (exceptions.LoginError, "The login session is missing or expired", "Run `aws login{profile}`."),
    (exceptions.NoCredentialsError, "There are no AWS credentials", LOGIN),
    (exceptions.PartialCredentialsError, "The AWS credentials are incomplete", ANOTHER_PROFILE),
    (exceptions.MissingDependencyException, "The AWS credentials need a package that is not installed", ""),
    (exceptions.CredentialRetrievalError, "There are no AWS credentials", ANOTHER_PROFILE),
    (exceptions.MetadataRetrievalError, "There are no AWS credentials", ANOTHER_PROFILE),
    (exceptions.InvalidIMDSEndpointError, "There are no AWS credentials", ANOTHER_PROFILE),
    (exceptions.InfiniteLoopConfigError, "AWS profiles refer to each other", "Correct source_profile in {file}."),
    (exceptions.InvalidConfigError, "An AWS profile is not valid", "Correct it in {file}."),
)


@dataclass(frozen=True)
class Fault:
    """One fault, as the parts of a paragraph. `local`: it is on this machine, or between it and AWS."""

    what: str
    why: str
    then: str
    local: bool = True
    exit_code: int = FAILED


@dataclass(frozen=True)
class Context:
    """What was configured. `regions` is called only where a Region may be misspelled, because botocore is slow to list
    them; `secrets` are left out of every text."""

    profile: str = ""
    profiles: Sequence[str] = ()
    region: str = ""
    regions: Callable[[], Sequence[str]] = tuple
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def config_file(self) -> str:
        """The file that profiles are in."""
        return self.environment.get("AWS_CONFIG_FILE") or "~/.aws/config"

    @property
    def whose(self) -> str:
        """The profile, in words."""
        return f"the profile {self.profile}" if self.profile else "the default profile"

    def filled(self, text: str, **names: str) -> str:
        """A text of the tables above."""
        profile = f" --profile {self.profile}" if self.profile else ""
        return text.format(profile=profile, file=self.config_file, **names)


class ForeignAnswerError(exceptions.BotoCoreError):  # type: ignore[misc]
    """An answer that is not AWS's: a proxy's or portal's page."""

    fmt = "HTTP status {status}, {content}"


def refuse_foreign_answer(response_dict: Mapping[str, Any], **_: object) -> None:
    """For botocore's event before-parse: raises ForeignAnswerError for a web page where AWS answers in XML or JSON.

    One of status 500 or above is left to botocore, which tries again: AWS's own load balancers send such pages.
    """
    body = bytes(response_dict.get("body") or b"")[:2000]
    kind = str(response_dict.get("headers", {}).get("content-type", ""))
    page = kind.startswith("text/html") or re.match(rb"\s*<(!doctype )?html", body, re.IGNORECASE)
    if page and response_dict["status_code"] < 500:
        raise ForeignAnswerError(status=response_dict["status_code"], content=_page(body.decode("utf-8", "replace")))


def malformed_credentials(environment: Mapping[str, str]) -> Fault | None:
    """The fault of credentials in the environment that no header can carry; botocore would repeat them in its error."""
    for name in CREDENTIALS:
        value = environment.get(name, "")
        if not re.fullmatch(r"[!-~]*", value):
            return _malformed(name, value)
    return None


def region_fault(context: Context) -> Fault | None:
    """The fault of a Region that is empty or cannot be one. One that botocore does not know may be new, and is none."""
    region = context.region
    if not region:
        return Fault("There is no AWS Region", "none is set", "Pass --region, or set AWS_REGION.", exit_code=USAGE)
    if REGION.fullmatch(region):
        return None
    near = _near_region(context)
    then = f"Did you mean {near}?" if near else "Regions are named like eu-west-1; pass --region, or set AWS_REGION."
    return Fault("This is not an AWS Region", _quoted(region), then, exit_code=USAGE)


def look_up_credentials(session: Any) -> Any:
    """The access key, secret key and token of a boto3 session; asks STS or SSO where a profile says so.

    Raises NoCredentialsError where there are none, and what botocore or a profile's own program raises.
    """
    found = session.get_credentials()
    if found is None:
        raise exceptions.NoCredentialsError
    return found.get_frozen_credentials()


def fault(error: BaseException, context: Context) -> Fault:
    """What botocore raised, or what was raised while credentials were looked up, as a Fault."""
    found = _answer_fault(error, context) or _configuration_fault(error, context) or _connection_fault(error, context)
    return _clean(found or _reason(error, context), context)


def _answer_fault(error: BaseException, context: Context) -> Fault | None:
    match error:
        case exceptions.ClientError():
            return _client_fault(error, context)
        case ForeignAnswerError():
            return _foreign(str(error), context)
        case ResponseParserError():
            return _foreign(_page(str(error)), context)
        case exceptions.ParamValidationError():
            lines = [line.strip().rstrip(".") for line in str(error.kwargs["report"]).splitlines()]
            named = [option for member, option in OPTIONS.items() if any(member in line for line in lines)]
            then = f"Check {' and '.join(named)}." if named else "This is a defect of this command."
            return Fault("A value is not valid", "; ".join(lines), then, exit_code=USAGE)
    return None


def _configuration_fault(error: BaseException, context: Context) -> Fault | None:
    kwargs: Mapping[str, Any] = getattr(error, "kwargs", {})
    match error:
        case exceptions.NoRegionError() | exceptions.InvalidRegionError():
            return region_fault(replace(context, region=str(kwargs.get("region_name", context.region))))
        case exceptions.ProfileNotFound():
            name = str(kwargs["profile"])
            near = difflib.get_close_matches(name, context.profiles, 1)
            known = f"{context.config_file} has {', '.join(context.profiles) or 'none'}"
            then = f"Did you mean {near[0]}?" if near else "Choose one with --profile, or set AWS_PROFILE."
            return Fault(f"There is no AWS profile {name}", known, then, exit_code=USAGE)
        case exceptions.ConfigParseError():
            why = f"{kwargs['path']}: {_parse_reason(kwargs.get('error'))}"
            return Fault("An AWS configuration file cannot be read", why, "Correct the file.")
        case json.JSONDecodeError():
            return _process("it did not print JSON", context)
        case exceptions.CredentialRetrievalError() if kwargs["provider"] == "custom-process":
            return _process(str(kwargs["error_msg"]).strip() or "it printed no reason", context)
        case EOFError() | exceptions.RefreshWithMFAUnsupportedError():
            return _mfa(context)
        case _ if type(error).__module__ == "termios":
            return _mfa(context)
        case OSError() if error.filename:
            why = f"{context.whose} names {error.filename}: {error.strerror}"
            then = f"Check {context.whose} in {context.config_file}."
            return Fault("The AWS credentials cannot be read", why, then)
        case UnicodeError() | AttributeError():
            return malformed_credentials(context.environment) or _malformed("the credentials", "")
        case exceptions.HTTPClientError() if "header value" in str(kwargs.get("error")):
            return malformed_credentials(context.environment) or _malformed(f"a key or token of {context.whose}", "")
        case ValueError() if "endpoint" in str(error).lower() or "port" in str(error).lower():
            given = context.environment.get("AWS_ENDPOINT_URL", "")
            what, why = "The AWS endpoint is not a URL", _quoted(given) if given else str(error)
            return Fault(what, why, "Correct or unset AWS_ENDPOINT_URL.", exit_code=USAGE)
    return None


def _connection_fault(error: BaseException, context: Context) -> Fault | None:
    kwargs: Mapping[str, Any] = getattr(error, "kwargs", {})
    match error:
        case exceptions.ProxyConnectionError():
            return _proxy_fault(kwargs)
        case exceptions.SSLError():
            return _tls_fault(kwargs, context)
        case exceptions.EndpointConnectionError() | exceptions.ConnectTimeoutError():
            return _nothing_answers(kwargs, context)
        case exceptions.ReadTimeoutError():
            what, why = f"{_host(kwargs)} did not answer in time", "the outcome of the request is not known"
            return Fault(what, why, "Run the command again.", local=False)
        case exceptions.ConnectionClosedError():
            why = "the connection was closed before an answer came, as a proxy or firewall may do"
            return Fault(f"{_host(kwargs)} did not answer", why, "Run the command again.")
    return None


def _reason(error: BaseException, context: Context) -> Fault:
    """In botocore's own words."""
    for kind, what, then in REASONS:
        if isinstance(error, kind):
            return Fault(what, str(error), context.filled(then))
    return Fault("The AWS library cannot go on", f"{type(error).__name__}: {error}", "Check the AWS configuration.")


def _client_fault(error: Any, context: Context) -> Fault:
    """A refusal by AWS, or by what answered in its place."""
    operation = error.operation_name
    if not _answered(error):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        text = error.response.get("Error", {}).get("Message") or error.response.get("body") or "no text"
        why = f"HTTP status {status}, {_page(str(text))}"
        if status >= 500:
            what = f"{operation} failed: AWS, or a proxy before it, is unavailable"
            return Fault(what, why, "Wait a minute, then run it again.", local=False)
        return _foreign(why, context)
    details = error.response["Error"]
    code, message = str(details["Code"]), str(details.get("Message") or "no message")
    why = f"{code}: {message}"
    if code in (*UNKNOWN_KEYS, *EXPIRED) and CLOCK_WORDS.search(message):
        code = CLOCK[0]
    if code in DENIED and operation == "AssumeRole":
        what = f"The role of {context.whose} cannot be assumed"
        return Fault(what, message, "Check role_arn, and who the role trusts.")
    for codes, what, then, local in REFUSALS:
        if code in codes:
            if code in NOT_ENABLED and context.region:
                then += f" In a Region that is off by default: enable {context.region} for the account."
            return Fault(context.filled(what, operation=operation), why, context.filled(then), local)
    return Fault(f"{operation} failed", why, "", local=False)


def _answered(error: Any) -> bool:
    """Whether a ClientError is an answer of AWS: botocore invents a code, the status, for what it cannot parse."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return bool(code) and not code.isdigit()


def _foreign(why: str, context: Context) -> Fault:
    endpoint = context.environment.get("AWS_ENDPOINT_URL", "")
    then = (
        f"Check AWS_ENDPOINT_URL ({endpoint})." if endpoint else "Check HTTPS_PROXY, and a login page of the network."
    )
    return Fault("The answer did not come from AWS, but from a proxy or another server", why, then)


def _process(why: str, context: Context) -> Fault:
    then = f"Run the command in {context.config_file} by hand, and check what it prints."
    return Fault("credential_process failed", why, then)


def _proxy_fault(kwargs: Mapping[str, Any]) -> Fault:
    reason = str(kwargs.get("error"))
    if "407" in reason:
        why = "it asks for a user name and password (407)"
    elif tunnel := re.search(r"Tunnel connection failed: ([^'\")]+)", reason):
        why = f"it refuses the connection to AWS ({tunnel[1]})"
    else:
        why = _network_reason(reason)
    url = str(kwargs.get("proxy_url"))
    return Fault(f"The proxy {url} cannot be used", why, "Check HTTPS_PROXY and NO_PROXY.")


def _tls_fault(kwargs: Mapping[str, Any], context: Context) -> Fault:
    reason, host = str(kwargs.get("error")), _host(kwargs)
    bundle = next((n for n in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE") if context.environment.get(n)), "")
    place = f"{bundle} ({context.environment[bundle]})" if bundle else f"ca_bundle in {context.config_file}"
    if "Errno" in reason or "NO_CERTIFICATE" in reason or "PEM" in reason:
        return Fault("The file of certificate authorities cannot be read", f"{place}: {reason}", f"Correct {place}.")
    if "not yet valid" in reason or "has expired" in reason:
        then = "Check this machine's clock, and the proxy's certificate."
        return Fault(f"The certificate of {host} is not valid now", reason, then)
    if "CERTIFICATE_VERIFY_FAILED" in reason or "doesn't match" in reason:
        then = f"A proxy may answer with its own certificate: put its authority into {bundle or 'AWS_CA_BUNDLE'}."
        return Fault(f"The certificate of {host} is not trusted", reason, then)
    then = "Check HTTPS_PROXY and AWS_ENDPOINT_URL: the port may not speak TLS."
    return Fault(f"No TLS connection to {host}", reason, then)


def _nothing_answers(kwargs: Mapping[str, Any], context: Context) -> Fault:
    host, reason = _host(kwargs), _network_reason(str(kwargs.get("error")))
    if endpoint := context.environment.get("AWS_ENDPOINT_URL", ""):
        then = "If a rehearsal set it, that has ended: unset AWS_ENDPOINT_URL."
        return Fault(f"Nothing answers at AWS_ENDPOINT_URL ({endpoint})", reason, then)
    near = _near_region(context) if "resolve" in reason and context.region not in context.regions() else ""
    if near:
        return Fault(f"{host} cannot be reached", reason, f"Is {context.region} the right Region? Did you mean {near}?")
    return Fault(f"{host} cannot be reached", reason, "Check the network connection, and HTTPS_PROXY if there is one.")


def _network_reason(text: str) -> str:
    """The operating system's words in a chain of exceptions."""
    for pattern, reason in (
        (r"resolve|getaddrinfo|Name or service|nodename", "its name cannot be resolved"),
        (r"refused", "the connection was refused"),
        (r"timed out|timeout", "no answer came in time"),
        (r"unreachable|No route", "there is no route to it"),
    ):
        if re.search(pattern, text, re.IGNORECASE):
            return reason
    return text


def _mfa(context: Context) -> Fault:
    why = f"{context.whose} has mfa_serial, and there is no terminal to ask on"
    then = "Run the command in a terminal, or put temporary credentials into the environment."
    return Fault("A code of the MFA device is needed", why, then)


def _malformed(name: str, value: str) -> Fault:
    why = "has white space or a character that is not ASCII"
    if value.endswith("\r"):
        why = "ends in a carriage return, as when a file with Windows line ends is read"
    return Fault("The AWS credentials are malformed", f"{name} {why}", "Set it again.")


def _parse_reason(error: object) -> str:
    """Why a configuration file does not parse, without its content, which may be a secret."""
    match error:
        case configparser.DuplicateSectionError() | configparser.DuplicateOptionError():
            return f"line {error.lineno}: the section or key is there twice"
        case configparser.MissingSectionHeaderError():
            return f"line {error.lineno}: there is no section before it, such as [default]"
        case configparser.ParsingError():
            return f"line {', '.join(str(number) for number, _ in error.errors)}: not KEY = VALUE"
        case UnicodeDecodeError():
            return "it is not UTF-8"
    return "it is not a configuration file"


def _near_region(context: Context) -> str:
    """The known Region whose name is nearest: that of eu-west-1a, EU-WEST-1 or eu-wst-1 is eu-west-1."""
    known = context.regions()
    written = context.region.strip().lower().replace("_", "-").replace(" ", "-")
    if written[:-1] in known:
        return written[:-1]
    return next(iter(difflib.get_close_matches(written, known, 1, 0.75)), "")


def _host(kwargs: Mapping[str, Any]) -> str:
    return urlsplit(str(kwargs.get("endpoint_url", ""))).netloc or "AWS"


def _page(text: str) -> str:
    """The words of a web page."""
    words = re.sub(r"(?is)<(script|style).*?</\1>|<[^>]*>|\\n|b'", " ", text)
    return _quoted(re.sub(r"\s+", " ", words).strip()[:120] or "no text")


def _quoted(text: str) -> str:
    return json.dumps(text)


def _clean(found: Fault, context: Context) -> Fault:
    """The fault on one line, without secrets."""

    def line(text: str) -> str:
        whole = re.sub(r"\s+", " ", redact(text, context.secrets)).strip()
        return whole if len(whole) <= WHY_CHARACTERS else f"{whole[:WHY_CHARACTERS]}..."

    return Fault(line(found.what), line(found.why), line(found.then), found.local, found.exit_code)
