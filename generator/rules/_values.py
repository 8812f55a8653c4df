"""Which values an expression of a template can have, and under which conditions.

`template_of(cfn).resources(type)` gives the resources of a type as `Node`s. `node.values("A", "B")` gives each value
that property B of object A can have, with the node as it is when it has it: what is asked of that node next agrees with
the conditions and parameters chosen so far. `node.usual(...)` is the same with every parameter at its default.

cfn-lint's resolver does the work (If, Join, Split, Select, allowed values, conditions that exclude each other); this
module adds what it lacks. What only a deployment can tell is one character of a private range, an unknown, which the
resolver carries along as it does any text: `!Sub "${Db}:password"` is an unknown and nine letters. `references(text)`
returns what the unknowns in a text stand for. AWS::NoValue and properties that are left out are both ABSENT.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial, reduce
from itertools import combinations, islice
from operator import or_
from typing import Any, ClassVar, NamedTuple

from cfnlint.conditions._utils import get_hash
from cfnlint.context import Context
from cfnlint.context.conditions import Conditions
from cfnlint.context.conditions.exceptions import Unsatisfiable
from cfnlint.helpers import PSEUDOPARAMS, is_function
from cfnlint.jsonschema._resolvers_cfn import fn_resolvers
from cfnlint.jsonschema.validators import CfnTemplateValidator

# Unicode's supplementary private use areas: no template has them.
FIRST_UNKNOWN, LAST_UNKNOWN = 0xF0001, 0x10FFFD
ABSENT = chr(0xF0000)
UNKNOWN = re.compile(f"[{chr(FIRST_UNKNOWN)}-{chr(LAST_UNKNOWN)}]")
# More combinations than this are not looked at; cfn-lint stops at 512 by itself.
MOST_VALUES = 256
# A dynamic reference, whose value only a deployment can tell too.
DYNAMIC = re.compile(r"\{\{resolve:.*?(\}\}|$)", re.DOTALL)
VARIABLE = re.compile(r"\$\{([^!{}][^{}]*)\}")

PLACES = ({"Ref": "AWS::Partition"}, {"Ref": "AWS::Region"})
PARAMETER, RESOURCE, PSEUDO, OTHER = "parameter", "resource", "pseudo parameter", "other"


class Reference(NamedTuple):
    """What an unknown stands for.

    kind: a PARAMETER's value, the RESOURCE `name` (its attribute, or "" for its Ref), a PSEUDO parameter, or the result
    of some OTHER function (attribute: of what). sources: the references it was made from.
    """

    kind: str
    name: str
    attribute: str = ""
    sources: tuple[Any, ...] = ()

    def all(self) -> Iterator[Reference]:
        """This reference and those that it was made from."""
        yield self
        for source in self.sources:
            yield from source.all()


class Template:
    """A template as the rules ask it."""

    def __init__(self, cfn: Any) -> None:
        self.cfn = cfn
        self._context: Context | None = None
        # cfn-lint's own rules say what is wrong with a template that has no context.
        with suppress(AttributeError, TypeError, ValueError):
            self._template = _with_mappings(cfn)
            self._context = _with_conditions(cfn.context, self._template.get("Conditions", {}))
            self.local_conditions = {
                name
                for name, condition in self._context.conditions.conditions.items()
                if any(side.instance in PLACES for equal in condition.equals for side in equal.parameters)
            }
        self._unknowns: dict[Reference, str] = {}
        self._references: dict[str, Reference] = {}
        self._written = {ord(ABSENT): "${AWS::NoValue}"}
        self._validator = CfnTemplateValidator({}).extend(fn_resolvers=_resolvers(self))

        class AnyParameters(_Context):
            template = self

        class UsualParameters(AnyParameters):
            usual = True

        self.any_parameters, self.usual_parameters = AnyParameters, UsualParameters

    def resources(self, *types: str, within: Context | None = None) -> Iterator[Node]:
        """The resources of these types that can exist, once for each form that their properties can have.

        within: the conditions and parameters that are chosen already.
        """
        start = within or self._context
        if start is None:
            return
        for logical_id in self.cfn.get_resources(list(types)):
            resource = self._template["Resources"][logical_id]
            context = self.any_parameters.of(start)
            condition = resource.get("Condition")
            if isinstance(condition, str):
                try:
                    context = context.evolve(conditions=context.conditions.evolve({condition: True}))
                except Unsatisfiable:
                    continue
            path = ("Resources", str(logical_id))
            validator = self._validator(cfn=self.cfn, context=context)
            for properties, node in Node(self, resource, path, resource, validator).values("Properties"):
                if isinstance(properties, dict):
                    yield node.of(properties, (*path, "Properties"))
                elif properties == ABSENT:
                    yield node.of({}, (*path, "Properties"))

    def type_of(self, logical_id: str) -> str:
        """The type of the resource of this name, or ""."""
        return str(self.cfn.get_resources().get(logical_id, {}).get("Type", ""))

    def parameter(self, name: str) -> dict[str, Any]:
        """A parameter as it is declared; {} where there is none."""
        parameters = self.cfn.template.get("Parameters")
        declared = parameters.get(name) if isinstance(parameters, dict) else None
        return declared if isinstance(declared, dict) else {}

    def is_no_echo(self, name: str) -> bool:
        return is_true(self.parameter(name).get("NoEcho"))

    def unknown(self, reference: Reference) -> str:
        """The character that stands for what is referred to."""
        if reference not in self._unknowns:
            character = chr(FIRST_UNKNOWN + len(self._unknowns))
            self._unknowns[reference] = character
            self._references[character] = reference
            name = f"{reference.name}.{reference.attribute}" if reference.attribute else reference.name
            self._written[ord(character)] = self.readable(f"${{{name}}}")
        return self._unknowns[reference]

    def references(self, value: Any) -> list[Reference]:
        """What the unknowns in a text stand for."""
        found = UNKNOWN.findall(value) if isinstance(value, str) else []
        return [self._references[character] for character in found if character in self._references]

    def reference(self, value: Any) -> Reference | None:
        """What a text stands for that is one unknown and nothing else."""
        references = self.references(value)
        return references[0] if len(references) == 1 == len(value) else None

    def made_from(self, value: Any) -> Iterator[Reference]:
        """Every reference that went into a text, at any depth."""
        for reference in self.references(value):
            yield from reference.all()

    def readable(self, text: str) -> str:
        """A text with its unknowns written as Fn::Sub would."""

        return text.translate(self._written)


def _with_mappings(cfn: Any) -> Any:
    """The template with its Fn::FindInMap, which cfn-lint replaces by any value of a mapping, as it transforms."""
    if not cfn.has_language_extensions_transform():
        return cfn.template
    template = deepcopy(cfn.template)
    for *path, function, expression in cfn.transform_pre["Fn::FindInMap"]:
        # What is in a loop is elsewhere now.
        with suppress(IndexError, KeyError, TypeError):
            node: Any = template
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = {function: expression}
    return template


def _with_conditions(context: Context, written: Any) -> Context:
    """The context with conditions in which no expression equals two texts, nor a parameter what is not allowed.

    cfn-lint lets only those parameters have one value that have allowed values, and takes true for another text than
    "true".
    """
    conditions = Conditions.create_from_instance(written, {}, {})
    facts: list[Any] = []
    compared: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for equal in (equal for condition in conditions.conditions.values() for equal in condition.equals):
        match equal.left.instance, equal.right.instance:
            case (str(one), str(other)):
                facts.append(equal.cnf if one.lower() == other.lower() else ~equal.cnf)
            case (str(text), expression) | (expression, str(text)):
                same = compared[get_hash(expression)].setdefault(text.lower(), equal.cnf)
                facts.append(~(same ^ equal.cnf))
    for texts in compared.values():
        facts += (~(one & other) for one, other in combinations(texts.values(), 2))
    for name, parameter in context.parameters.items():
        allowed = {str(value).lower() for value in parameter.allowed_values or ()}
        texts = compared[get_hash({"Ref": name})]
        facts += (~texts[text] for text in texts.keys() - allowed if allowed)
        if texts and texts.keys() >= allowed > set():
            facts.append(reduce(or_, texts.values()))
    cnf = conditions.cnf.copy()
    for fact in facts:
        cnf.add_prop(fact)
    return context.evolve(conditions=replace(conditions, cnf=cnf))


class _Context(Context):
    """cfn-lint's context, in which each Ref has a value: the known ones first, then an unknown.

    usual: a parameter with a default has no other value.
    """

    template: ClassVar[Template]
    usual: ClassVar[bool] = False

    @classmethod
    def of(cls, context: Context) -> Context:
        if type(context) is cls:
            return context
        return cls(**{field.name: getattr(context, field.name) for field in fields(Context) if field.init})

    def ref_value(self, instance: str) -> Iterator[tuple[Any, Context]]:
        if instance in self.ref_values:
            yield self.ref_values[instance], self
        elif instance == "AWS::NoValue":
            yield ABSENT, self
        elif instance in PSEUDOPARAMS:
            yield self.template.unknown(Reference(PSEUDO, instance)), self
        elif instance in self.parameters:
            yield from self._parameter(instance)
        else:
            kind = PARAMETER if self.template.parameter(instance) else RESOURCE
            yield self.template.unknown(Reference(kind, instance)), self

    def _parameter(self, name: str) -> Iterator[tuple[Any, Context]]:
        known = list(Context.ref_value(self, name))
        if self.parameter_sets:
            # The values of a deployment file: no other ones are possible.
            yield from known
            return
        allowed = bool(self.parameters[name].allowed_values)
        default = self.parameters[name].default
        if self.usual and not (allowed and len(known) == 1):
            # cfn-lint gives the allowed values, and the default where there are none.
            text = default if isinstance(default, list) else str(default)
            known = [] if default is None else [(text, self.evolve(ref_values={name: text}))]
        yield from known
        if not known or not (self.usual or allowed) or self.template.is_no_echo(name):
            yield self.template.unknown(Reference(PARAMETER, name)), self


@dataclass(eq=False)
class Node:
    """An object of a template under some conditions: a resource's properties, or an object inside of them.

    path: where it is. resource: the whole resource it belongs to.
    """

    template: Template
    value: Any
    path: tuple[Any, ...]
    resource: dict[str, Any]
    _validator: Any

    @property
    def logical_id(self) -> str:
        return str(self.path[1])

    @property
    def type(self) -> str:
        return str(self.resource.get("Type"))

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of parameters that were chosen on the way here."""
        return {name: value for name, value in self._validator.context.ref_values.items() if name not in PSEUDOPARAMS}

    def in_one_place(self) -> bool:
        """Whether the conditions or mappings on the way here chose a Region or partition."""
        context = self._validator.context
        decided = self.template.local_conditions & context.conditions.status.keys()
        return bool(decided) or any(place["Ref"] in context.ref_values for place in PLACES)

    def is_called(self, value: Any, name: str) -> bool:
        """Whether a value is what this resource is called: its Ref, or what the property `name` can be."""
        reference = self.template.reference(value)
        if reference and reference.kind == RESOURCE:
            return reference.name == self.logical_id and not reference.attribute
        return value != ABSENT and any(value == given for given, _ in self.values(name))

    def of(self, value: Any, path: tuple[Any, ...]) -> Node:
        """Another value of the same resource under the same conditions."""
        return replace(self, value=value, path=path)

    def beside(self, *types: str) -> Iterator[Node]:
        """The resources of these types that can exist under the conditions of this object."""
        return self.template.resources(*types, within=self._validator.context)

    def whole(self) -> Node:
        """The resource of this object under the same conditions, for its attributes beside Properties."""
        return self.of(self.resource, self.path[:2])

    def values(self, *names: str) -> Iterator[tuple[Any, Node]]:
        """Each value that the property at the end of these names can have; lists and objects as they are written."""
        return self._values(names, usual=False)

    def usual(self, *names: str, default: Any = ABSENT) -> Iterator[tuple[Any, Node]]:
        """The values with every parameter at its default, and `default` for ABSENT."""
        for value, node in self._values(names, usual=True):
            yield default if value == ABSENT else value, node

    def literals(self, name: str) -> Iterator[Any]:
        """The values that the template itself sets, not a parameter."""
        for value, node in self.values(name):
            if value and is_known(value) and not node.parameters:
                yield value

    def items(self, *names: str) -> Iterator[Node]:
        """The items of a list, each once for each value it can have; a list that is unknown is one unknown."""
        for value, node in self.values(*names):
            for index, item in enumerate(value if isinstance(value, list) else [value]):
                for one, where in node.resolve(item):
                    if one != ABSENT:
                        yield where.of(one, (*self.path, *names, *[index] * isinstance(value, list)))

    def lists(self, *names: str) -> Iterator[tuple[list[Any], Node]]:
        """The lists that a property can be, with each combination of their items' values; NoValue left out."""
        for value, node in self.values(*names):
            yield from _combinations(value if isinstance(value, list) else [value], node)

    def resolve(self, expression: Any, usual: bool = False) -> Iterator[tuple[Any, Node]]:
        """The values of an expression under the conditions of this node."""
        parameters = self.template.usual_parameters if usual else self.template.any_parameters
        validator = self._validator.evolve(context=parameters.of(self._validator.context))
        # cfn-lint's resolvers expect what its schemas allow; of anything else nothing is known.
        with suppress(AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError, Unsatisfiable):
            found = (answer for answer in validator.resolve_value(expression) if answer[2] is None)
            for value, where, _ in islice(found, MOST_VALUES):
                yield _plain(value), replace(self, _validator=where)

    def _values(self, names: tuple[str, ...], usual: bool) -> Iterator[tuple[Any, Node]]:
        if not isinstance(self.value, dict):
            return
        name, *rest = names
        written = self.value.get(name)
        if name not in self.value and "Fn::Transform" in self.value:
            yield self.template.unknown(Reference(OTHER, "Fn::Transform")), self
        elif written is None:
            yield ABSENT, self
        else:
            for value, node in self.resolve(written, usual):
                if not rest:
                    yield value, node
                elif isinstance(value, dict):
                    for inner, where in node.of(value, (*self.path, name))._values(tuple(rest), usual):
                        yield inner, replace(self, _validator=where._validator)
                elif isinstance(value, str) and (value == ABSENT or UNKNOWN.search(value)):
                    yield value, node


