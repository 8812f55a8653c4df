"""A workload of a user's own: what reaches the templates of both computes, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from awacs.aws import Action, Allow, Statement
from troposphere import GetAtt, ImportValue, Output, Parameter, Ref, Sub, dynamodb, s3

from generator import contract
from generator.errors import TemplateError
from generator.layers import Layer, app_runner_layer, data_layer, ecs_express_layer
from generator.parts.data.repository import repository
from generator.parts.data.user import user
from generator.parts.imports import imported
from generator.parts.network.place import existing_network
from generator.settings import Settings
from generator.template.elements import Input, export
from generator.template.lint import lint
from generator.template.resources import resources_in
from generator.workload import HealthCheck, MemoryDBAccess, Place, Verification, Workload
from tests.templates import chosen, references, resources, statements, unresolved
from tests.templates import imported as import_of

LayerOf = Callable[..., Layer]
BOTH = pytest.mark.parametrize("layer_of", [app_runner_layer, ecs_express_layer])
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe-AbCdEf"
PARAMETER = "arn:aws:ssm:eu-west-1:123456789012:parameter/shop/token"
VPC, SUBNETS = "vpc-0123456789abcdef0", ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
TASK_SUBNETS = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
CLUSTER = MemoryDBAccess(
    endpoint="clustercfg.shared.abc123.memorydb.eu-west-1.amazonaws.com:6379",
    user_name="shop",
    security_group_id="sg-0123456789abcdef0",
    password_secret_arn="arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf",
)
FIXED = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/worker:7"


def made(layer_of: LayerOf, workload: Workload, settings: Settings = Settings(), **parameters: Any) -> Any:
    """The layer's template as it is deployed with these parameters."""
    return chosen(layer_of(settings, workload).template, **parameters)


def variables(made: Any) -> dict[str, Any]:
    service = made["Resources"]["Service"]["Properties"]
    if "PrimaryContainer" in service:
        listed = service["PrimaryContainer"]["Environment"]
    else:
        listed = service["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"].get(
            "RuntimeEnvironmentVariables", []
        )
    return {pair["Name"]: pair["Value"] for pair in listed}


def secrets(made: Any) -> dict[str, Any]:
    service = made["Resources"]["Service"]["Properties"]
    if "PrimaryContainer" in service:
        return {pair["Name"]: pair["ValueFrom"] for pair in service["PrimaryContainer"].get("Secrets", [])}
    image = service["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    return {pair["Name"]: pair["Value"] for pair in image.get("RuntimeEnvironmentSecrets", [])}


def policies(made: Any, role: str) -> dict[str, Any]:
    return {
        policy["PolicyName"]: policy["PolicyDocument"]["Statement"]
        for policy in made["Resources"][role]["Properties"].get("Policies", [])
    }


def role_of(layer_of: LayerOf, *, starts: bool) -> str:
    """The role that reads secrets when the service starts, or the one that the service runs as."""
    if layer_of is app_runner_layer:
        return "InstanceRole"
    return "ExecutionRole" if starts else "TaskRole"


# A service could not be given a variable, a secret or a permission.


LEVEL = Parameter("LogLevel", Type="String", Default="INFO")


@BOTH
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (imported("AttachmentsName"), import_of("AttachmentsName")),
        (Input(LEVEL, "Service", "Log level"), {"Ref": "LogLevel"}),
        (LEVEL, {"Ref": "LogLevel"}),
        ("fast", "fast"),
        (Ref("AWS::Region"), {"Ref": "AWS::Region"}),
    ],
)
def test_a_service_gets_its_variables_beside_those_of_memorydb(layer_of: LayerOf, value: Any, expected: Any) -> None:
    found = made(layer_of, Workload(environment={"OWN": value}))
    assert variables(found)["OWN"] == expected
    assert variables(found)[contract.ENV_CLUSTER_ENDPOINT] == import_of("ClusterEndpoint")
    assert ("LogLevel" in found["Parameters"]) is (expected == {"Ref": "LogLevel"})


