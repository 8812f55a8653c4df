"""What each part promises beyond what holds for every template."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from typing import Any

import pytest

from generator import contract
from generator.errors import TemplateError
from generator.layers import app_runner_layer, data_layer
from generator.parts.apprunner.service import SIZES as APP_RUNNER_SIZES
from generator.parts.data.cluster_inputs import MAX_REPLICAS, MAX_SHARDS
from generator.parts.data.memorydb import memorydb
from generator.parts.data.user import access_string, user
from generator.parts.ecs_express.service import SIZES as ECS_SIZES
from generator.parts.names import physical_name
from generator.parts.network.place import existing_network
from generator.parts.network.subnets import block
from generator.settings import Settings
from tests.layers import every_template
from tests.templates import chosen, imported, resources, statements

DATA, APP_RUNNER, _, ECS = every_template()
PRIVATE = app_runner_layer(Settings(private_ingress=True)).template
STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/users-data/51af3dc0-da77-11e4-872e-1234567abcdb"


def properties(logical_id: str) -> Any:
    resources: Any = ECS["Resources"] | DATA["Resources"] | APP_RUNNER["Resources"]
    return deepcopy(resources[logical_id]["Properties"])


def parameter(name: str) -> Any:
    return (DATA["Parameters"] | APP_RUNNER["Parameters"])[name]


def evaluate(node: Any) -> str:
    """A name as CloudFormation makes it for STACK_ID."""
    match node:
        case {"Fn::Sub": [text, {"Id": value}]}:
            return str(text).replace("${Id}", evaluate(value))
        case {"Fn::Join": [delimiter, {"Fn::Split": [by, value]}]}:
            return str(delimiter).join(evaluate(value).split(by))
        case {"Fn::Select": [index, {"Fn::Split": [by, value]}]}:
            return evaluate(value).split(by)[int(index)]
        case {"Ref": "AWS::StackId"}:
            return STACK_ID
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("logical_id", "name", "longest"),
    [
        ("Cluster", "ClusterName", 40),
        ("Cluster", "FinalSnapshotName", 255),
        ("Acl", "ACLName", 40),
        ("SubnetGroup", "SubnetGroupName", 40),
        ("MemoryDbUser", "UserName", 40),
    ],
)
def test_a_name_derives_from_the_stacks_id_and_is_legal(logical_id: str, name: str, longest: int) -> None:
    made = evaluate(properties(logical_id)[name])
    assert made.endswith("51af3dc0da7711e4872e1234567abcdb")
    assert re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", made)
    assert len(made) <= longest


def test_the_longest_prefix_still_fits() -> None:
    assert len(evaluate(physical_name("a" * 7).to_dict())) == 40


@pytest.mark.parametrize("label", ["", "Orders", "eightlet", "1st", "a-b"])
def test_a_label_that_makes_an_illegal_name_is_refused(label: str) -> None:
    with pytest.raises(TemplateError, match="cannot name a MemoryDB resource"):
        physical_name(label)


@pytest.mark.parametrize("prefix", ["Inventory", "My mail", "A-b", "1st"])
def test_a_prefix_that_names_no_user_is_refused(prefix: str) -> None:
    with pytest.raises(TemplateError, match=f"'{prefix.lower()}' cannot name a MemoryDB resource"):
        user(prefix)


def test_deletion_and_replacement_keep_the_data_and_the_password() -> None:
    policies = {
        logical_id: (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for logical_id, resource in DATA["Resources"].items()
        if "DeletionPolicy" in resource
    }
    assert policies == {
        "Cluster": ("Delete", "Delete"),
        "FlowLogGroup": ("Delete", "Delete"),
        "PasswordSecret": ("RetainExceptOnCreate", "Retain"),
        "Repository": ("Delete", "Retain"),
    }
    assert "FinalSnapshotName" in properties("Cluster")
    assert "EmptyOnDelete" not in properties("Repository")


def test_tls_is_on_and_the_port_is_the_contracts() -> None:
    assert properties("Cluster")["TLSEnabled"] is True
    assert properties("Cluster")["Port"] == contract.MEMORYDB_PORT


def test_engine_version_and_parameter_group_follow_the_engine() -> None:
    assert properties("Cluster")["EngineVersion"] == {"Fn::FindInMap": ["Engines", {"Ref": "Engine"}, "Version"]}
    assert DATA["Mappings"]["Engines"] == {
        "redis": {"ParameterGroup": "default.memorydb-redis7", "Version": "7.1"},
        "valkey": {"ParameterGroup": "default.memorydb-valkey7", "Version": "7.2"},
    }
    assert parameter("Engine")["AllowedValues"] == ["redis", "valkey"]


def test_no_allowed_cluster_exceeds_500_nodes() -> None:
    assert parameter("Shards")["MaxValue"] == MAX_SHARDS == 83
    assert parameter("ReplicasPerShard")["MaxValue"] == MAX_REPLICAS == 5
    assert MAX_SHARDS * (1 + MAX_REPLICAS) <= 500


def test_auto_minor_version_upgrade_is_the_settings() -> None:
    template = data_layer(Settings(auto_minor_version_upgrade=False)).template
    assert template["Resources"]["Cluster"]["Properties"]["AutoMinorVersionUpgrade"] is False


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("ZoneIds", "", True),
        ("ZoneIds", "use1-az1,use1-az2", True),
        ("ZoneIds", "use1-az1", False),
        ("ZoneIds", "use1-az1,use1-az2,use1-az4", False),
        ("ZoneIds", "use1-az1, use1-az2", False),
        ("ZoneIds", "us-east-1a,us-east-1b", False),
        ("SnapshotWindow", "03:00-04:00", True),
        ("SnapshotWindow", "3:00-4:00", False),
        ("SnapshotWindow", "24:00-25:00", False),
        ("MaintenanceWindow", "sun:05:00-sun:06:00", True),
        ("MaintenanceWindow", "Sun:05:00-Sun:06:00", False),
        ("SnapshotName", "final-51af3dc0", True),
        ("SnapshotName", "automatic.db-51af3dc0-2026-11-23-03-00", True),
        ("SnapshotName", "final-", False),
        ("SnapshotName", "final--1", False),
        ("SnapshotName", "Final", False),
        ("AlarmEmail", "a@example.com", True),
        ("AlarmEmail", "a@example.com,b@example.com", False),
        ("AlarmEmail", "example.com", False),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", True),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab", False),
        ("KmsKeyArn", "arn:aws:kms:eu-west-1:123456789012:alias/mine", False),
        ("WebAclArn", "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/mine/1234abcd-12ab", True),
        ("WebAclArn", "arn:aws:wafv2:us-east-1:123456789012:global/webacl/mine/1234abcd-12ab", False),
        ("DataStackName", "users-data", True),
        ("DataStackName", "", False),
        ("DataStackName", "users_data", False),
        ("ImageUri", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users:1", True),
        ("ImageUri", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/a/b@sha256:" + "0" * 64, True),
        ("ImageUri", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users", False),
        ("ImageUri", "docker.io/library/nginx:1", False),
        ("ImageUri", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/users@sha256:0", False),
    ],
)
def test_a_pattern_takes_what_aws_takes(name: str, value: str, fits: bool) -> None:
    assert bool(re.fullmatch(parameter(name)["AllowedPattern"], value)) is fits


@pytest.mark.parametrize(("template", "sizes"), [(APP_RUNNER, APP_RUNNER_SIZES), (ECS, ECS_SIZES)])
def test_the_rules_take_just_the_memory_that_each_cpu_has(template: Any, sizes: dict[str, tuple[str, ...]]) -> None:
    taken = {
        rule["RuleCondition"]["Fn::Equals"][1]: rule["Assertions"][0]["Assert"]
        for rule in template["Rules"].values()
        if rule.get("RuleCondition", {}).get("Fn::Equals", [None])[0] == {"Ref": "Cpu"}
    }
    assert taken == {cpu: {"Fn::Contains": [list(memory), {"Ref": "Memory"}]} for cpu, memory in sizes.items()}
    parameters = template["Parameters"]
    assert parameters["Cpu"]["AllowedValues"] == list(sizes)
    assert set(parameters["Memory"]["AllowedValues"]) == {memory for each in sizes.values() for memory in each}
    assert parameters["Memory"]["Default"] in sizes[parameters["Cpu"]["Default"]]


@pytest.mark.parametrize(
    ("template", "rule", "message"),
    [
        (APP_RUNNER, "MemoryFitsCpu512", "With Cpu 512, Memory must be 1024."),
        (APP_RUNNER, "MemoryFitsCpu1024", "With Cpu 1024, Memory must be 2048, 3072 or 4096."),
        (ECS, "MemoryFitsCpu1024", "With Cpu 1024, Memory must be 2048 to 8192 in steps of 1024."),
    ],
)
def test_a_rules_message_says_what_goes_together(template: Any, rule: str, message: str) -> None:
    assert template["Rules"][rule]["Assertions"][0]["AssertDescription"] == message


def test_the_service_is_checked_over_http() -> None:
    check = properties("Service")["HealthCheckConfiguration"]
    assert (check["Protocol"], check["Path"]) == ("HTTP", contract.HEALTH_PATH)
    assert all(1 <= check[name] <= 20 for name in ("Interval", "Timeout", "HealthyThreshold", "UnhealthyThreshold"))


def test_the_service_listens_on_the_contracts_port() -> None:
    image = properties("Service")["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"]
    assert image["Port"] == str(contract.SERVICE_PORT)


def test_a_push_does_not_deploy_by_itself() -> None:
    assert properties("Service")["SourceConfiguration"]["AutoDeploymentsEnabled"] is False


def test_the_connectors_group_is_replaced_when_its_subnets_change() -> None:
    assert properties("ConnectorSecurityGroup")["GroupDescription"] == {
        "Fn::Sub": ["App Runner VPC connector in ${SubnetIds}", {"SubnetIds": imported("PrivateSubnetIds")}]
    }


def test_a_private_service_answers_at_its_private_domain() -> None:
    service = PRIVATE["Resources"]["Service"]["Properties"]
    assert service["NetworkConfiguration"]["IngressConfiguration"] == {"IsPubliclyAccessible": False}
    assert PRIVATE["Outputs"]["ServiceUrl"]["Value"] == {
        "Fn::Sub": ["https://${Host}", {"Host": {"Fn::GetAtt": ["VpcIngressConnection", "DomainName"]}}]
    }


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (
            "AccessRole",
            {
                "ecr:BatchCheckLayerAvailability ecr:BatchGetImage ecr:DescribeImages ecr:GetDownloadUrlForLayer": (
                    imported("RepositoryArn")
                ),
                "ecr:GetAuthorizationToken": "*",
            },
        ),
        (
            "FlowLogRole",
            {"logs:CreateLogStream logs:DescribeLogStreams logs:PutLogEvents": {"Fn::GetAtt": ["FlowLogGroup", "Arn"]}},
        ),
    ],
)
def test_a_role_may_do_just_this(role: str, allowed: dict[str, Any]) -> None:
    assert statements(properties(role)["Policies"]) == [
        {"Action": actions.split(), "Effect": "Allow", "Resource": [resource]} for actions, resource in allowed.items()
    ]


OF_THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(
    ("role", "service", "of"),
    [
        ("AccessRole", "build.apprunner", ""),
        ("InstanceRole", "tasks.apprunner", ""),
        ("FlowLogRole", "vpc-flow-logs", "ec2:${AWS::Region}:${AWS::AccountId}:vpc-flow-log/*"),
        ("InfrastructureRole", "ecs", ""),
        ("ExecutionRole", "ecs-tasks", ""),
        ("TaskRole", "ecs-tasks", "ecs:${AWS::Region}:${AWS::AccountId}:*"),
    ],
)
def test_a_role_trusts_one_service_for_this_account_where_aws_documents_that(role: str, service: str, of: str) -> None:
    (statement,) = properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert statement.pop("Principal") == {"Service": [f"{service}.amazonaws.com"]}
    source = {"ArnLike": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:{of}"}}}
    condition = {"Condition": OF_THIS_ACCOUNT | source} if of else {}
    assert statement == {"Action": ["sts:AssumeRole"], "Effect": "Allow"} | condition


@pytest.mark.parametrize("template", [DATA, APP_RUNNER, ECS])
def test_alarms_of_this_account_alone_publish_and_nothing_without_tls_does(template: Any) -> None:
    publish = {"Action": ["sns:Publish"], "Resource": [{"Ref": "AlarmTopic"}]}
    without_tls = {"Bool": {"aws:SecureTransport": "false"}}
    assert statements(template["Resources"]["AlarmTopicPolicy"]) == [
        {**publish, "Effect": "Allow", "Principal": {"Service": ["cloudwatch.amazonaws.com"]}}
        | {"Condition": OF_THIS_ACCOUNT},
        {**publish, "Effect": "Deny", "Principal": "*", "Condition": without_tls},
    ]


def test_the_repositorys_tags_never_move() -> None:
    assert properties("Repository")["ImageTagMutability"] == "IMMUTABLE"
    assert properties("Repository")["ImageScanningConfiguration"] == {"ScanOnPush": True}
    rules = json.loads(properties("Repository")["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
    assert [rule["rulePriority"] for rule in rules] == [1, 2]


def test_blocks_are_eighths_of_the_vpc() -> None:
    private = [block("10.0.0.0/16", "Private", letter) for letter in "ABC"]
    public = [block("10.0.0.0/24", "Public", letter) for letter in "ABC"]
    assert private == ["10.0.0.0/19", "10.0.32.0/19", "10.0.64.0/19"]
    assert public == ["10.0.0.128/27", "10.0.0.160/27", "10.0.0.192/27"]


def test_the_exports_of_a_vpc_join_its_subnets() -> None:
    assert DATA["Outputs"]["PrivateSubnetIds"]["Value"] == {
        "Fn::Join": [",", [{"Ref": "PrivateSubnetA"}, {"Ref": "PrivateSubnetB"}]]
    }


@pytest.mark.parametrize(("nat", "gateways"), [("one", ["A", "A", "A"]), ("per-zone", ["A", "B", "C"])])
def test_each_zone_leaves_through_its_own_gateway_or_through_the_only_one(nat: Any, gateways: list[str]) -> None:
    template = data_layer(Settings(zones=3, nat=nat)).template["Resources"]
    for letter, gateway in zip("ABC", gateways, strict=True):
        route = template[f"PrivateDefaultRoute{letter}"]["Properties"]
        assert route["NatGatewayId"] == {"Ref": f"NatGateway{gateway}"}
        assert route["RouteTableId"] == {"Ref": f"PrivateRouteTable{letter}"}
        zone = template[f"PublicSubnet{letter}"]["Properties"]["AvailabilityZoneId"]
        assert zone == {"Fn::GetAtt": [f"PrivateSubnet{letter}", "AvailabilityZoneId"]}
    assert template["NatAddressA"]["DependsOn"] == "PublicDefaultRoute"
    assert template["PublicDefaultRoute"]["DependsOn"] == "InternetGatewayAttachment"


def test_a_private_service_is_reached_by_its_clients_group_over_https_alone() -> None:
    template = PRIVATE["Resources"]
    endpoint = template["ServiceEndpoint"]["Properties"]
    assert endpoint["SecurityGroupIds"] == [{"Fn::GetAtt": ["EndpointSecurityGroup", "GroupId"]}]
    assert endpoint["PrivateDnsEnabled"] is False
    rule = template["EndpointIngress"]["Properties"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpProtocol"]) == (443, 443, "tcp")
    assert rule["SourceSecurityGroupId"] == {"Fn::GetAtt": ["ClientSecurityGroup", "GroupId"]}
    assert rule["GroupId"] == {"Fn::GetAtt": ["EndpointSecurityGroup", "GroupId"]}


@pytest.mark.parametrize(
    ("users", "message"),
    [((), "at least one user"), (("User", ""), "the same name"), (("Orders", "ORDERS"), "the same name")],
)
def test_users_that_memorydb_would_refuse_are_refused(users: tuple[str, ...], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        memorydb(Settings(), existing_network(), tuple(user(prefix) for prefix in users))


@pytest.mark.parametrize(("keys", "command"), [("a b", "hset"), ("", "hset"), ("a:*", "@all"), ("a:*", "HSET x")])
def test_keys_and_commands_that_are_none_are_refused(keys: str, command: str) -> None:
    with pytest.raises(TemplateError, match="is not a"):
        access_string(keys, (command,))


VCPUS = {"small": 2, "medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "16xlarge": 64}


@pytest.mark.parametrize("node_type", parameter("NodeType")["AllowedValues"])
def test_the_cpu_alarm_fits_the_node_type(node_type: str) -> None:
    alarm = chosen(DATA, NodeType=node_type)["Resources"]["CpuAlarm"]["Properties"]
    watched = alarm["MetricName"], alarm["Threshold"]
    small = VCPUS.get(node_type.rpartition(".")[2], 4) == 2
    assert watched == (("CPUUtilization", 45) if small else ("EngineCPUUtilization", 80))


def test_an_alarm_on_usage_shows_that_it_has_no_data_and_one_on_events_does_not() -> None:
    treated = {
        logical_id: alarm["TreatMissingData"]
        for template in every_template()
        for logical_id, alarm in resources(template, "AWS::CloudWatch::Alarm").items()
    }
    assert {logical_id for logical_id, how in treated.items() if how == "missing"} == {
        "MemoryUsageAlarm",
        "CpuAlarm",
        "InstanceMemoryAlarm",
        "TaskCpuAlarm",
        "TaskMemoryAlarm",
    }
    assert set(treated.values()) == {"missing", "notBreaching"}


@pytest.mark.parametrize("metric", ["CPUUtilization", "EngineCPUUtilization"])
def test_the_dashboards_show_what_the_cpu_alarm_may_watch(metric: str) -> None:
    for compute in every_template()[1::2]:
        body = json.loads(compute["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][0])
        shown = [line[:3] for graph in body["widgets"] for line in graph["properties"]["metrics"]]
        assert ["AWS/MemoryDB", metric, "ClusterName"] in shown