def _combinations(items: list[Any], node: Node) -> Iterator[tuple[list[Any], Node]]:
    combinations: list[tuple[list[Any], Node]] = [([], node)]
    for item in items:
        combinations = [
            (chosen + (value if isinstance(value, list) else [value] if value != ABSENT else []), where)
            for chosen, before in combinations
            for value, where in before.resolve(item)
        ][:MOST_VALUES]
    yield from combinations


def _plain(value: Any) -> Any:
    """A text without the marks of where it was written, which make comparing slow; Fn::Join leaves NoValue out."""
    if not isinstance(value, str) or value == ABSENT:
        return value
    return str.__str__(value).replace(ABSENT, "")


def is_known(value: Any) -> bool:
    """Whether a value is a text, number or truth value without unknowns and dynamic references."""
    if isinstance(value, str):
        return value != ABSENT and not UNKNOWN.search(value) and not DYNAMIC.search(value)
    return isinstance(value, (int, float))


def known_part(value: Any, unknown: str = "") -> str:
    """A text with something else in place of what is not known in it."""
    return UNKNOWN.sub(unknown, DYNAMIC.sub(unknown, str(value)))


def whole_number(value: Any) -> int | None:
    """A whole number, however it is written; None for anything else."""
    text = str(value)
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else None


def is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def is_false(value: Any) -> bool:
    return str(value).lower() == "false"