@BOTH
@pytest.mark.parametrize(
    ("value", "action", "resource"),
    [
        (SECRET, "secretsmanager:GetSecretValue", SECRET),
        (f"{SECRET}:password::", "secretsmanager:GetSecretValue", SECRET),
        (PARAMETER, "ssm:GetParameters", PARAMETER),
        (imported("StripeArn"), "secretsmanager:GetSecretValue", import_of("StripeArn")),
        (
            Sub("arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop"),
            "ssm:GetParameters",
            {"Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/shop"},
        ),
        (
            Sub("${Secret}:password::", Secret=imported("StripeArn")),
            "secretsmanager:GetSecretValue",
            {"Fn::Sub": ["${Secret}", {"Secret": import_of("StripeArn")}]},
        ),
        (
            Sub("arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:a-AbCdEf:key::"),
            "secretsmanager:GetSecretValue",
            {"Fn::Sub": "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:a-AbCdEf"},
        ),
    ],
)
def test_a_secret_comes_with_the_permission_to_read_exactly_it(
    layer_of: LayerOf, value: Any, action: str, resource: Any
) -> None:
    found = made(layer_of, Workload(secrets={"STRIPE": value}))
    assert secrets(found)["STRIPE"] == (value if isinstance(value, str) else json.loads(json.dumps(value.to_dict())))
    assert secrets(found)[contract.ENV_PASSWORD] == import_of("PasswordSecretArn")
    (read,) = policies(found, role_of(layer_of, starts=True))["read-secrets"]
    assert read == {"Action": [action], "Effect": "Allow", "Resource": [resource]}


