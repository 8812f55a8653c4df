"""Our cfn-lint rules.

tests/rules/<ID>.yaml has good and bad resources for one rule, told apart by their logical IDs; what is called neither
Good nor Bad stands beside them. <ID>-<topic>.yaml has more of them in a template of another kind.
"""

from __future__ import annotations

import json
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from cfn_flip import to_json
from cfnlint.context.parameters import ParameterSet
from cfnlint.template import Template

from generator.layers import app_runner_deployment, ecs_express_deployment
from generator.rules import RULES
from generator.settings import Settings
from generator.template.lint import _rules, lint
from tests.rules.__main__ import pages
from tests.running import ROOT

FIXTURES = ROOT / "tests" / "rules"
TEMPLATES = {
    layer.name: json.loads(layer.text())
    for layer in (*ecs_express_deployment().layers, *app_runner_deployment().layers)
}


def caught(text: str, rule: str) -> set[str]:
    return {finding.logical_id for finding in lint(text, ["us-east-1"]) if finding.rule == rule}


def bad(text: str) -> set[str]:
    """The resources that are to be found, those of a Fn::ForEach too."""
    cfn = Template(None, json.loads(to_json(text)), ["us-east-1"])
    cfn.transform()
    return {name for name in cfn.get_resources() if name.startswith("Bad")}


FILES = sorted(FIXTURES.glob("*.yaml"))


def test_every_rule_has_a_fixture_with_good_and_bad() -> None:
    assert {path.stem for path in FILES if "-" not in path.stem} == set(RULES)
    for path in FILES:
        resources = json.loads(to_json(path.read_text()))["Resources"]
        assert any(name.startswith("Good") for name in resources), path.name
        assert bad(path.read_text()), path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_a_rule_finds_what_is_bad_and_nothing_else(path: Path, form: str) -> None:
    text = path.read_text()
    assert caught(text if form == "YAML" else to_json(text), path.stem.partition("-")[0]) == bad(text)


# CPU units to MB of memory: the smallest, the largest and the steps between them, as the developer guides list them.
FARGATE = {
    256: [512, 1024, 2048],
    512: range(1024, 4097, 1024),
    1024: range(2048, 8193, 1024),
    2048: range(4096, 16385, 1024),
    4096: range(8192, 30721, 1024),
    8192: range(16384, 61441, 4096),
    16384: range(32768, 122881, 8192),
}
APP_RUNNER = {256: [512, 1024], 512: [1024], 1024: [2048, 3072, 4096], 2048: [4096, 6144], 4096: [8192, 10240, 12288]}
VCPU = {256: "0.25 vCPU", 512: "0.5 vCPU", 1024: "1 vCPU", 2048: "2 vCPU", 4096: "4 vCPU"}


def test_each_pair_of_cpu_and_memory_is_judged_as_documented() -> None:
    sizes = sorted({size for pairs in (*FARGATE.values(), *APP_RUNNER.values()) for size in pairs} | {1536, 124928})
    services: dict[str, Any] = {}
    for pairs, kind in ((FARGATE, "AWS::ECS::ExpressGatewayService"), (APP_RUNNER, "AWS::AppRunner::Service")):
        for cpu, size in ((cpu, size) for cpu in pairs for size in sizes):
            properties: Any = {"Cpu": str(cpu), "Memory": str(size)}
            if pairs is APP_RUNNER:
                spelled = {"Cpu": VCPU[cpu], "Memory": f"{size / 1024:g} GB"}
                properties = {"InstanceConfiguration": spelled if size in APP_RUNNER[cpu] else properties}
            name = f"{'Good' if size in pairs[cpu] else 'Bad'}{len(services)}"
            services[name] = {"Type": kind, "Properties": properties}
    cfn = Template(None, {"Resources": services}, ["us-east-1"])
    found = {str(match.path[1]) for rule in ("E9633", "E9643") for match in RULES[rule]().match(cfn)}
    assert found == {name for name in services if name.startswith("Bad")}


