"""Gradients of quantities computed from a trajectory, with memory that grows as the square root of its length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from labkit.base import Integrator, Potential, State
from labkit.engine.health import Health
from labkit.errors import LabkitError

Observe = Callable[[State], Tensor]
_FIELDS = ("positions", "velocities", "cell", "forces", "energy")


def rollout(
    state: State,
    potential: Potential,
    integrator: Integrator,
    steps: int,
    dt: float,
    *,
    observe: Observe | None = None,
    every: int = 1,
    parameters: Iterable[Tensor] = (),
    segment: int | None = None,
) -> tuple[State, Tensor | None]:
    """The state after `steps` steps of `dt` fs and `observe` of every `every`-th one, stacked; both differentiable.

    Gradients reach the tensors that require them in the state (positions, velocities, cell), the potential, the
    integrator and `observe`, if it is a module; list others in `parameters`. Only the state between segments of
    √steps steps (or `segment`) is kept; each is computed again, with the same noise and neighbour lists, when its
    gradient is needed: memory grows as √steps, the time is that of a plain graph plus one run. With `segment` = `steps`
    it is one plain graph. Gradients are first derivatives, and under constraints those of the constrained motion.

    state    its forces are computed again
    observe  State -> tensor of any one shape (...); the result is (steps // every, ...), or None without it

    Raises LabkitError for a tensor whose gradient would be lost, and, with step and atoms, if the motion explodes. The
    scheme: Griewank and Walther, ACM Trans. Math. Softw. 26, 19 (2000), with one level.

    >>> end, _ = rollout(state, forcefield, VelocityVerlet(), 400, 0.5)  # doctest: +SKIP
    >>> end.positions.square().sum().backward()  # doctest: +SKIP
    """
    _check(steps, dt, every, segment)
    followed = _unique([*parameters, *_tensors(potential), *_tensors(integrator), *_tensors(observe)])
    potential.reset()
    state = integrator.init(state, potential)
    plan = _Plan(potential, integrator, float(dt), observe, every, followed)
    size, seen = segment or math.ceil(math.sqrt(steps)), []
    plain = size >= steps  # one graph, in which nothing can be missed
    if torch.is_grad_enabled() and not plain:
        plan.refuse_unseen(state)
    health, last = Health(state, dt), state.loop_step + steps
    plan.origin = state.loop_step
    while state.loop_step < last:
        piece = _Segment(plan, state, min(size, last - state.loop_step))
        before, (state, found) = state, piece.advanced(plain)
        seen += found
        if not health.good(state):
            complaint = health.complaint(state)
            raise LabkitError(
                f"between steps {before.loop_step} and {state.loop_step}: {complaint}; most often the timestep is too "
                f"large (it is {dt:g} fs), or a parameter has left its sensible range: take smaller steps in both"
            )
    return state, torch.stack(seen) if seen else None


@dataclass(eq=False)
class _Plan:
    """Shared by all segments; `followed` are the tensors outside the state that require gradients."""

    potential: Potential
    integrator: Integrator
    dt: float
    observe: Observe | None
    every: int
    followed: list[Tensor]
    origin: int = 0

    def refuse_unseen(self, state: State) -> None:
        """Raise LabkitError if a step or `observe` depends on a tensor that the segments would not track."""
        own = _Segment(self, state, 1)
        leaves = [_cut(tensor) for tensor in own.given]
        with torch.enable_grad():
            after = self.integrator.step(own.state(leaves), self.potential, self.dt)
            results = _values(after)
            results += [self.observe(after)] if self.observe is not None else []
        known = {id(tensor) for tensor in (*leaves, *self.followed)}
        past = {tensor.grad_fn for tensor in self.followed if tensor.grad_fn is not None}
        todo = [tensor.grad_fn for tensor in results if isinstance(tensor, Tensor) and tensor.grad_fn is not None]
        while todo:
            node = todo.pop()
            if node in past:
                continue
            past.add(node)
            leaf = getattr(node, "variable", None)
            if leaf is not None and id(leaf) not in known:
                raise LabkitError(
                    f"a tensor of shape {tuple(leaf.shape)} that requires gradients is used, but is neither "
                    "in the state nor in the potential, the integrator or observe; give it in parameters=[...]"
                )
            todo += [following for following, _ in node.next_functions if following is not None]


@dataclass(eq=False)
class _Segment:
    """Some steps as a function of tensors: those of the state, then those of `plan.followed`."""

    plan: _Plan
    start: State
    steps: int
    more: list[tuple[str, str]] = field(default_factory=list)  # scopes and names of aux at the end

    @property
    def given(self) -> list[Tensor]:
        return _values(self.start)

    def state(self, tensors: Sequence[Tensor]) -> State:
        """The state at the start, made of these tensors."""
        return _replaced(self.start, tensors, _names(self.start))

    def advanced(self, plain: bool) -> tuple[State, list[Tensor]]:
        """The state at the end and what was observed, linked to the start by a graph or a node that recomputes it."""
        tensors = [*self.given, *self.plan.followed]
        if not plain and torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
            found = list(_Recomputed.apply(self, *tensors))
        else:
            found = self.run(self.given, follow=plain)
        values = [found.pop(0) for _ in range(len(_FIELDS) + len(self.more))]
        return _replaced(self.start, values, self.more).replace(step=self.start.step + self.steps), found

    def run(self, tensors: Sequence[Tensor], *, follow: bool) -> list[Tensor]:
        """Results of the steps, in a graph from `tensors` or detached at each step."""
        plan, state, seen = self.plan, self.state(tensors), []
        plan.potential.reset()  # the neighbour list is always built here, whenever this is computed
        for _ in range(self.steps):
            state = plan.integrator.step(state, plan.potential, plan.dt)
            if not follow:
                state = _replaced(state, [_cut(tensor) for tensor in _values(state)], _names(state))
            if plan.observe is not None and (state.loop_step - plan.origin) % plan.every == 0:
                seen.append(_observed(plan.observe, state))
        self.more = _names(state)
        return _values(state) + seen


class _Recomputed(torch.autograd.Function):
    """A segment whose graph is built when it is needed. Not torch.utils.checkpoint: a force is itself a gradient, and
    computing one within a checkpoint repeats all that is before it."""

    @staticmethod
    def forward(ctx: Any, segment: _Segment, *tensors: Tensor) -> tuple[Tensor, ...]:
        with torch.enable_grad():  # the same operations as in backward, hence the same bits
            found = segment.run([_cut(tensor) for tensor in tensors[: len(segment.given)]], follow=False)
        results = [tensor.detach().clone() for tensor in found]
        ctx.mark_non_differentiable(*(r for r, t in zip(results, found, strict=True) if not t.requires_grad))
        ctx.save_for_backward(*tensors)
        ctx.segment = segment
        return tuple(results)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        segment, tensors = ctx.segment, ctx.saved_tensors
        own = len(segment.given)
        leaves = [_cut(tensor) for tensor in tensors[:own]]
        with torch.enable_grad():
            results = segment.run(leaves, follow=True)
        ends = [(r, g) for r, g in zip(results, gradients, strict=True) if r.requires_grad]
        inputs = [*leaves, *segment.plan.followed]
        wanted = [tensor for tensor in inputs if tensor.requires_grad]
        ends, slopes = zip(*ends, strict=True)
        found = iter(torch.autograd.grad(ends, wanted, slopes, allow_unused=True))
        return None, *(next(found) if tensor.requires_grad else None for tensor in inputs)


def _names(state: State) -> list[tuple[str, str]]:
    """Scope and name of all entries of aux."""
    return [(scope, name) for scope in ("aux", "atom_aux") for name in getattr(state, scope)]


def _values(state: State) -> list[Tensor]:
    """The tensors that change, in the order of `_FIELDS` and `_names`."""
    more = [getattr(state, scope)[name] for scope, name in _names(state)]
    return [getattr(state, name) for name in _FIELDS] + more


def _replaced(state: State, values: Sequence[Tensor], more: Sequence[tuple[str, str]]) -> State:
    """The state with these values, of which those after the fields have the names `more`."""
    rows: dict[str, dict[str, Tensor]] = {"aux": {}, "atom_aux": {}}
    for (scope, name), value in zip(more, values[len(_FIELDS) :], strict=False):
        rows[scope][name] = value
    return state.replace(**dict(zip(_FIELDS, values, strict=False)), **rows)


def _cut(tensor: Tensor) -> Tensor:
    """The same numbers as a leaf that requires a gradient if the tensor did."""
    return tensor.detach().requires_grad_(tensor.requires_grad)


def _observed(observe: Observe, state: State) -> Tensor:
    found = observe(state)
    if not isinstance(found, Tensor):
        raise LabkitError(f"observe returned {type(found).__name__}, expected a tensor computed from the state")
    return found


def _tensors(thing: Any) -> list[Tensor]:
    """Tensors with gradients of a module (also plain attributes), or of a dataclass."""
    if isinstance(thing, nn.Module):
        values = [value for module in thing.modules() for value in vars(module).values()]
        return [
            t for t in (*thing.parameters(), *thing.buffers(), *values) if isinstance(t, Tensor) and t.requires_grad
        ]
    if is_dataclass(thing):
        values = [getattr(thing, f.name) for f in fields(thing)]
        return [t for t in values if isinstance(t, Tensor) and t.requires_grad]
    return []


def _unique(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list({id(tensor): tensor for tensor in tensors if tensor.requires_grad}.values())


def _check(steps: int, dt: float, every: int, segment: int | None) -> None:
    for name, value, least in (("steps", steps, 0), ("every", every, 1), ("segment", segment or 1, 1)):
        if int(value) != value or value < least:
            raise LabkitError(f"{name} is {value!r}; expected a whole number from {least}")
    if not (dt == dt and 0 < abs(dt) < math.inf):
        raise LabkitError(f"dt is {dt!r} fs; expected a timestep such as 0.5")
