"""AWS::SecretsManager::Secret: its Ref, and the generated password; and the secrets that RDS makes.

Facts: user guide, AWS::SecretsManager::Secret, return values: Ref is the ARN; GenerateSecretString takes what
GetRandomPassword takes, ExcludePunctuation included, and SecretStringTemplate with GenerateStringKey. RDS user guide,
"Password management with Amazon RDS and AWS Secrets Manager": with ManageMasterUserPassword RDS makes a secret called
rds!..., with username and password, and deletes it with the database.
"""

from __future__ import annotations

import json
import secrets
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

    def with_passwords(create_database: Any, delete_database: Any) -> dict[str, Any]:
        def database_created(logical_id: str, props: Any, stack_name: str) -> Any:
            database, attributes = create_database(logical_id, props, stack_name)
            if props.get("ManageMasterUserPassword") in (True, "true"):
                login = {"username": props.get("MasterUsername", ""), "password": secrets.token_urlsafe(20)}
                secret = {"Name": f"rds!{database}", "SecretString": json.dumps(login)}
                _, made = create(logical_id, secret, stack_name)
                attributes["MasterUserSecret.SecretArn"] = made["Arn"]
            return database, attributes

        def database_deleted(database: str, *rest: Any) -> None:
            delete_database(database, *rest)
            delete(f"rds!{database}", {})

        return {"create": database_created, "delete": database_deleted}

    for kind in ("AWS::RDS::DBCluster", "AWS::RDS::DBInstance"):
        handlers = provisioners._RESOURCE_HANDLERS[kind]
        handlers.update(with_passwords(handlers["create"], handlers["delete"]))


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
