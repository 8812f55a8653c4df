"""Imported exports, which CloudFormation neither changes nor deletes.

Facts: user guide, "Get exported outputs from a deployed CloudFormation stack": "After another stack imports an output
value, you can't delete the stack that is exporting the output value or modify the exported output value". An update
fails at its end and rolls back. The messages are those of the knowledge centre, cloudformation-stack-export-name
-error; a newer one reads "Delete canceled. Cannot delete export X as it is in use by Y.". An import counts if Fn::If
chooses it, in a resource or output whose condition is true (user guide, "Conditions"; imports are not mentioned).

API reference, ListImports: "Lists all stacks that are importing an exported output value". Assumption: a stack that is
being updated is one of them.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _exports, _stacks, engine, handlers, stacks
from ministack.services.cloudformation.helpers import _error, _esc, _p, _xml

CREATED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
UPDATING = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")


def install() -> None:
    imported = handlers._imported_export_names
    resolve = stacks._resolve_stack_outputs
    delete, list_imports = handlers._ACTION_HANDLERS["DeleteStack"], handlers._ACTION_HANDLERS["ListImports"]

    def resolved(*arguments: Any) -> Any:
        stack_id = arguments[-1]
        outputs, new = resolve(*arguments)
        dropped = []
        for name, old in list(_exports.items()):
            if old["StackId"] == stack_id:
                if name not in new:
                    refuse_if_imported(name, "deleted")
                    dropped.append(name)
                elif old["Value"] != new[name]["Value"]:
                    refuse_if_imported(name, "updated")
            elif name in new:
                raise ValueError(
                    f"Export with name {name} is already exported by stack {old['StackId'].split('/')[1]}."
                )
        for name in dropped:
            del _exports[name]
        return outputs, new

    def deleted(params: Any) -> Any:
        stack = handlers._resolve_stack(_p(params, "StackName"))
        if stack and not stack.get("EnableTerminationProtection") and stack["StackStatus"] != "DELETE_COMPLETE":
            for name, export in list(_exports.items()):
                if export["StackId"] == stack["StackId"]:
                    try:
                        refuse_if_imported(name, "deleted")
                    except ValueError as error:
                        return _error("ValidationError", str(error))
        return delete(params)

    def listed(params: Any) -> Any:
        name = _p(params, "ExportName")
        importers = [
            importer
            for importer, stack in _stacks.items()
            if stack["StackStatus"] in (*CREATED, *UPDATING)
            and name in handlers._imported_export_names(stack, importer)
        ]
        if not importers:
            return list_imports(params)
        members = "".join(f"<member>{_esc(importer)}</member>" for importer in sorted(importers))
        return _xml(200, "ListImportsResponse", f"<ListImportsResult><Imports>{members}</Imports></ListImportsResult>")

    handlers._imported_export_names = lambda stack, name: imported({**stack, "_template": chosen(stack)}, name)
    stacks._resolve_stack_outputs = resolved
    handlers._ACTION_HANDLERS.update(DeleteStack=deleted, ListImports=listed)


def chosen(stack: dict[str, Any]) -> dict[str, Any]:
    """The stack's template without the parts that its conditions exclude."""
    template = stack.get("_template") or {}
    conditions = engine._evaluate_conditions(template, stack.get("_resolved_params", {})) if template else {}

    def choose(node: Any) -> Any:
        match node:
            case {"Fn::If": [condition, yes, no]}:
                return choose(yes if conditions[condition] else no)
            case dict():
                return {key: choose(value) for key, value in node.items()}
            case list():
                return [choose(value) for value in node]
        return node

    sections = {
        section: {
            name: choose(body)
            for name, body in template.get(section, {}).items()
            if conditions.get(body.get("Condition"), True)
        }
        for section in ("Resources", "Outputs")
    }
    return {**template, **sections}


def refuse_if_imported(name: str, fate: str) -> None:
    for importer, stack in _stacks.items():
        if stack["StackStatus"] != "DELETE_COMPLETE" and name in handlers._imported_export_names(stack, importer):
            raise ValueError(f"Export {name} cannot be {fate} as it is in use by {importer}")
