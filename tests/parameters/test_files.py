"""Parameters and tags in every form that AWS's own tools take; for anything else one message with its place."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.errors import UsageError
from generator.parameters.files import Values, parameter_file, parameters, tags

DAYS = {"SnapshotRetentionDays": "9"}


def written(tmp_path: Path, content: object, name: str = "values.json") -> str:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def refused(source: str) -> str:
    with pytest.raises(UsageError) as caught:
        parameter_file(source)
    message = str(caught.value)
    assert message.isascii()
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "content",
    [
        pytest.param([{"ParameterKey": "SnapshotRetentionDays", "ParameterValue": "9"}], id="create-change-set"),
        pytest.param({"Parameters": DAYS}, id="codepipeline"),
        pytest.param(["SnapshotRetentionDays=9"], id="deploy, strings"),
        pytest.param(DAYS, id="a flat object"),
        pytest.param({"SnapshotRetentionDays": 9}, id="a number"),
        pytest.param(
            {"Parameters": [{"ParameterKey": "SnapshotRetentionDays", "ParameterValue": "9"}]}, id="cli-input-json"
        ),
        pytest.param(
            [{"ParameterKey": "SnapshotRetentionDays", "ParameterValue": "9", "UsePreviousValue": False}],
            id="generate-cli-skeleton",
        ),
        pytest.param(
            [{"ParameterKey": "SnapshotRetentionDays", "ParameterValue": "9", "ResolvedValue": "9"}],
            id="describe-stacks",
        ),
        pytest.param(b'\xef\xbb\xbf{"Parameters":{"SnapshotRetentionDays":"9"}}', id="PowerShell"),
        pytest.param('{"Parameters":{"SnapshotRetentionDays":"9"}}'.encode("utf-16"), id="PowerShell 5 redirected"),
        pytest.param(b'{\r\n"Parameters":\r\n{"SnapshotRetentionDays":"9"}\r\n}\r\n', id="CRLF"),
    ],
)
def test_every_form_of_a_parameter_file_gives_the_same_values(content: object, tmp_path: Path) -> None:
    source = written(tmp_path, content)
    assert parameter_file(source) == Values(DAYS)
    assert parameter_file(f"file://{source}") == Values(DAYS)
    assert parameters("--parameter", [f"file://{source}"]) == Values(DAYS)


@pytest.mark.parametrize(
    "tags_given",
    [{"team": "payments"}, [{"Key": "team", "Value": "payments"}], ["team=payments"]],
    ids=["map", "list", "strings"],
)
def test_tags_of_a_file_are_a_map_or_a_list(tags_given: object, tmp_path: Path) -> None:
    assert parameter_file(written(tmp_path, {"Parameters": DAYS, "Tags": tags_given})) == Values(
        DAYS, {"team": "payments"}
    )
    assert parameter_file(written(tmp_path, {"Tags": tags_given})).tags == {"team": "payments"}
    source = f"file://{written(tmp_path, tags_given)}"
    assert tags("--tag", [source]) == {"team": "payments"}


def test_a_previous_value_is_a_name_without_a_value(tmp_path: Path) -> None:
    content = [{"ParameterKey": "Shards", "UsePreviousValue": True}, {"ParameterKey": "Engine", "ParameterValue": ""}]
    assert parameter_file(written(tmp_path, content)) == Values({"Engine": ""}, {}, frozenset({"Shards"}))


@pytest.mark.parametrize("number", ["9", "1.50", "1e400", "-0", "9" * 5000])
def test_a_number_stays_as_the_file_writes_it(number: str, tmp_path: Path) -> None:
    assert parameter_file(written(tmp_path, f'{{"Shards": {number}}}')).parameters == {"Shards": number}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"Parameters":{},"StackPolicy":{"Statement":[]}}', "the key StackPolicy is not understood: a stack policy"),
        ('{"StackPolicy":{}}', "the key StackPolicy is not understood"),
        ('{"Parameters":{},"tags":{"a":"b"}}', "the key tags is not understood: did you mean Tags?"),
        ('{"parameters":{"a":"b"}}', "the key parameters is not understood: did you mean Parameters?"),
        ('{"Parameter":{"a":"b"}}', "the key Parameter is not understood: did you mean Parameters?"),
        ('{"Parameters":{},"Capabilities":[]}', "the key Capabilities is not understood: only Parameters and Tags"),
        ('{"StackName":"a","Parameters":[]}', "the key StackName is not understood: pass the stack's name with --name"),
        ('{"template-file-path":"a","parameters":{}}', "a deployment file of CloudFormation's Git sync"),
        ('{"AWSTemplateFormatVersion":"2010-09-09","Resources":{}}', "this is a template, not a parameter file."),
        ('{"Parameters":{"Shards":"9","Shards":"3"}}', "the key Shards is there twice."),
        ('{"Parameters":{},"Parameters":{}}', "the key Parameters is there twice."),
        ('["Shards=1","Shards=2"]', "Shards is given twice."),
        ('[{"ParameterKey":"A","ParameterValue":"1"},{"ParameterKey":"A","UsePreviousValue":true}]', "A is given tw"),
        ('{"Tags":[{"Key":"a","Value":"1"},{"Key":"a","Value":"1"}]}', "a is given twice."),
        ('{"Parameters":{"Shards":NaN}}', "NaN is not a value"),
        ('{"Parameters":{"Shards":-Infinity}}', "-Infinity is not a value"),
        ('{"Parameters":{"AlarmEmail":"\\ud800"}}', "Parameters.AlarmEmail contains half a character"),
        ('[{"ParameterKey":"A","ParameterValue":"\\udc00x"}]', "[0].ParameterValue contains half a character"),
        ('{"\\ud800":"a"}', "\\ud800 contains half a character"),
        ("Parameters:\n  Shards: 9\n", "is YAML: write it as JSON"),
        ("---\nShards: 9\n", "is YAML: write it as JSON"),
        ("- ParameterKey: A\n", "is YAML: write it as JSON"),
        ('{"Parameters":{"Shards":"9"},}', "is not JSON: "),
        ("", "is not JSON: Expecting value at line 1, column 1."),
        (b'{"Shards": "\xff"}', "is not JSON: byte 13 is not UTF-8."),
        ("[" * 100_000, "nested too deeply"),
        ('"text"', "is not a parameter file: it is text,"),
        ("null", "is not a parameter file: it is null,"),
        ("7", "is not a parameter file: it is a number,"),
        ("true", "is not a parameter file: it is true,"),
        ("false", "is not a parameter file: it is false,"),
        ("[1]", "[0] is a number, but must be an object with ParameterKey"),
        ('["Shards"]', "[0] Shards is not KEY=VALUE."),
        ('["=a"]', "[0]: a value is not KEY=VALUE."),
        ('[{"Key":"team","Value":"a"}]', "[0] is a tag: put it in an object under Tags, or pass it with --tag."),
        ('[{"ParameterKey":"A"}]', "A has neither ParameterValue nor UsePreviousValue."),
        ('[{"ParameterKey":"A","ParameterValue":"1","UsePreviousValue":true}]', "A has both ParameterValue and"),
        ('[{"ParameterKey":"A","UsePreviousValue":"yes"}]', "[0].UsePreviousValue is text, but must be true or false."),
        ('[{"ParameterKey":1,"ParameterValue":"1"}]', "[0].ParameterKey must be the name of a parameter."),
        ('[{"ParameterKey":"A","ParameterValue":"1","Value":"2"}]', "the key [0].Value is not understood: only Par"),
        ('[{"ParameterKey":"A","ParameterValue":null}]', "[0].ParameterValue of A is null, but must be text, a number"),
        ('{"Parameters":{"Cpu":["a","b"]}}', 'Parameters.Cpu is a list, but must be text, a number, true or false: wr'),
        ('{"Parameters":{"Cpu":{"Fn::GetParam":[]}}}', "Parameters.Cpu is an object"),
        ('{"Cpu":["a"]}', "Cpu is a list"),
        ('{"Cpu":null}', "Cpu is null"),
        ('{"Parameters":7}', "Parameters is a number, but must be an object or a list."),
        ('{"Tags":"team=a"}', "Tags is text, but must be an object or a list of tags."),
        ('{"Tags":{"team":null}}', "Tags.team is null"),
        ('{"Tags":[{"Key":"team"}]}', "Tags[0] must be an object with Key and Value"),
        ('{"Tags":[{"Key":"team","Value":"a","PropagateAtLaunch":true}]}', "Tags[0] must be an object with Key and Va"),
        ('{"Tags":{"team":""}}', "the tag team has no value, which CloudFormation does not take."),
        ('{"Tags":{"aws:team":"a"}}', "keys that begin with aws: are reserved"),
        (json.dumps({"Tags": {"k" * 129: "a"}}), "has 129 characters, at most 128 are allowed."),
        (json.dumps({"Tags": {"k": "v" * 257}}), "the tag k has 257 characters, at most 256 are allowed."),
        (json.dumps({"Tags": {f"k{n}": "v" for n in range(51)}}), "there are 51 tags, at most 50 are allowed."),
    ],
)  # fmt: skip
def test_anything_else_in_a_file_is_refused_with_its_place(content: Any, said: str, tmp_path: Path) -> None:
    source = written(tmp_path, content)
    message = refused(source)
    assert message.startswith(source)
    assert said in message


def test_a_yaml_file_is_called_yaml_whatever_is_in_it(tmp_path: Path) -> None:
    assert "is YAML" in refused(written(tmp_path, "{Parameters: {Shards: 9}}", "values.yml"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refused(f"file://{tmp_path}/none.json") == f"Cannot read {tmp_path}/none.json: No such file or directory."
    assert refused(str(tmp_path)) == f"Cannot read {tmp_path}: Is a directory."


def test_the_home_directory_is_known_in_a_file_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, DAYS)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parameter_file("file://~/values.json") == parameter_file("~/values.json") == Values(DAYS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Cidrs=10.0.0.0/16,10.1.0.0/16", "10.0.0.0/16,10.1.0.0/16"),
        ("Cidrs=a=b", "a=b"),
        ("Cidrs=", ""),
        ("ParameterKey=Cidrs,ParameterValue=a", "a"),
        ("ParameterValue=a,ParameterKey=Cidrs", "a"),
        ("ParameterKey=Cidrs, ParameterValue=a", "a"),
        ("ParameterKey=Cidrs,ParameterValue=", ""),
        (r"ParameterKey=Cidrs,ParameterValue=a\,b", "a,b"),
        ('ParameterKey=Cidrs,ParameterValue="a,b"', "a,b"),
        ("ParameterKey=Cidrs,ParameterValue='a,\"b\\'s'", "a,\"b's"),
        ("ParameterKey=Cidrs,ParameterValue=a=b", "a=b"),
        ("ParameterKey=Cidrs,ParameterValue=a,UsePreviousValue=false", "a"),
        ('[{"ParameterKey":"Cidrs","ParameterValue":"a"}]', "a"),
        ('{"Cidrs":"a"}', "a"),
    ],
)
def test_an_option_takes_pairs_shorthand_and_json(text: str, value: str) -> None:
    assert parameters("--parameter", [text, "Shards=2"]) == Values({"Cidrs": value, "Shards": "2"})


def test_what_the_aws_cli_takes_as_parameters_is_understood_where_a_file_is_expected() -> None:
    assert parameter_file("ParameterKey=Shards,ParameterValue=2") == Values({"Shards": "2"})
    assert parameter_file("Shards=2") == Values({"Shards": "2"})
    assert parameter_file('["Shards=2"]') == Values({"Shards": "2"})


def test_a_previous_value_is_understood_in_shorthand() -> None:
    found = parameters("--parameter", ["ParameterKey=Shards,UsePreviousValue=true"])
    assert found == Values(previous=frozenset({"Shards"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("team=payments", {"team": "payments"}),
        ("Key=team,Value=payments", {"team": "payments"}),
        ("Value=payments,Key=team", {"team": "payments"}),
        ('Key=team,Value="a, b"', {"team": "a, b"}),
        ("Key=payments", {"Key": "payments"}),
        ("Value=payments", {"Value": "payments"}),
        ("team=a,b", {"team": "a,b"}),
        ('[{"Key":"team","Value":"payments"}]', {"team": "payments"}),
        ('{"team":"payments"}', {"team": "payments"}),
        ('{"Tags":[{"Key":"team","Value":"payments"}]}', {"team": "payments"}),
    ],
)
def test_a_tag_is_understood_as_the_aws_cli_writes_it(text: str, expected: dict[str, str]) -> None:
    assert tags("--tag", [text]) == expected


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["k="], "--tag: the tag k has no value, which CloudFormation does not take."),
        (["Key=k,Value="], "--tag: the tag k has no value, which CloudFormation does not take."),
        (["Key=,Value=b"], "--tag: a tag has no key."),
        (["team"], "--tag team is not KEY=VALUE."),
        (["=a"], "--tag: a value is not KEY=VALUE."),
        (["team=a", "team=b"], "--tag: team is given twice. Remove one of the two."),
        (["Key=team,Value=a,b"], "--tag Key=... cannot be read to its end as Key=...,Value=...: put a value that"),
        (["Key=team,Value=a,"], "--tag Key=... cannot be read to its end"),
        (["Key=team,Value=a,Colour=b"], "--tag Key=... cannot be read to its end"),
        (["team = a"], "the tag key 'team ' begins or ends with white space."),
        ([" team=a"], "the tag key ' team' begins or ends"),
        (["web.owner\t=b"], "the tag key 'web.owner\\t' begins or ends"),
        (["aws:cloudformation:stack-name=a"], "keys that begin with aws: are reserved for AWS."),
    ],
)
def test_a_tag_that_cannot_be_set_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        tags("--tag", texts)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        ["hunter2-hunter2"],
        ["ParameterKey=Password,ParameterValue=hunter2-hunter2,more"],
        ["ParameterKey=Password,ParameterValue=hunter2-hunter2,UsePreviousValue=true"],
        ["Password=hunter2-hunter2", "Password=hunter2-hunter2"],
        ['{"Password":"hunter2-hunter2",}'],
        ['{"Password":["hunter2-hunter2"]}'],
    ],
)
def test_no_refusal_repeats_a_value(texts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parameters("--parameter", texts)
    assert "hunter2" not in str(caught.value)


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9]{1,12}", fullmatch=True), TEXT, max_size=5))
def test_values_come_back_from_every_form(values: dict[str, str]) -> None:
    items = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    quoted = [
        f"ParameterKey={key},ParameterValue=" + '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        for key, value in values.items()
    ]
    for texts in (
        [json.dumps({"Parameters": values})],
        [json.dumps(items)],
        [json.dumps([f"{key}={value}" for key, value in values.items()])],
        [f"{key}={value}" for key, value in values.items()],
        quoted,
    ):
        assert parameters("--parameter", texts) == Values(values), shlex.join(texts)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)


@given(JSON | st.fixed_dictionaries({}, optional={"Parameters": JSON, "Tags": JSON}))
def test_any_document_is_read_whole_or_refused(document: object) -> None:
    try:
        found = parameters(
            "--parameter", [json.dumps([document] if not isinstance(document, (dict, list)) else document)]
        )
    except UsageError:
        return
    for text in (*found.parameters, *found.parameters.values(), *found.tags, *found.tags.values()):
        text.encode()