@lru_cache(maxsize=1)
def template_of(cfn: Any) -> Template:
    """The template, the same one for every rule."""
    return Template(cfn)


def _resolvers(template: Template) -> dict[str, Any]:
    """cfn-lint's resolvers, with an unknown for what they leave out."""
    own = {
        # Encoding hides nothing: what is encoded is judged.
        "Fn::Base64": lambda validator, instance: validator.resolve_value(instance),
        "Fn::FindInMap": _find_in_map,
        "Fn::GetAtt": _get_att,
        "Fn::Sub": _sub,
        "Fn::ToJsonString": _to_json_string,
    }
    # A Ref always has a value here, and an If has none where neither side is possible.
    complete = ("Fn::If", "Ref")
    return {
        name: resolver if name in complete else partial(_or_unknown, template, name, own.get(name, resolver))
        for name, resolver in fn_resolvers.items()
    }


def _or_unknown(template: Template, name: str, resolver: Any, validator: Any, instance: Any) -> Iterator[Any]:
    found = False
    for value, where, error in resolver(validator, instance):
        if error is None:
            found = True
            yield value, where, None
    if not found:
        sources = tuple(dict.fromkeys(_mentioned(template, instance, validator)))
        written = json.dumps(instance, default=str, sort_keys=True)
        yield template.unknown(Reference(OTHER, name, written, sources)), validator, None


