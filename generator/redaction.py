"""Text without secrets: what every message and traceback goes through before it is shown.

Libraries put what they were given into their exceptions: http.client repeats a header that it cannot send, botocore a
URL, configparser a line of a file. `redact` takes out the secrets it is given, in every form in which they are written
there, and what looks like a secret: AWS keys and tokens, Authorization headers, presigned queries, passwords in URLs.

Sources: IAM user guide, "Unique identifiers" (prefixes of access keys); AWS Signature Version 4; RFC 7617 and 6750.
"""

from __future__ import annotations

import base64
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache

MARK = "[redacted]"
# A shorter secret would be found inside of ordinary words. Access keys have 16 characters or more, secret keys 40.
SHORTEST = 8

SECRET_NAMES = re.compile(
    r"(^|_)(SECRET|SECRET_KEY|ACCESS_KEY|ACCESS_KEY_ID|TOKEN|PASSWORD|PASSWD)(_|$)", re.IGNORECASE
)
PLACES = ("_ARN", "_DIR", "_ENDPOINT", "_FILE", "_HOST", "_NAME", "_PATH", "_URI", "_URL")

# What ends a value in a message: white space, a quote, or the punctuation around it.
VALUE = r"""(?:[^\s'"&<>,;)}\]\\]|\\(?![nrt'"]))+"""
# The opening quote of a value, if it has one, as of text or of bytes.
OPEN = r"""(?:(?-i:b)?['"])?"""
# Each keeps its first group, the label, and loses the rest.
SHAPES = [
    re.compile(pattern)
    for pattern in (
        r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        # Authorization: and Proxy-Authorization:, to the end of the value whatever its scheme
        rf"(?i)(authorization(?:%3A|['\"]?\s*[:=])\s*{OPEN})(?!\s)[^'\"\r\n]+",
        r"(AWS4-HMAC-SHA256\s+Credential=)\S+(?:,?\s*(?:SignedHeaders|Signature)=[^\s'\",]+)*",
        rf"(?i)(X-Amz-(?:Security-Token|Signature|Credential)['\"]?\s*(?:=|%3D|[:,])\s*{OPEN}){VALUE}",
        rf"(?i)([?&](?:signature|awsaccesskeyid|password|token|secret)=){VALUE}",
        r"(://[^/\s:@'\"]*:)(?!\*+@)[^/\s'\"]+(?=@)",
        # names of AWS's files, environment and answers, with = or : or as in a dictionary
        r"(?i)(\b(?:aws_)?(?:secret_?access_?key|session_?token|security_?token|access_?key_?id)['\"]?\s*[:=]\s*"
        rf"{OPEN})(?!['\"]){VALUE}",
        r"(?i)(\b\w*(?:password|passwd)['\"]?\s*[:=]\s*b?['\"])[^'\"]{6,}(?=['\"])",
        rf"(\b[A-Z0-9_]*(?:PASSWORD|PASSWD|SECRET|TOKEN)=){VALUE}",
        r"(?i)(\bbearer\s+)(?=[^\s'\"]*[0-9])[A-Za-z0-9._~+/=-]{16,}",
        r"(\b)(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{12,}",
        # session tokens of STS; base64 of "AWS:" and of {" as ECR's tokens and JSON web tokens begin
        r"(\b)(?:AQoD|FQoG|FwoG|IQoJ|QVdTO)[A-Za-z0-9+/=_%-]{20,}",
        r"(\b)eyJ[A-Za-z0-9+/=_-]{16,}(?:\.[A-Za-z0-9_-]+)*",
    )
]


_in_use: set[str] = set()


def keep_out(secrets: Iterable[str]) -> None:
    """From now on `redact` takes these out of every text of this process, as it does what it is given."""
    _in_use.update(secrets)