def test_the_values_of_a_deployment_file_are_the_only_ones() -> None:
    days = {"Type": "Number", "Default": 0}
    cluster = {"Type": "AWS::MemoryDB::Cluster", "Properties": {"SnapshotRetentionLimit": {"Ref": "Days"}}}
    template = {"Parameters": {"Days": days}, "Resources": {"Cluster": cluster}}

    def found(parameters: dict[str, Any] | None) -> int:
        cfn = Template(None, template, ["us-east-1"])
        cfn.context.parameter_sets.extend([ParameterSet(parameters=parameters, source=None)] if parameters else [])
        return len(RULES["W9615"]().match(cfn))

    assert [found(None), found({"Days": "7"}), found({"Days": "0"})] == [1, 0, 1]


def test_ids_are_in_the_documented_range_and_severities_are_two() -> None:
    assert all(rule[0] in "EW" and 9600 <= int(rule[1:]) <= 9699 for rule in RULES)


def test_every_rule_says_why_and_where_from() -> None:
    for rule in RULES.values():
        assert rule.shortdesc
        assert rule.description.endswith(".")
        assert rule.source_url.startswith("https://docs.aws.amazon.com/")


def test_the_pages_are_current() -> None:
    docs = ROOT / "docs"
    written = {str(path.relative_to(docs)): path.read_text() for path in [docs / "rules.md", *docs.glob("rules/*")]}
    assert written == pages()


IMAGE = "Service.Properties.SourceConfiguration.ImageRepository.ImageConfiguration"
CONTAINER = "Service.Properties.PrimaryContainer"
AUTHENTICATION = "MemoryDbUser.Properties.AuthenticationMode.Fn::If"
PASSWORD = f"{AUTHENTICATION}.1.Passwords.0"

