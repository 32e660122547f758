"""The space of a sweep: what a trial may set, as Optuna suggests it, and the params.yaml that comes of it.

A tree is params.yaml as plain data; values are what a trial sets in it, by their dotted places.
"""

import copy
import difflib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial
from pydantic import TypeAdapter, ValidationError

from components.errors import ParamsError
from components.params import Params
from components.params.schema import fields_at
from components.params.sections import (
    AnyDimension,
    AnyParams,
    Choice,
    Conditional,
    Dimension,
    Grid,
    Integer,
    LogUniform,
    Quantised,
    Uniform,
)

Tree = dict[str, Any]
Values = dict[str, Any]
Space = Mapping[str, AnyDimension]
CHECKED: TypeAdapter[Params] = TypeAdapter(AnyParams)
SWEPT = ("seed", "prepare", "augment", "train")
"""What a trial may set: other sections decide which samples are compared, or what happens after training."""
DIGITS = 4
"""Significant digits of a drawn value: more mean nothing, and a person has to read them in params.yaml."""
EXACT = 12
"""Those of a value that was asked for: all but the noise of adding steps."""


def tree_of(params: Params) -> Tree:
    """params.yaml as plain data."""
    return params.model_dump(mode="json", by_alias=True)


def applied(tree: Tree, values: Values) -> Tree:
    """A copy of the tree with the values set in it; a missing last key is added.

    Raises:
        ParamsError: a value stands in a section that the tree does not have.
    """
    changed = copy.deepcopy(tree)
    for place, value in values.items():
        *sections, name = place.split(".")
        node: Any = changed
        for key in sections:
            node = node.get(key)
            if not isinstance(node, dict):
                raise ParamsError(
                    f"{place}: there is no section {key} here. Set one in params.yaml, or let a choice that stands "
                    "before it in the space give one."
                )
        node[name] = copy.deepcopy(value)
    return changed


def found(tree: Tree, place: str) -> Any:
    """What stands at a place; None where there is nothing."""
    node: Any = tree
    for key in place.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def suggest(space: Space, tree: Tree, trial: Trial) -> Values:
    """The values of a trial, asked for in the order of the space; a condition looks at what was set before it."""
    return _filled(space, tree, lambda place, dimension: suggested(dimension, place, trial))


def _filled(space: Space, tree: Tree, value: Callable[[str, Dimension], Any]) -> Values:
    values: Values = {}
    for place, dimension in space.items():
        if not isinstance(dimension, Conditional):
            values[place] = value(place, dimension)
        elif found(applied(tree, values), dimension.where) in dimension.equals:
            values[place] = value(place, dimension.then)
    return values


def suggested(dimension: Dimension, place: str, trial: Trial) -> Any:
    """One value that Optuna suggests."""
    value = _asked(trial, place, distribution(dimension))
    match dimension:
        case Choice() | Grid() | Quantised():
            return listed(dimension)[value]
        case Integer():
            return value
        case Uniform(low=low, high=high) | LogUniform(low=low, high=high):
            return min(max(rounded(value), low), high)


def _asked(trial: Trial, place: str, among: BaseDistribution) -> Any:
    match among:
        case FloatDistribution():
            return trial.suggest_float(place, among.low, among.high, step=among.step, log=among.log)
        case IntDistribution():
            return trial.suggest_int(place, among.low, among.high, log=among.log)
        case CategoricalDistribution():
            return trial.suggest_categorical(place, among.choices)
        case _:
            raise TypeError(f"{type(among).__name__} is no distribution of a dimension")


def distribution(dimension: AnyDimension) -> BaseDistribution:
    """What Optuna draws from; of what is listed, the number of the value in the list."""
    match dimension:
        case Conditional(then=then):
            return distribution(then)
        case Choice() | Grid():
            return CategoricalDistribution(range(len(listed(dimension))))
        case Quantised():
            return IntDistribution(0, len(listed(dimension)) - 1)
        case Integer(low=low, high=high, log=log):
            return IntDistribution(low, high, log=log)
        case Uniform(low=low, high=high) | LogUniform(low=low, high=high):
            return FloatDistribution(low, high, log=isinstance(dimension, LogUniform))


def drawn(dimension: AnyDimension, value: Any) -> Any:
    """A value as Optuna would have drawn it; None: it is none of the dimension's."""
    match dimension:
        case Conditional(then=then):
            return drawn(then, value)
        case Choice() | Grid() | Quantised():
            values = listed(dimension)
            return values.index(value) if value in values else None
        case _:
            plain = isinstance(value, int | float) and not isinstance(value, bool)
            return value if plain and distribution(dimension)._contains(value) else None


def standing(space: Space, tree: Tree) -> dict[str, Any] | None:
    """What Optuna would have drawn to get the tree as it is; None: it lies outside of the space."""
    values = _filled(space, tree, lambda place, dimension: drawn(dimension, found(tree, place)))
    return None if any(value is None for value in values.values()) else values


def rounded(value: float, digits: int = DIGITS) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")


def listed(dimension: Dimension) -> list[Any]:
    """Every value of a countable dimension, in order.

    Raises:
        ValueError: it is continuous.
    """
    match dimension:
        case Choice(values=values):
            return list(values)
        case Grid(low=low, high=high, points=points, log=log):
            spread = np.geomspace if log else np.linspace
            return [rounded(float(value), EXACT) for value in spread(low, high, points)]
        case Quantised(low=low, high=high, step=step):
            return [rounded(low + step * index, EXACT) for index in range(math.floor((high - low) / step + 1e-9) + 1)]
        case Integer(low=low, high=high):
            return list(range(low, high + 1))
        case _:
            raise ValueError(f"{dimension.kind} is continuous")