@BOTH
def test_a_secret_is_decrypted_where_a_key_is_given_and_only_as_itself(layer_of: LayerOf) -> None:
    workload = Workload(secrets={"STRIPE": SECRET, "TOKEN": PARAMETER})
    without, with_key = made(layer_of, workload), made(layer_of, workload, KmsKeyArn=KEY)
    role = role_of(layer_of, starts=True)
    assert "decrypt-secrets" not in policies(without, role)
    secret, parameter = policies(with_key, role)["decrypt-secrets"]
    assert secret["Resource"] == parameter["Resource"] == [{"Ref": "KmsKeyArn"}]
    for statement, context, service in (
        (secret, {"kms:EncryptionContext:SecretARN": [SECRET]}, "secretsmanager"),
        (parameter, {"kms:EncryptionContext:PARAMETER_ARN": [PARAMETER]}, "ssm"),
    ):
        through = {"kms:ViaService": {"Fn::Sub": f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}"}}
        assert statement["Condition"] == {"StringEquals": context | through}


@BOTH
def test_with_iam_a_services_own_secrets_stay(layer_of: LayerOf) -> None:
    found = made(layer_of, Workload(secrets={"STRIPE": SECRET}), Authentication="iam")
    assert secrets(found) == {"STRIPE": SECRET}


@BOTH
@pytest.mark.parametrize(
    "value", ["stripe", "arn:aws:s3:::bucket", "arn:aws:secretsmanager", Sub("stripe-${AWS::Region}"), "sk_live_1234"]
)
def test_what_is_not_the_arn_of_a_secret_is_refused_without_being_told(layer_of: LayerOf, value: Any) -> None:
    with pytest.raises(TemplateError, match=r"Workload\.secrets\['STRIPE'\]") as caught:
        layer_of(Settings(), Workload(secrets={"STRIPE": value})).text()
    # It may be the secret itself.
    assert "sk_live" not in str(caught.value)


@BOTH
def test_a_service_gets_its_own_statements_in_the_role_that_it_runs_as(layer_of: LayerOf) -> None:
    read = Statement(Effect=Allow, Action=[Action("s3", "GetObject")], Resource=[imported("AttachmentsArn")])
    found = made(layer_of, Workload(statements=(read,)))
    allowed = {"Action": ["s3:GetObject"], "Effect": "Allow", "Resource": [import_of("AttachmentsArn")]}
    assert {
        role: policies(found, role)["workload"]
        for role in resources(found, "AWS::IAM::Role")
        if "workload" in policies(found, role)
    } == {role_of(layer_of, starts=False): [allowed]}


@BOTH
@pytest.mark.parametrize("kind", ["environment", "secrets"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PORT", "Workload.port"),
        ("MEMORYDB_PASSWORD", "set for MemoryDB already"),
        ("MEMORYDB_USERNAME", "set for MemoryDB already"),
        ("1ST", "cannot name a variable"),
        ("A-B", "cannot name a variable"),
        ("", "cannot name a variable"),
    ],
)
def test_a_variable_that_is_taken_or_cannot_be_is_refused(
    layer_of: LayerOf, kind: str, name: str, message: str
) -> None:
    variables: Any = {kind: {name: SECRET}}
    with pytest.raises(TemplateError, match=re.escape(message)):
        layer_of(Settings(), Workload(**variables))


@BOTH
def test_a_name_cannot_be_a_variable_and_a_secret(layer_of: LayerOf) -> None:
    with pytest.raises(TemplateError, match="STRIPE is set twice"):
        layer_of(Settings(), Workload(environment={"STRIPE": "a"}, secrets={"STRIPE": SECRET}))


@BOTH
@pytest.mark.parametrize("kind", ["environment", "secrets"])
@pytest.mark.parametrize("value", [4, None, True, Parameter])
def test_a_variable_that_has_no_text_is_named_without_its_value(layer_of: LayerOf, kind: str, value: Any) -> None:
    variables: Any = {kind: {"WORKERS": value}}
    message = f"The layer web: The variable WORKERS is of the type {type(value).__name__}, but must be text"
    with pytest.raises(TemplateError, match=message):
        layer_of(Settings(), Workload(**variables), name="web")


@BOTH
@pytest.mark.parametrize(
    "arn",
    [
        Parameter("TokenArn", Type="String"),
        Parameter("TokenArn", Type="AWS::SSM::Parameter::Value<String>"),
        Input(Parameter("TokenArn", Type="String"), "Secrets", "Token"),
    ],
)
def test_the_arn_of_a_secret_may_be_a_parameter(layer_of: LayerOf, arn: Parameter | Input) -> None:
    layer = layer_of(Settings(), Workload(secrets={"TOKEN": arn}))
    assert "TokenArn" in layer.parameters
    found = json.dumps([resource["Properties"] for _, resource in resources_in(layer.template)])
    # What the variable is read from, and what the service may read.
    assert found.count('{"Ref": "TokenArn"}') >= 2


@BOTH
def test_a_parameter_that_hides_its_value_is_no_arn(layer_of: LayerOf) -> None:
    hidden = Parameter("Token", Type="String", NoEcho=True)
    with pytest.raises(TemplateError, match="a parameter with NoEcho, but takes the ARN of a secret, which is none"):
        layer_of(Settings(), Workload(secrets={"TOKEN": hidden}))


OTHER: Any = object()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"command": "python worker.py"}, 'command is of the type str, but must be a list, such as ["python", "worke'),
        ({"security_groups": "sg-0a1b2c3d4e5f60718"}, "security_groups is of the type str, but must be a list"),
        ({"statements": OTHER}, "statements is of the type object, but must be a list of statements."),
        ({"environment": [("A", "b")]}, "environment is of the type list, but must be a mapping"),
        ({"secrets": ["TOKEN"]}, "secrets is of the type list, but must be a mapping"),
        ({"health": "/live"}, 'health is of the type str, but must be HealthCheck(path="/live").'),
        ({"verification": {"/": 200}}, 'verification is of the type dict, but must be Verification(paths={"/": 200})'),
        ({"network": "vpc-0a1b2c3d"}, "network is of the type str, but must be a Place"),
        ({"memorydb": "False"}, "memorydb is of the type str, but must be True, False or MemoryDBAccess(…)."),
        ({"internet": "no"}, "internet is of the type str, but must be True, False or None."),
        ({"cpu": "256"}, "cpu is of the type str, but must be a whole number."),
        ({"max_size": None}, "max_size is of the type NoneType, but must be a whole number."),
    ],
)
def test_a_field_of_another_type_is_refused_with_what_it_must_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(f"Workload.{message}")):
        Workload(**fields)


def test_paths_and_subnets_of_another_type_are_refused() -> None:
    paths: Any = ["/health"]
    with pytest.raises(TemplateError, match=r"Verification\.paths is of the type list, but must be statuses by their"):
        Verification(paths=paths)
    with pytest.raises(TemplateError, match=r"Place\.private_subnet_ids is of the type str, but must be a list of IDs"):
        Place(vpc_id="vpc-0a1b2c3d", private_subnet_ids="subnet-0a1b2c3d")