# Rule, what is changed, to what (None: removed), in which layer.
MUTATIONS: list[tuple[str, str, Any, str]] = [
    ("E9601", PASSWORD, "Anchor_Demo_Passw0rd#2022", "data"),
    ("E9601", PASSWORD, {"Fn::Join": ["", ["literally-", "this-one"]]}, "data"),
    ("E9602", PASSWORD, "a", "data"),
    ("E9602", PASSWORD, "abcdefghijk/lmnopqrst", "data"),
    ("E9602", PASSWORD, "x" * 129, "data"),
    ("E9603", "PasswordSecret.Properties.GenerateSecretString.ExcludePunctuation", False, "data"),
    ("E9603", "PasswordSecret.Properties.GenerateSecretString.PasswordLength", 8, "data"),
    ("W9604", PASSWORD, {"Ref": "SnapshotName"}, "data"),
    ("E9619", f"{AUTHENTICATION}.2.Passwords", ["{{resolve:secretsmanager:a}}"], "data"),
    ("E9619", f"{AUTHENTICATION}.1.Passwords", None, "data"),
    ("E9619", f"{AUTHENTICATION}.2.Type", "password", "data"),
    ("E9605", "MemoryDbUser.Properties.AccessString", "on ~user:* hset", "data"),
    ("E9605", "MemoryDbUser.Properties.AccessString", "on #aaaa ~user:* +hset", "data"),
    ("W9606", "MemoryDbUser.Properties.AccessString", "~user:* +hset", "data"),
    ("W9606", "MemoryDbUser.Properties.AccessString", "on ~user:* -@all", "data"),
    ("W9606", "MemoryDbUser.Properties.AccessString", "on +hset", "data"),
    ("W9607", "MemoryDbUser.Properties.AccessString", "on ~* -@all +hset", "data"),
    ("W9607", "MemoryDbUser.Properties.AccessString", "on ~user:* +@all", "data"),
    ("W9607", "MemoryDbUser.Properties.AccessString", "on ~user:* &* +hset", "data"),
    ("E9608", "Cluster.Properties.NodeType", "db.x", "data"),
    ("E9608", "Cluster.Properties.NodeType", "db.r6gd.xlarge", "data"),
    ("E9608", "Cluster.Properties.NodeType", {"Ref": "Engine"}, "data"),
    ("E9609", "Cluster.Properties.Engine", "mysql", "data"),
    ("E9609", "Cluster.Properties.EngineVersion", "99", "data"),
    ("E9609", "Cluster.Properties.EngineVersion", "7.3", "data"),
    ("E9609", "Cluster.Properties.ParameterGroupName", "default.memorydb-valkey7", "data"),
    ("E9610", "Cluster.Properties.NumReplicasPerShard", 9, "data"),
    ("E9610", "Cluster.Properties.NumShards", 0, "data"),
    ("E9610", "Cluster.Properties.NumShards", 300, "data"),
    ("E9611", "Cluster.Properties.SnapshotRetentionLimit", 36, "data"),
    ("W9612", "Cluster.Properties.ClusterName", "users", "data"),
    ("W9612", "Acl.Properties.ACLName", "users", "data"),
    ("W9612", "SubnetGroup.Properties.SubnetGroupName", "users", "data"),
    ("W9612", "MemoryDbUser.Properties.UserName", "users", "data"),
    ("E9613", "Cluster.Properties.ClusterName", "n" * 90, "data"),
    ("E9613", "Cluster.Properties.ClusterName", "Users_", "data"),
    ("E9613", "MemoryDbUser.Properties.UserName", "1user", "data"),
    ("E9614", "Cluster.Properties.TLSEnabled", False, "data"),
    ("W9615", "Cluster.Properties.SnapshotRetentionLimit", 0, "data"),
    ("W9615", "Cluster.Properties.SnapshotRetentionLimit", None, "data"),
    ("E9616", "Cluster.Properties.FinalSnapshotName", None, "data"),
    ("W9617", "Cluster.DeletionPolicy", "Retain", "data"),
    ("E9618", "Cluster.Properties.ACLName", "open-access", "data"),
    ("W9661", "Cluster.Properties.KmsKeyId", "arn:aws:kms:us-east-1:123456789012:key/1234", "data"),
    ("W9631", f"{IMAGE}.RuntimeEnvironmentVariables.0", {"Name": "MEMORYDB_PASSWORD", "Value": "a"}, "apprunner"),
    ("W9631", f"{IMAGE}.RuntimeEnvironmentVariables.1", {"Name": "SESSION_SECRET", "Value": "a"}, "apprunner"),
    ("E9632", f"{IMAGE}.RuntimeEnvironmentVariables.0.Name", "PORT", "apprunner"),
    ("E9633", "Service.Properties.InstanceConfiguration.Memory", "512", "apprunner"),
    ("E9633", "Service.Properties.InstanceConfiguration.Cpu", "4 vCPU", "apprunner"),
    ("E9634", "AutoScaling.Properties.MinSize", 6, "apprunner"),
    ("W9635", "Service.Properties.Tags", [{"Key": "Commit", "Value": "4f2a"}], "apprunner"),
    ("W9635", "VpcConnector.Properties.Tags", [{"Key": "Commit", "Value": "4f2a"}], "apprunner"),
    ("W9640", "Service.Properties.Tags", [{"Key": "Commit", "Value": "4f2a"}], "ecs-express"),
    ("W9641", "Service.Properties.ServiceName", {"Ref": "DataStackName"}, "ecs-express"),
    ("W9641", "Service.Properties.Cluster", {"Fn::Sub": "${DataStackName}-tasks"}, "ecs-express"),
    ("W9641", "Service.Properties.InfrastructureRoleArn", {"Ref": "WebAclArn"}, "ecs-express"),
    ("W9642", "Service.Properties.ServiceName", "users", "ecs-express"),
    ("E9643", "Service.Properties.Memory", "512", "ecs-express"),
    ("E9643", "Service.Properties.Cpu", "4096", "ecs-express"),
    ("W9644", "Service.Properties.Cpu", None, "ecs-express"),
    ("W9644", "Service.Properties.Memory", None, "ecs-express"),
    ("E9645", "Service.Properties.ScalingTarget.MinTaskCount", 6, "ecs-express"),
    ("W9646", f"{CONTAINER}.Environment.0", {"Name": "MEMORYDB_PASSWORD", "Value": "a"}, "ecs-express"),
    ("E9648", "Service.Properties.ExecutionRoleArn", None, "ecs-express"),
    ("E9648", CONTAINER, None, "ecs-express"),
    (
        "W9661",
        f"{CONTAINER}.Secrets.Fn::If.1.0.ValueFrom",
        "arn:aws:secretsmanager:us-east-1:1:secret:a",
        "ecs-express",
    ),
    ("W9661", "Service.Properties.AutoScalingConfigurationArn", "arn:aws:apprunner:us-east-1:1:a", "apprunner"),
]