def _get_att(validator: Any, instance: Any) -> Iterator[Any]:
    match instance.split(".", 1) if isinstance(instance, str) else instance:
        case [str() as name, expression]:
            template = validator.context.template
            for attribute, where, _ in validator.resolve_value(expression):
                yield template.unknown(Reference(RESOURCE, str(name), attribute)), where, None


def _sub(validator: Any, instance: Any) -> Iterator[Any]:
    """Fn::Sub as Fn::Join of its pieces, which keeps the conditions of each."""
    text, given = instance if isinstance(instance, list) and len(instance) == 2 else (instance, {})
    if isinstance(text, str) and isinstance(given, dict):
        pieces: list[Any] = []
        for index, piece in enumerate(VARIABLE.split(text)):
            name = piece.strip()
            if index % 2 == 0:
                pieces.append(piece.replace("${!", "${"))
            elif name in given:
                pieces.append(given[name])
            else:
                pieces.append({"Fn::GetAtt": name} if "." in name else {"Ref": name})
        yield from validator.resolve_value({"Fn::Join": ["", pieces]})


def _to_json_string(validator: Any, instance: Any) -> Iterator[Any]:
    """Fn::ToJsonString as Fn::Join of its pieces, where cfn-lint has the functions in it as text."""
    yield from validator.resolve_value({"Fn::Join": ["", list(_json_pieces(instance))]})