TEXT: Any = "8080"


@BOTH
@pytest.mark.parametrize(
    ("workload", "message"),
    [
        (Workload(port=80000), "Workload.port is 80000, but must be a whole number from 1 to 65535."),
        (Workload(port=0), "Workload.port is 0,"),
        (Workload(port=TEXT), "Workload.port is '8080',"),
        (
            Workload(health=HealthCheck(path="live")),
            "Workload.health: the path 'live' must begin with a slash: '/live'",
        ),
        (Workload(health=HealthCheck(path="https://a.example/")), "must begin with a slash"),
        (Workload(verification=Verification(paths={"/": 200, "a": 200})), "Workload.verification: the path 'a' must"),
    ],
)
def test_a_port_or_path_that_cannot_be_one_is_refused(layer_of: LayerOf, workload: Workload, message: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(message)):
        layer_of(Settings(), workload)


def test_app_runner_keeps_its_own_names() -> None:
    with pytest.raises(TemplateError, match="AWSAPPRUNNER_X is set by the compute"):
        app_runner_layer(Settings(), Workload(environment={"AWSAPPRUNNER_X": "1"}))


# What the compute gets.


def test_port_health_and_command_reach_app_runner() -> None:
    health = HealthCheck(path="/live", interval=10, timeout=3, healthy=2, unhealthy=4)
    service = made(app_runner_layer, Workload(port=3000, health=health, command=("node", "server.js")))
    properties = service["Resources"]["Service"]["Properties"]
    image = properties["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    assert (image["Port"], image["StartCommand"]) == ("3000", "node server.js")
    assert properties["HealthCheckConfiguration"] == {
        "HealthyThreshold": 2,
        "Interval": 10,
        "Path": "/live",
        "Protocol": "HTTP",
        "Timeout": 3,
        "UnhealthyThreshold": 4,
    }


def test_port_health_and_command_reach_ecs() -> None:
    service = made(
        ecs_express_layer, Workload(port=3000, health=HealthCheck(path="/live"), command=("node", "-e", "1 + 1"))
    )["Resources"]["Service"]["Properties"]
    container = service["PrimaryContainer"]
    assert (container["ContainerPort"], container["Command"]) == (3000, ["node", "-e", "1 + 1"])
    assert service["HealthCheckPath"] == "/live"
    assert {"Name": "PORT", "Value": "3000"} in container["Environment"]


def test_app_runner_checks_a_port_without_http() -> None:
    service = made(app_runner_layer, Workload(health=HealthCheck(path="")))["Resources"]["Service"]["Properties"]
    assert service["HealthCheckConfiguration"]["Protocol"] == "TCP"
    assert "Path" not in service["HealthCheckConfiguration"]


@BOTH
def test_sizes_and_scaling_are_the_parameters_defaults(layer_of: LayerOf) -> None:
    parameters = made(layer_of, Workload(cpu=512, memory=1024, min_size=2, max_size=8))["Parameters"]
    defaults = {name: parameters[name]["Default"] for name in ("Cpu", "Memory", "MinSize", "MaxSize")}
    assert defaults == {"Cpu": "512", "Memory": "1024", "MinSize": 2, "MaxSize": 8}


def test_concurrency_and_log_retention_are_defaults_too() -> None:
    assert app_runner_layer(Settings(), Workload(concurrency=10)).parameters["MaxConcurrency"]["Default"] == 10
    assert ecs_express_layer(Settings(), Workload(log_retention=90)).parameters["LogRetentionDays"]["Default"] == 90


@pytest.mark.parametrize(
    ("layer_of", "workload", "message"),
    [
        (app_runner_layer, Workload(cpu=512, memory=4096), "cpu 512 does not go with"),
        (ecs_express_layer, Workload(cpu=8192, memory=16384), "cpu 8192 does not go with"),
        (app_runner_layer, Workload(min_size=3, max_size=2), "min_size 3"),
        (app_runner_layer, Workload(max_size=26), "between 1 and 25"),
        (ecs_express_layer, Workload(min_size=0), "min_size 0"),
        (app_runner_layer, Workload(concurrency=201), "between 1 and 200"),
        (ecs_express_layer, Workload(concurrency=10), "CpuTarget"),
        (ecs_express_layer, Workload(health=HealthCheck(interval=10)), "neither times"),
        (ecs_express_layer, Workload(health=HealthCheck(path="")), "takes a path"),
        (app_runner_layer, Workload(health=HealthCheck(timeout=21)), "between 1 and 20"),
        (app_runner_layer, Workload(command=("sh", "-c", "a b")), "words without spaces"),
        (ecs_express_layer, Workload(log_retention=31), "31 days"),
        (app_runner_layer, Workload(log_retention=90), "App Runner makes its log groups itself"),
        (app_runner_layer, Workload(image="docker.io/library/nginx:1"), "images of Amazon ECR only"),
        (app_runner_layer, Workload(image=Ref("Image")), "Workload.repository must name"),
    ],
)
def test_what_the_compute_would_refuse_is_refused(layer_of: LayerOf, workload: Workload, message: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(message)):
        layer_of(Settings(), workload)


# Images.


@BOTH
def test_an_existing_repository_is_the_only_one_that_may_be_pulled_from(layer_of: LayerOf) -> None:
    found = made(layer_of, Workload(repository="team/orders"))
    role = "AccessRole" if layer_of is app_runner_layer else "ExecutionRole"
    assert policies(found, role)["pull-image"][0]["Resource"] == [
        {"Fn::Sub": "arn:${AWS::Partition}:ecr:${AWS::Region}:${AWS::AccountId}:repository/team/orders"}
    ]
    assert "RepositoryArn" not in json.dumps(found)
    assert found["Parameters"]["ImageUri"]["Description"].startswith(
        "The image to run, from the repository team/orders"
    )
    assert Workload(repository="team/orders").repository_output == ""


@BOTH
def test_a_repository_of_another_account_is_given_by_arn(layer_of: LayerOf) -> None:
    arn = "arn:aws:ecr:eu-west-1:210987654321:repository/orders"
    found = made(layer_of, Workload(repository=arn))
    assert arn in json.dumps(found)


@BOTH
def test_a_fixed_image_is_no_parameter_and_its_repository_may_be_pulled_from(layer_of: LayerOf) -> None:
    found = made(layer_of, Workload(image=FIXED))
    assert "ImageUri" not in found["Parameters"]
    text = json.dumps(found["Resources"])
    assert json.dumps(FIXED) in text
    assert "arn:${AWS::Partition}:ecr:eu-west-1:123456789012:repository/team/worker" in text


def test_a_public_image_needs_no_role_on_app_runner() -> None:
    found = made(app_runner_layer, Workload(image="public.ecr.aws/nginx/nginx:1.29"))
    source = found["Resources"]["Service"]["Properties"]["SourceConfiguration"]
    assert source["ImageRepository"]["ImageRepositoryType"] == "ECR_PUBLIC"
    assert "AuthenticationConfiguration" not in source
    assert "AccessRole" not in found["Resources"]


def test_ecs_takes_an_image_of_another_registry_without_a_permission() -> None:
    found = made(ecs_express_layer, Workload(image="docker.io/library/nginx:1"))
    assert "pull-image" not in policies(found, "ExecutionRole")


# No MemoryDB, or another one.


@BOTH
def test_a_workload_without_memorydb_has_no_user_secret_or_rule(layer_of: LayerOf) -> None:
    found = layer_of(Settings(), Workload(image=FIXED, memorydb=False)).template
    text = json.dumps(found)
    for word in ("6379", "MEMORYDB", "memorydb", "PasswordSecret", "DataStackName", 'Authentication"', "ClusterName}"):
        assert word not in text.replace("MemoryDB. Both", ""), word
    assert resources(found, "AWS::EC2::SecurityGroup") == {}
    assert unresolved(found, set()) == []


@BOTH
def test_a_workload_without_memorydb_may_still_use_the_data_layers_repository(layer_of: LayerOf) -> None:
    found = layer_of(Settings(), Workload(memorydb=False)).template
    assert "DataStackName" in found["Parameters"]
    assert {reference.name for reference in references(found) if reference.kind == "Import"} == {
        "${DataStackName}-RepositoryArn"
    }


def test_without_memorydb_app_runner_stays_outside_of_any_vpc() -> None:
    found = made(app_runner_layer, Workload(memorydb=False))["Resources"]
    assert "VpcConnector" not in found
    network = found["Service"]["Properties"]["NetworkConfiguration"]
    assert network["EgressConfiguration"] == {"EgressType": "DEFAULT"}


def test_without_memorydb_ecs_runs_in_the_default_vpc() -> None:
    assert (
        "NetworkConfiguration"
        not in made(ecs_express_layer, Workload(memorydb=False))["Resources"]["Service"]["Properties"]
    )


@BOTH
def test_an_existing_cluster_needs_no_data_layer(layer_of: LayerOf) -> None:
    place = existing_network(VPC, SUBNETS)
    workload = Workload(repository="shop", memorydb=CLUSTER, network=place)
    found = made(layer_of, workload)
    assert "DataStackName" not in json.dumps(found)
    assert "Authentication" not in found["Parameters"]
    assert variables(found)[contract.ENV_CLUSTER_ENDPOINT] == CLUSTER.endpoint
    assert secrets(found) == {contract.ENV_PASSWORD: CLUSTER.password_secret_arn}
    (rule,) = resources(found, "AWS::EC2::SecurityGroupIngress").values()
    assert (rule["GroupId"], rule["ToPort"]) == (CLUSTER.security_group_id, 6379)
    read = policies(found, role_of(layer_of, starts=True))["read-password"]
    assert read[0]["Resource"] == [CLUSTER.password_secret_arn]


@BOTH
def test_an_existing_cluster_may_be_reached_with_iam(layer_of: LayerOf) -> None:
    arns = {"cluster_arn": "arn:aws:memorydb:eu-west-1:1:cluster/c", "user_arn": "arn:aws:memorydb:eu-west-1:1:user/u"}
    access = MemoryDBAccess(endpoint="c:6379", user_name="u", cluster_name="c", **arns)
    workload = Workload(repository="shop", memorydb=access, network=existing_network(VPC, SUBNETS))
    found = made(layer_of, workload)
    assert secrets(found) == {}
    assert variables(found)[contract.ENV_AUTHENTICATION] == "iam"
    (connect,) = policies(found, role_of(layer_of, starts=False))["connect"]
    assert connect["Resource"] == list(arns.values())
    assert '6379"' not in json.dumps(resources(found, "AWS::EC2::SecurityGroupIngress"))


def test_an_existing_cluster_without_any_login_is_refused() -> None:
    with pytest.raises(TemplateError, match="needs password_secret_arn, or for IAM"):
        app_runner_layer(Settings(), Workload(memorydb=MemoryDBAccess(endpoint="c:6379", user_name="u")))


# Several services on one data layer.


@BOTH
def test_a_prefix_selects_the_user_secret_and_repository(layer_of: LayerOf) -> None:
    settings = Settings(task_endpoints="one")
    workload = Workload(prefix="Orders")
    data = data_layer(settings, repository("Orders"), users=(user(), user("Orders", keys="order:*"))).template
    found = layer_of(settings, workload).template
    exports = {f"${{DataStackName}}-{name}" for name, output in data["Outputs"].items() if "Export" in output}
    assert unresolved(found, exports) == []
    imports = {reference.name for reference in references(found) if reference.kind == "Import"}
    assert {name.partition("-")[2] for name in imports} >= {"OrdersUserName", "OrdersPasswordSecretArn"}
    assert "${DataStackName}-UserName" not in imports
    assert workload.repository_output == "OrdersRepositoryUri"
    assert data["Resources"]["Acl"]["Properties"]["UserNames"] == [
        {"Ref": "MemoryDbUser"},
        {"Ref": "OrdersMemoryDbUser"},
    ]


def test_a_data_layer_without_users_has_no_cluster() -> None:
    found = data_layer(Settings(), users=()).template
    assert not [kind for kind in found["Resources"].values() if kind["Type"].startswith("AWS::MemoryDB::")]
    assert {"VpcId", "RepositoryUri"} <= found["Outputs"].keys()


# An existing VPC, which ended in an AttributeError for ECS.


def test_app_runner_uses_an_existing_vpcs_nat_where_the_workload_says_so() -> None:
    settings = Settings()
    place = existing_network(VPC, SUBNETS)
    for network in (place, None):
        egress = [
            made(app_runner_layer, Workload(internet=internet, network=network), settings)["Resources"][
                "ConnectorSecurityGroup"
            ]["Properties"]["SecurityGroupEgress"]
            for internet in (None, True)
        ]
        assert [len(rules) for rules in egress] == [1, 2]
        assert (egress[1][1]["CidrIp"], egress[1][1]["ToPort"]) == ("0.0.0.0/0", 443)


def test_settings_for_nat_do_not_open_an_existing_vpc() -> None:
    workload = Workload(network=existing_network(VPC, SUBNETS))
    found = made(app_runner_layer, workload, Settings(nat="one"))
    assert len(found["Resources"]["ConnectorSecurityGroup"]["Properties"]["SecurityGroupEgress"]) == 1


@pytest.mark.parametrize("task_subnets", [None, TASK_SUBNETS])
@pytest.mark.parametrize("by_ids", [True, False])
def test_ecs_express_in_an_existing_vpc_uses_its_own_ways_to_aws(task_subnets: list[str] | None, by_ids: bool) -> None:
    ids = (VPC, SUBNETS) if by_ids else ()
    place = existing_network(*ids, task_subnet_ids=task_subnets)
    data = data_layer(Settings(), place=place).template
    found = ecs_express_layer(Settings(), Workload(network=place)).template
    exports = {f"${{DataStackName}}-{name}" for name, output in data["Outputs"].items() if "Export" in output}
    assert unresolved(data, set()) == unresolved(found, exports) == []
    subnets = found["Resources"]["Service"]["Properties"]["NetworkConfiguration"]["Subnets"]
    private = SUBNETS if by_ids else {"Ref": "PrivateSubnetIds"}
    assert subnets == (task_subnets or private)
    assert data["Resources"]["SubnetGroup"]["Properties"]["SubnetIds"] == private
    assert data["Outputs"]["PrivateSubnetIds"]["Value"] == {"Fn::Join": [",", private]}
    for layer in (data, found):
        assert ({"VpcId", "PrivateSubnetIds"} & layer["Parameters"].keys() == set()) is by_ids
    assert not resources(data, "AWS::EC2::VPCEndpoint")
    assert "TaskEndpointIngress" not in found["Resources"]
    assert ("TaskSubnetIds" in data["Outputs"]) is (task_subnets is not None)


def test_endpoints_are_not_added_to_an_existing_vpc() -> None:
    with pytest.raises(TemplateError, match=r"have NAT or endpoints there, and pass .* Workload\(network=place\)"):
        data_layer(Settings(task_endpoints="one"), place=existing_network(VPC, SUBNETS))


def test_half_of_an_existing_vpc_is_refused() -> None:
    with pytest.raises(TemplateError, match="both a VPC and its private subnets"):
        existing_network(VPC)


@BOTH
def test_further_security_groups_are_those_of_the_service_too(layer_of: LayerOf) -> None:
    found = made(layer_of, Workload(security_groups=("sg-0123456789abcdef0", imported("Group"))))["Resources"]
    groups = (
        found["VpcConnector"]["Properties"]["SecurityGroups"]
        if "VpcConnector" in found
        else found["Service"]["Properties"]["NetworkConfiguration"]["SecurityGroups"]
    )
    assert groups[1:] == ["sg-0123456789abcdef0", import_of("Group")]


# Parts and names of one's own.


@BOTH
def test_a_name_is_only_a_name(layer_of: LayerOf) -> None:
    named, usual = layer_of(Settings(), Workload(), name="web"), layer_of(Settings())
    assert named.name == "web"
    assert named.text() == usual.text()
    assert data_layer(Settings(), name="storage").text() == data_layer(Settings()).text()


@BOTH
def test_parts_of_ones_own_stand_beside_the_service(layer_of: LayerOf) -> None:
    table = dynamodb.Table(
        "Orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName="id", AttributeType="S")],
        KeySchema=[dynamodb.KeySchema(AttributeName="id", KeyType="HASH")],
    )
    found = chosen(layer_of(Settings(), Workload(environment={"TABLE": table.ref()}), table).template)
    assert variables(found)["TABLE"] == {"Ref": "Orders"}
    assert found["Resources"]["Orders"]["Type"] == "AWS::DynamoDB::Table"


@BOTH
def test_an_import_in_a_part_of_ones_own_alone_brings_the_parameter_for_the_stack(layer_of: LayerOf) -> None:
    workload = Workload(image=FIXED, memorydb=False)
    assert "DataStackName" not in layer_of(Settings(), workload).template["Parameters"]
    output = Output("Where", Value=imported("AttachmentsName"))
    assert "DataStackName" in layer_of(Settings(), workload, output).template["Parameters"]
    other = Output("Where", Value=ImportValue("other-stack-export"))
    assert "DataStackName" not in layer_of(Settings(), workload, other).template["Parameters"]


# What is requested after a deployment.


def test_the_user_api_is_verified_with_memorydb_and_the_health_path_without() -> None:
    assert Workload().checks.users_api
    worker = Workload(memorydb=False, health=HealthCheck(path="/live"))
    assert (worker.checks.paths, worker.checks.users_api) == ({"/live": 200}, False)
    own = Verification(paths={"/": 200, "/missing": 404})
    assert Workload(verification=own).checks == own


# Each of these passes cfn-lint and our rules.


def own(arn: str) -> Sub:
    return Sub(arn.replace("arn:aws:", "arn:${AWS::Partition}:"))


OWN_CLUSTER = replace(CLUSTER, password_secret_arn=own(str(CLUSTER.password_secret_arn)))
BUCKET = s3.Bucket("Attachments", DeletionPolicy="Retain", UpdateReplacePolicy="Retain")
STORIES = {
    "storage": lambda: data_layer(
        Settings(),
        BUCKET,
        export("AttachmentsName", "The bucket.", BUCKET.ref()),
        export("AttachmentsArn", "The bucket's ARN.", GetAtt(BUCKET, "Arn")),
        name="storage",
    ),
    "app runner": lambda: app_runner_layer(
        Settings(),
        Workload(
            environment={"BUCKET": imported("AttachmentsName"), "LOG_LEVEL": "WARNING"},
            secrets={"STRIPE": own(SECRET), "TOKEN": own(PARAMETER)},
            statements=(
                Statement(Effect=Allow, Action=[Action("s3", "GetObject")], Resource=[imported("AttachmentsArn")]),
            ),
            security_groups=("sg-0123456789abcdef0",),
            internet=True,
            command=("python", "-m", "shop"),
        ),
    ),
    "ecs": lambda: ecs_express_layer(
        Settings(), Workload(secrets={"STRIPE": own(SECRET)}, prefix="Orders", command=("python", "-m", "shop"))
    ),
    "worker on app runner": lambda: app_runner_layer(Settings(), Workload(image=FIXED, memorydb=False)),
    "worker on ecs": lambda: ecs_express_layer(Settings(), Workload(image=FIXED, memorydb=False)),
    "existing vpc": lambda: data_layer(Settings(), place=existing_network(VPC, SUBNETS, task_subnet_ids=TASK_SUBNETS)),
    "ecs in an existing vpc": lambda: ecs_express_layer(
        Settings(), Workload(network=existing_network(VPC, SUBNETS, task_subnet_ids=TASK_SUBNETS))
    ),
    "existing cluster": lambda: app_runner_layer(
        Settings(), Workload(repository="shop", memorydb=OWN_CLUSTER, network=existing_network(VPC, SUBNETS))
    ),
    "existing cluster on ecs": lambda: ecs_express_layer(
        Settings(), Workload(repository="shop", memorydb=OWN_CLUSTER, network=existing_network(VPC, SUBNETS))
    ),
    "no cluster": lambda: data_layer(Settings(), users=()),
}


@pytest.mark.parametrize("story", STORIES)
def test_lint_finds_nothing(story: str) -> None:
    assert lint(STORIES[story]().text(), ["us-east-1"]) == ()


@BOTH
def test_no_workload_gets_a_wildcard(layer_of: LayerOf) -> None:
    found = made(layer_of, Workload(secrets={"A": SECRET, "B": PARAMETER}, repository="shop"), KmsKeyArn=KEY)
    for statement in statements(found["Resources"]):
        assert "*" not in "".join(statement["Action"])
        # Actions of this kind take no resource (Service Authorization Reference).
        without_resource = all(
            action.startswith(("ecr:GetAuthorizationToken", "ec2:Describe")) for action in statement["Action"]
        )
        assert "*" not in statement.get("Resource", []) or without_resource