def grid(space: Space, tree: Tree) -> list[Values]:
    """Every combination, each once: where a condition does not hold, its dimension multiplies nothing."""
    unconditional = {
        place: listed(dimension.then if isinstance(dimension, Conditional) else dimension)
        for place, dimension in space.items()
    }
    combinations = (
        dict(zip(unconditional, values, strict=True)) for values in itertools.product(*unconditional.values())
    )
    distinct: dict[str, Values] = {}
    for combination in combinations:
        values = _filled(space, tree, lambda place, _, chosen=combination: chosen[place])  # type: ignore[misc]
        distinct.setdefault(repr(values), values)
    return list(distinct.values())


def shortened(params: Params, epochs: int) -> Params:
    """params.yaml with the epochs of a trial.

    Raises:
        ParamsError: they are too few for something else in it, such as the warmup.
    """
    tree, changed = tree_of(params), {"train.epochs": epochs}
    fault = _refused(tree, changed)
    if fault:
        raise ParamsError(f"sweep.budget.epochs: a trial of {epochs} epochs cannot be run. {fault}; nothing was run.")
    return CHECKED.validate_python(applied(tree, changed))


def check_space(space: Space, params: Params) -> None:
    """Makes sure before any work that every value of a space is one that params.yaml takes.

    Raises:
        ParamsError: a place is unknown or may not be swept, or a value will not do; says which and why.
    """
    tree = tree_of(params)
    faults = [fault for place, dimension in space.items() for fault in _faults_of_place(place, dimension, tree)]
    faults = faults or list(_faults_of_order(space))
    faults = faults or list(_faults_of_values(space, tree))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ParamsError(f"The space of the sweep has {count}; nothing was run.\n" + "\n".join(faults))


def _faults_of_place(place: str, dimension: AnyDimension, tree: Tree) -> Iterator[str]:
    head = f"  sweep.space.{place}:"
    section = place.partition(".")[0]
    if section not in SWEPT and section in tree:
        yield (
            f"{head} {section} may not be swept: it decides what the trials are compared on, or follows after them. "
            f"Vary {', '.join(SWEPT)}."
        )
    elif place in ("train.devices", "train.strategy"):
        yield f"{head} a trial trains on one device. Take it out of the space."
    elif place == "train.epochs":
        yield f"{head} the epochs of a trial are those of sweep.budget.epochs. Take it out of the space."
    else:
        named = [place, dimension.where] if isinstance(dimension, Conditional) else [place]
        for each in named:
            yield from (f"{head} {fault}" for fault in _unknown(each, tree))


def _faults_of_order(space: Space) -> Iterator[str]:
    """What a later place of the space would undo or decide: values are set in its order."""
    places = list(space)
    for place, dimension in space.items():
        for later in places[places.index(place) + 1 :]:
            if _holds(later, place):
                yield f"  sweep.space.{place}: {later}, which stands behind it, would overwrite it. Write that first."
            if isinstance(dimension, Conditional) and _holds(later, dimension.where):
                yield f"  sweep.space.{place}: {later}, which decides about it, stands behind it. Write that first."


def _holds(section: str, place: str) -> bool:
    """Whether a place is another one, or lies below it."""
    return place == section or place.startswith(f"{section}.")


def _unknown(place: str, tree: Tree) -> Iterator[str]:
    """That a place is none of the schema; in which of its alternatives it is one, the values show."""
    *parent, name = place.split(".")
    known = fields_at(tuple(parent), tree["task"])
    if name not in known:
        close = difflib.get_close_matches(name, sorted(known), n=1)
        hint = f"Did you mean {'.'.join([*parent, close[0]])}?" if close else "'tunesmith params' lists every place."
        yield f"{place} is no place of params.yaml. {hint}"


def _faults_of_values(space: Space, tree: Tree) -> Iterator[str]:
    """Each extreme of each dimension, with the first values of the others."""
    for place, dimension in space.items():
        inner = dimension.then if isinstance(dimension, Conditional) else dimension
        told: set[str] = set()
        for value in extremes(inner):
            for others in _settings(space, tree, place):
                fault = _refused(tree, {**others, place: value})
                if fault and fault not in told:
                    told.add(fault)
                    yield f"  sweep.space.{place}: {value!r} will not do: {fault}"
                    break


def extremes(dimension: Dimension) -> list[Any]:
    """The values of a dimension that may break a rule: every listed one, or both ends."""
    match dimension:
        case Choice():
            return listed(dimension)
        case Grid() | Quantised():
            return [listed(dimension)[0], listed(dimension)[-1]]
        case _:
            return [dimension.low, dimension.high]


def _settings(space: Space, tree: Tree, place: str) -> Iterator[Values]:
    """What else is set where a dimension exists: the first values of the others, and what meets its condition."""
    dimension = space[place]
    decides = dimension.where if isinstance(dimension, Conditional) else ""
    choices = {
        name: listed(other)
        for name, other in space.items()
        if name != place
        and (isinstance(other, Choice) or (isinstance(other, Grid | Quantised | Integer) and _holds(name, decides)))
    }
    for combination in itertools.islice(itertools.product(*choices.values()), 256):
        chosen = dict(zip(choices, combination, strict=True))
        others = _filled(
            {name: other for name, other in space.items() if name != place},
            tree,
            lambda name, other, chosen=chosen: chosen.get(name, extremes(other)[0]),  # type: ignore[misc]
        )
        if not isinstance(dimension, Conditional) or found(applied(tree, others), dimension.where) in dimension.equals:
            yield others


def _refused(tree: Tree, values: Values) -> str | None:
    """Why a tree with some values is no params.yaml; None: it is one."""
    try:
        CHECKED.validate_python(applied(tree, values))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"][1:])
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
    except ParamsError as error:
        return str(error)
    return None