def _json_pieces(node: Any) -> Iterator[Any]:
    """An object as JSON, in pieces between which the functions in it stand."""
    if is_function(node)[0] is not None:
        yield from ('"', node, '"')
    elif isinstance(node, dict):
        for index, (key, value) in enumerate(node.items()):
            yield f"{', ' if index else '{'}{json.dumps(str(key))}: "
            yield from _json_pieces(value)
        yield "}" if node else "{}"
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield ", " if index else "["
            yield from _json_pieces(item)
        yield "]" if node else "[]"
    else:
        yield json.dumps(node, default=str)


def _find_in_map(validator: Any, instance: Any) -> Iterator[Any]:
    """The value for each key that is possible; the default where it can be another one."""
    maps = validator.context.mappings.maps
    defaults = [option["DefaultValue"] for option in instance[3:] if "DefaultValue" in option]
    for name, named, _ in validator.resolve_value(instance[0]):
        rows = maps[name].keys if isinstance(name, str) and name in maps else {}
        for top, chosen in _keys(named, instance[1], rows):
            columns = rows[top].keys if top is not None else {}
            for second, where in _keys(chosen, instance[2], columns):
                if second is not None:
                    yield columns[second], where, None
                for default in defaults if second is None else ():
                    yield from where.resolve_value(default)


def _keys(validator: Any, expression: Any, keys: dict[str, Any]) -> Iterator[tuple[str | None, Any]]:
    """The keys that an expression can be; None for another one, as an unknown may be."""
    for value, where, _ in validator.resolve_value(expression):
        reference = validator.context.template.reference(value)
        if reference is None:
            yield str(value) if str(value) in keys else None, where
            continue
        for key in keys:
            # resolve_value drops what contradicts the conditions so far.
            chosen = {reference.name: key} if reference.kind in (PARAMETER, PSEUDO) else {}
            yield key, where.evolve(context=where.context.evolve(ref_values=chosen))
        yield None, where


def _mentioned(template: Template, node: Any, validator: Any) -> Iterator[Reference]:
    """The references in an expression that has no value of its own."""
    name, _ = is_function(node)
    if isinstance(node, str):
        yield from template.references(node)
    elif name is not None:
        for value, _, _ in validator.resolve_value(node):
            yield from template.references(value)
    else:
        for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            yield from _mentioned(template, item, validator)