def mutated(path: str, value: Any, layer: str) -> str:
    template = json.loads(json.dumps(TEMPLATES[layer]))
    node: Any = template["Resources"]
    *outer, last = (int(key) if key.isdigit() else key for key in path.split("."))
    for key in outer:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return json.dumps(template)


@pytest.mark.parametrize(("rule", "path", "value", "layer"), MUTATIONS)
def test_a_mutation_of_our_own_template_is_caught(rule: str, path: str, value: Any, layer: str) -> None:
    assert caught(mutated(path, value, layer), rule) == {path.partition(".")[0]}


def test_a_connector_in_a_public_subnet_beside_our_network_is_caught() -> None:
    template = json.loads(app_runner_deployment(Settings(nat="one")).layers[0].text())
    connector = {"Type": "AWS::AppRunner::VpcConnector", "Properties": {"Subnets": [{"Ref": "PrivateSubnetA"}]}}
    template["Resources"]["Connector"] = connector
    assert caught(json.dumps(template), "W9637") == set()
    connector["Properties"] = {"Subnets": [{"Ref": "PublicSubnetA"}]}
    assert caught(json.dumps(template), "W9637") == {"Connector"}


def test_express_subnets_of_both_kinds_in_our_network_are_caught() -> None:
    template = json.loads(ecs_express_deployment().layers[0].text())
    subnets = [{"Ref": "PublicSubnetA"}, {"Ref": "PublicSubnetB"}]
    service = {"Type": "AWS::ECS::ExpressGatewayService", "Properties": {"NetworkConfiguration": {"Subnets": subnets}}}
    template["Resources"]["Service"] = service
    assert caught(json.dumps(template), "E9647") == set()
    subnets[1] = {"Ref": "PrivateSubnetB"}
    assert caught(json.dumps(template), "E9647") == {"Service"}


def test_a_second_connector_in_our_template_is_caught() -> None:
    template = json.loads(json.dumps(TEMPLATES["apprunner"]))
    template["Resources"]["VpcConnector2"] = template["Resources"]["VpcConnector"]
    assert caught(json.dumps(template), "E9636") == {"VpcConnector2"}


@pytest.mark.parametrize("layer", sorted(TEMPLATES))
def test_the_rules_take_at_most_a_fifth_of_a_lint_run(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = 0.0

    def timed(match: Any) -> Any:
        def run(rule: Any, cfn: Any) -> Any:
            nonlocal spent
            started = process_time()
            try:
                return match(rule, cfn)
            finally:
                spent += process_time() - started

        return run

    text = json.dumps(TEMPLATES[layer])
    lint(text, ["us-east-1"])
    for rule in {type(rule) for rule in _rules().values() if rule.id in RULES}:
        monkeypatch.setattr(rule, "match", timed(rule.match))
    started = process_time()
    lint(text, ["us-east-1"])
    assert 0 < spent < (process_time() - started) / 5


def test_no_rule_stumbles_over_what_is_no_template() -> None:
    text = (ROOT / "tests" / "odd.yaml").read_text()
    findings = lint(text, ["us-east-1"])
    assert [finding for finding in findings if "xception" in finding.message] == []
    hidden = {finding.logical_id for finding in findings if finding.rule in ("E9601", "W9631")}
    assert hidden == {"BehindConditionOne", "BehindConditionTwo", "BehindConditionThree"}
