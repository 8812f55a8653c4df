"""CloudWatch's metric math: an expression and the series that it names in, a series out."""

from __future__ import annotations

from collections.abc import Mapping

# By the moment, as CloudWatch's API has it.
Series = dict[float, float]


class Missing(float):
    """No data point. In a sum it counts as 0, so "missing + 0" is 0 (compiler-explorer/infra 1661)."""


# CloudWatch user guide, "Using math expressions with CloudWatch metrics": the functions that are used here.
FUNCTIONS = {
    "FILL": lambda value, other: other if isinstance(value, Missing) else value,
    "IF": lambda condition, value, other: value if condition else other,
    "MAX": max,
}


def evaluated(expression: str, series: Mapping[str, Series]) -> Series:
    """The value of the expression at each moment at which any series has one. Its syntax is also Python's."""
    code = compile(expression, "<metric math>", "eval")
    used = {name: series[name] for name in code.co_names if name in series}

    def value(moment: float) -> float:
        here = {name: values.get(moment, Missing()) for name, values in used.items()}
        return float(eval(code, {"__builtins__": {}, **FUNCTIONS}, here))

    return {moment: value(moment) for moment in sorted({moment for values in used.values() for moment in values})}
