"""AWS::SecretsManager::Secret: its Ref, and the generated password.

Facts: user guide, AWS::SecretsManager::Secret, return values: Ref is the ARN; GenerateSecretString takes what
GetRandomPassword takes, ExcludePunctuation included, and SecretStringTemplate with GenerateStringKey.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import secretsmanager
from ministack.services.cloudformation import drift, provisioners


def install() -> None:
    create, update, delete = (
        provisioners._sm_secret_create,
        provisioners._sm_secret_update,
        provisioners._sm_secret_delete,
    )

    def name_of(secret_arn: str) -> str:
        name, _ = secretsmanager._resolve(secret_arn)
        return name or secret_arn

    def created(logical_id: str, props: Any, stack_name: str) -> Any:
        _, attributes = create(logical_id, props, stack_name)
        return attributes["Arn"], attributes

    def updated(secret_arn: str, old: Any, new: Any, stack_name: str, logical_id: str | None = None) -> Any:
        _, attributes = update(name_of(secret_arn), old, new, stack_name, logical_id)
        return attributes["Arn"], attributes

    provisioners._sm_secret_string = secret_string
    provisioners._RESOURCE_HANDLERS["AWS::SecretsManager::Secret"].update(
        create=created, update=updated, delete=lambda secret_arn, props: delete(name_of(secret_arn), props)
    )
    read, properties = drift._DRIFT_READERS["AWS::SecretsManager::Secret"]
    drift._DRIFT_READERS["AWS::SecretsManager::Secret"] = (
        lambda secret_arn, *rest: read(name_of(secret_arn), *rest),
        properties,
    )


def secret_string(props: dict[str, Any]) -> str:
    request = props.get("GenerateSecretString")
    if not request:
        return str(props.get("SecretString", ""))
    booleans = {
        name: str(value).lower() == "true" for name, value in request.items() if str(value).lower() in ("true", "false")
    }
    length = int(request.get("PasswordLength", 32))
    status, _, body = secretsmanager._get_random_password({**request, **booleans, "PasswordLength": length})
    answer = json.loads(body)
    if status != 200:
        raise ValueError(answer["message"])
    password = str(answer["RandomPassword"])
    if template := request.get("SecretStringTemplate"):
        return json.dumps({**json.loads(template), request["GenerateStringKey"]: password})
    return password