@contextmanager
def kept_out(secrets: Iterable[str]) -> Iterator[None]:
    """`keep_out` until the `with` block ends, also for what the block itself keeps out."""
    before = set(_in_use)
    keep_out(secrets)
    try:
        yield
    finally:
        _in_use.clear()
        _in_use.update(before)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without `secrets`, and without what looks like one. Secrets of fewer than 8 characters are not found."""
    for secret in sorted({*secrets, *_in_use}, key=len, reverse=True):
        for pattern in _patterns(secret):
            text = pattern.sub(MARK, text)
    for shape in SHAPES:
        text = shape.sub(rf"\g<1>{MARK}", text)
    return text


def redacted_traceback(error: BaseException, secrets: Iterable[str] = ()) -> str:
    """The traceback of an exception, with causes, contexts, groups and notes, without secrets."""
    return redact("".join(traceback.TracebackException.from_exception(error).format(chain=True)), secrets)


def secrets_in_use(environment: Mapping[str, str], *credentials: object) -> frozenset[str]:
    """The secrets among environment variables, and those of botocore's credentials, which are not refreshed for it."""
    named = {
        value for name, value in environment.items() if SECRET_NAMES.search(name) and not name.upper().endswith(PLACES)
    }
    held = {value for holder in credentials for value in _strings(holder)}
    # An access key of 12 digits is an account ID, as emulators take it, and stands in every ARN.
    return frozenset(value for value in named | held if not re.fullmatch(r"\d{12}", value))


def _strings(holder: object) -> Iterator[str]:
    members = holder._asdict() if hasattr(holder, "_asdict") else vars(holder) if hasattr(holder, "__dict__") else {}
    for name, value in members.items():
        if isinstance(value, str) and re.search("key|token|secret|password", name):
            yield value
        elif hasattr(value, "_asdict"):
            yield from _strings(value)


@lru_cache(maxsize=64)
def _patterns(secret: str) -> tuple[re.Pattern[str], ...]:
    """Patterns for every form of a secret: whole, without white space around it, in base64, and the parts of one that a
    control character splits."""
    parts = [part for part in re.split(r"[\x00-\x20\x7f\s]+", secret) if len(part) >= SHORTEST]
    if sum(not character.isspace() for character in secret) < SHORTEST:
        return ()
    texts = dict.fromkeys((secret, secret.strip(), *parts))
    forms = ["".join(map(_encodings, text)) for text in texts]
    forms += [_base64(text.encode("utf-8", "surrogateescape"), offset) for text in texts for offset in range(3)]
    return tuple(re.compile(form) for form in forms if form)


def _encodings(character: str) -> str:
    """A pattern for one character of a secret, as itself or as Python, JSON, a URL, XML and HTML write it."""
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    octets = character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    backslash = r"\\+"
    escapes = [
        "".join(rf"{backslash}x{octet:02x}" for octet in octets),
        "".join(rf"%(?:25)*{octet:02x}" for octet in octets),
        "".join(rf"{backslash}u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)),
        rf"{backslash}(?:x{code:02x}|u{code:04x}|U{code:08x})",
        rf"&(?:amp;)*#(?:0*{code}|x0*{code:x});",
    ]
    escapes += {
        "\n": [rf"{backslash}n"],
        "\r": [rf"{backslash}r"],
        "\t": [rf"{backslash}t"],
        "\f": [rf"{backslash}f"],
        "\b": [rf"{backslash}b"],
        " ": [r"\+"],
        "&": ["&(?:amp;)+"],
        "<": ["&(?:amp;)*lt;"],
        ">": ["&(?:amp;)*gt;"],
        '"': ["&(?:amp;)*quot;"],
        "'": ["&(?:amp;)*apos;"],
    }.get(character, [])
    # A control character, and the undecodable byte that Python keeps as a surrogate, may be dropped altogether.
    dropped = "?" if code < 0x20 or code == 0x7F or 0xDC80 <= code <= 0xDCFF else ""
    # In the traceback of a group, lines are indented.
    indented = "[ |]*" if character.splitlines() == [""] else ""
    # Last the character itself, perhaps escaped as a quote is in a string: "%" also begins what is written as %25.
    escapes.append(rf"\\*{re.escape(character)}")
    return f"(?i:{'|'.join(escapes)}){dropped}{indented}"


def _base64(secret: bytes, offset: int) -> str:
    """A pattern for what is the same in the base64 of every text that has the secret at `offset` modulo 3; or empty."""
    encoded = base64.b64encode(bytes(offset) + secret).decode()
    certain = encoded[(0, 2, 3)[offset] : 8 * (offset + len(secret)) // 6]
    if len(certain) < SHORTEST:
        return ""
    written = {"+": "(?:[+-]|%2[Bb])", "/": "(?:[/_]|%2[Ff])"}
    return "".join(written.get(character, character) for character in certain)
