"""Choose which variables are transformed together, along which axes and how, by the bytes of a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from baler_core.builtin.models.fields.codec import JointFields, Prepared, Sketch
from baler_core.builtin.models.fields.layout import Arrangement, arrangements_of
from baler_core.builtin.models.fields.transform.joint_fields import FieldBlock, PlannedBlock, ScaledField
from baler_core.builtin.models.fields.transform.sampled_block import SampledBlock, whole_size
from baler_core.builtin.models.fields.transform.search import choose_step, choose_transform
from baler_core.builtin.models.fields.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import Effort

# Arrangements whose samples differ by less than this factor are measured on a whole block.
_CLOSE: Mapping[Effort, float] = {"fast": 1.0, "balanced": 1.0, "max": 1.25}
# Transforms that with little effort take so many times the bytes of another model are not planned any further.
_FAR_BEHIND = 1.08
# Transforms of which a sample takes less than this share are certain to be ahead.
_AHEAD = 0.85
# How many times too large samples make transforms look at most, of many and of few bits per value.
_LEEWAY, _FEW_BITS = (1.3, 1.75), 2.0
# Images of fewer bytes per value may have rows that are alike.
_SMOOTH = 0.06
# What coding takes of what is counted; and how much more for each bit of a value beyond the first two, up to most: there
# mixing finds less to tell. Measured on climate, flow, radio and infrared images.
_COUNTED: Mapping[Effort, float] = {"fast": 0.94, "balanced": 0.915}
_NOISY_BITS, _NOISE, _MOST_NOISE = 2.0, 0.008, 0.05


def sketch_fields(members: Sequence[Prepared], effort: Effort) -> Sketch:
    """Plan all `members`, which have one shape: all together, or each by itself."""
    plans = _plans(members, effort if effort == "max" else "fast")
    if effort == "max":
        return Sketch([], 1.0, lambda rival: in_parallel(_planned, plans))
    rough = in_parallel(lambda pair: pair[0].sketched(pair[1]), plans)
    values = sum(member.field.values.size for member in members)
    few = 8 * sum(fields.expected for fields in rough) < _FEW_BITS * values
    return Sketch(rough, _LEEWAY[few], lambda rival: _finished(plans, effort, rival))


def _finished(plans: Sequence[tuple[_Plan, Sequence[Prepared]]], effort: Effort, rival: float) -> list[JointFields]:
    """Plan joint fields on whole tiles; no more is tried where transforms are far behind what another model expects."""
    # samples make transforms look larger than they are
    if effort == "fast" or sum(plan.counted for plan, _ in plans) > _AHEAD * rival:
        found = in_parallel(_planned, plans)
        if effort == "fast" or sum(fields.expected for fields in found) > _FAR_BEHIND * rival:
            return found
    return in_parallel(lambda pair: pair[0].refined(pair[1], effort), plans)


def _plans(members: Sequence[Prepared], effort: Effort) -> list[tuple[_Plan, Sequence[Prepared]]]:
    """Plan joint fields, and say who is in them."""
    fields = [member.field for member in members]
    choices = arrangements_of([m.variable for m in members], fields[0].values.shape, members[0].chunk)
    if effort == "fast":  # fields of one grid are mostly alike
        first = _best([fields[0]], choices, effort)
        others = in_parallel(lambda field: _Plan([field], first.arrangement, effort, (first.time,)), fields[1:])
        alone = [first, *others]
    else:
        alone = in_parallel(lambda field: _best([field], choices, effort), fields)
    if len(fields) > 1:
        worst = max(alone, key=_expected)
        together = _Plan(fields, worst.arrangement, effort, (worst.time,))
        if effort == "max":  # samples are smaller shares of more fields, and let expect up to twice the bytes
            in_parallel(_Plan.measure, [together, *alone])
        if together.expected < sum(plan.expected for plan in alone):
            return [(together, members)]
    return [(plan, [member]) for plan, member in zip(alone, members, strict=True)]


def _best(fields: Sequence[ScaledField], choices: Sequence[Arrangement], effort: Effort) -> _Plan:
    plans = [_Plan(fields, choices[0], effort)]
    # what serves along one axis mostly serves along others
    values = len(fields) * fields[0].values.size
    rough_image = choices[0].shape(fields[0].values.shape)[0] == 1 and plans[0].expected > _SMOOTH * values
    others = () if rough_image and effort == "fast" else ("basis",)
    times = TIME_TRANSFORMS if effort == "max" else (plans[0].time, *others)
    plans += in_parallel(lambda choice: _Plan(fields, choice, effort, tuple(dict.fromkeys(times))), choices[1:])
    least = min(plans, key=_expected)
    close = [plan for plan in plans if plan.expected < _CLOSE[effort] * least.expected]
    if len(close) < 2:
        return least
    in_parallel(_Plan.measure, close)
    return min(close, key=_expected)


class _Plan:
    """Fields in one arrangement: the best transform of their middle block, and bytes of all blocks."""

    def __init__(
        self,
        fields: Sequence[ScaledField],
        arrangement: Arrangement,
        effort: Effort,
        times: Sequence[TimeTransform] = TIME_TRANSFORMS,
    ) -> None:
        self.arrangement = arrangement
        self._effort = effort
        places = arrangement.time_blocks(fields[0].values.shape)
        self._blocks = [FieldBlock(fields, arrangement, place) for place in places]
        self._sampled = SampledBlock(self._blocks[len(places) // 2], effort)
        self._recipe = choose_transform(self._sampled, times)
        size = self._sampled.size if effort == "max" else self._sampled.compared
        self.expected = size(self._recipe) * len(self._blocks)
        self._measured = False

    @property
    def time(self) -> TimeTransform:
        """The best transform along time."""
        return self._recipe.time

    @property
    def counted(self) -> float:
        """Bytes by counting the sample, corrections too."""
        return self._sampled.counted(self._recipe) * len(self._blocks)

    def measure(self) -> None:
        """Code the first, the middle and the last block whole, unless that was done: samples may miss what is hard."""
        if self._measured:
            return
        last = len(self._blocks) - 1
        numbers = {0, (last + 1) // 2, last}
        sizes = in_parallel(lambda number: whole_size(self._blocks[number], self._recipe), sorted(numbers))
        self.expected = sum(sizes) / len(sizes) * (last + 1)
        self._measured = True

    def sketched(self, members: Sequence[Prepared]) -> JointFields:
        """Return joint fields with what the sample takes by the best step of the quantiser."""
        recipe = choose_step(self._sampled, self._recipe, self._effort)
        expected = _COUNTED["fast"] * self._sampled.counted(recipe) * len(self._blocks)
        return JointFields(tuple(members), self.arrangement, expected)

    def refined(self, members: Sequence[Prepared], effort: Effort) -> JointFields:
        """Plan joint fields with a step of the quantiser that was looked for with more effort."""
        self._effort, self._sampled = effort, SampledBlock(self._sampled.block, effort)
        return self.planned(members)

    def planned(self, members: Sequence[Prepared]) -> JointFields:
        """Plan joint fields with the best step of the quantiser."""
        recipe = choose_step(self._sampled, self._recipe, self._effort)
        analysed = None
        if self._effort != "max":
            analysed, size = self._sampled.analyse(recipe)
            expected = self._coded(size) * len(self._blocks)
        else:
            self.measure()
            expected = self.expected * self._sampled.size(recipe) / max(1.0, self._sampled.size(self._recipe))
        self._sampled.forget()
        return JointFields(tuple(members), self.arrangement, expected, PlannedBlock(recipe, analysed))

    def _coded(self, counted: float) -> float:
        """Return what coding a block takes, if so many bytes of it were counted."""
        if self._effort == "fast":
            return _COUNTED["fast"] * counted
        noise = _NOISE * (8 * counted / max(1, math.prod(self._sampled.block.shape)) - _NOISY_BITS)
        return (_COUNTED["balanced"] + min(max(noise, 0.0), _MOST_NOISE)) * counted


def _planned(pair: tuple[_Plan, Sequence[Prepared]]) -> JointFields:
    return pair[0].planned(pair[1])


def _expected(plan: _Plan) -> float:
    return plan.expected
