"""Choose how fields are held, which are predicted together and along which axes, by the bytes of a sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

import numpy as np

from baler_core.builtin.models.fields.codec import JointFields, Prepared, Sketch
from baler_core.builtin.models.fields.layout import Arrangement, Box, arrangements_of
from baler_core.builtin.models.fields.predictive.decoded_image import DecodedImage, decoded_image
from baler_core.builtin.models.fields.predictive.estimate import estimated_rate, glance, probe
from baler_core.builtin.models.fields.predictive.field import Integers
from baler_core.builtin.models.fields.predictive.held import SteppedField
from baler_core.builtin.models.fields.predictive.joint_fields import gather
from baler_core.builtin.models.fields.predictive.phases import best_phases
from baler_core.builtin.models.fields.predictive.stencil_fit import counted_size, encode_integers
from baler_core.machine.progress import bits_per_value, shown
from baler_core.machine.records import dataclass
from baler_core.machine.threads import both, in_parallel
from baler_core.plugin.interfaces import Effort
from baler_core.quantise.lattice import IntegerLattice
from baler_core.quantise.units import Units

_SAMPLE: Mapping[Effort, int] = {"fast": 1 << 16, "balanced": 1 << 16, "max": 1 << 17}
_THOROUGH_SAMPLE, _IMAGE_SAMPLE = 3 << 15, 1 << 19
# Values looked at for an estimate; how far behind the best one in it, by factor and bytes per value, others may be.
_FEW = 1 << 15
_BEHIND: Mapping[Effort, float] = {"fast": 1.0, "balanced": 1.1, "max": 1.1}
_NEAR = 0.008
# Bytes per value that are few, and many.
_FEW_BYTES, _MANY = 0.125, 0.25
_FEWEST_FRAMES, _FRAMES = 16, 96
# How many times too large samples make predicted fields look at most.
_LEEWAY = 1.6
# Fields of which a glance expects so many times the bytes of another model are not looked at any further.
_FAR_BEHIND = 1.06
# Choices that differ by less than this factor are near each other.
_CLOSE = 1.03
_ADVANTAGE = 0.97


@dataclass(frozen=True)
class _Choice:
    """How one field is held and arranged, and bytes per value of a sample."""

    rate: float
    field: SteppedField
    arrangement: Arrangement


def sketch_fields(members: Sequence[Prepared], effort: Effort) -> Sketch:
    """Plan all `members`: all together, or each by itself, in the order given, decoded images last; a rival changes nothing."""
    decoded = {id(m): image for m in members if not m.chunk and (image := _decoded(m.field[0], effort)) is not None}
    others = [member for member in members if id(member) not in decoded]
    together = _joined_fields(others, effort) if others else []
    alone = [(_joined_fields([m], effort)[0], decoded[id(m)]) for m in members if id(m) in decoded]

    def finish(rival: float) -> list[JointFields]:
        if effort == "fast" and not alone and sum(fields.expected for fields in together) > rival:
            seen = in_parallel(lambda fields: glance(fields, effort), together)
            if sum(fields.expected for fields in seen) > _FAR_BEHIND * rival:
                return seen
        probed = in_parallel(lambda fields: probe(fields, effort), [*together, *(fields for fields, _ in alone)])
        images = [image for _, image in alone]
        return [*probed[: len(together)], *map(_smaller, probed[len(together) :], images)]

    return Sketch([*together, *(_smaller(*pair) for pair in alone)], _LEEWAY, finish)


def _decoded(field: SteppedField, effort: Effort) -> DecodedImage | None:
    """Return an image that is kept exactly as the numbers that it was decoded from; None if there are none."""
    exact = isinstance(field.scale, IntegerLattice) and field.scale.merge == 1 and field.special is None
    return decoded_image(field.values, effort) if exact else None


def _smaller(predicted: JointFields, image: DecodedImage) -> JointFields:
    """Return what takes fewer bytes."""
    size = float(len(image.data))
    return replace(predicted, expected=size, recipe=image) if size < predicted.expected else predicted


def _joined_fields(members: Sequence[Prepared], effort: Effort) -> list[JointFields]:
    shape = members[0].field[0].values.shape
    choices = arrangements_of([member.variable for member in members], shape, members[0].chunk)
    # frames of a single row see fewer neighbours than the image that the rows make
    arrangements = [choice for choice in choices if choice.shape(shape)[2] > 1] or choices
    if effort == "max":
        alone = in_parallel(lambda member: _best(member.field, arrangements, effort), members)
    else:  # fields of one grid are mostly alike
        first = _best(members[0].field, arrangements, effort)
        alone = [first, *in_parallel(lambda member: _best(member.field, [first.arrangement], effort), members[1:])]
    if len(members) > 1 and len({choice.field.closed for choice in alone}) == 1:
        fields = [choice.field for choice in alone]
        candidates = list(dict.fromkeys(choice.arrangement for choice in alone))
        rate, common = min(((_rate(fields, each, effort), each) for each in candidates), key=itemgetter(0))
        together = rate * len(fields)
        if _pays(together, alone, fields, common, effort):
            size = fields[0].values.size
            return [JointFields(_held(members, alone), common, together * size)]
    return [
        JointFields((member,), choice.arrangement, choice.rate * choice.field.values.size)
        for member, choice in zip(_held(members, alone), alone, strict=True)
    ]


def hold_alike(joint: JointFields) -> JointFields | None:
    """Hold the variables as in another file for which they were planned, or else in one way; None if there is none."""
    wanted = joint.known.get("closed", np.zeros(0, bool)).astype(bool).tolist()
    # of several alike the first
    ways = [{field.closed: field for field in reversed(member.field)} for member in joint.members]
    for closed in (wanted[0] if wanted else True, True, False):
        if all(closed in way for way in ways):
            held = [m._replace(field=way[closed]) for m, way in zip(joint.members, ways, strict=True)]
            return replace(joint, members=tuple(held))
    return None


def _held(members: Sequence[Prepared], choices: Sequence[_Choice]) -> tuple[Prepared, ...]:
    return tuple(m._replace(field=choice.field) for m, choice in zip(members, choices, strict=True))


def _pays(
    together: float, alone: Sequence[_Choice], fields: Sequence[SteppedField], common: Arrangement, effort: Effort
) -> bool:
    """Return whether fields are smaller together than alone."""
    apart = sum(choice.rate for choice in alone)
    if effort == "max" and 1 / _CLOSE < together / max(apart, 1e-300) < _CLOSE:
        together = _rate(fields, common, effort, thorough=True) * len(fields)
        apart = sum(_rate([c.field], c.arrangement, effort, thorough=True) for c in alone)
    return together < apart


def _best(ways: Sequence[SteppedField], arrangements: Sequence[Arrangement], effort: Effort) -> _Choice:
    """Choose the best arrangement of the first way, then the best way."""
    likely = _likely(ways[0], arrangements, effort)
    with shown("choose predictive", "trial", len(likely) + len(ways) - 1) as step:

        def tried(field: SteppedField, arrangement: Arrangement) -> _Choice:
            choice = _choice(field, arrangement, effort)
            step(bits_per_value(choice.rate, 1))
            return choice

        found = in_parallel(lambda arrangement: tried(ways[0], arrangement), likely)
        if likely[0] == arrangements[0]:
            found[0] = replace(found[0], rate=found[0].rate * _ADVANTAGE)
        first = _least(found, effort)
        if _is_best(first):
            return first
        others, phased = both(
            lambda: in_parallel(lambda way: tried(way, first.arrangement), ways[1:]), lambda: _phased(first, effort)
        )
        return _least([first, *others, *phased], effort)


def _phased(choice: _Choice, effort: Effort) -> list[_Choice]:
    """Choose the best phases of whole steps; except at most effort, of still images alone."""
    if effort != "max" and math.prod(choice.arrangement.shape(choice.field.values.shape)[:2]) > 1:
        return []

    def measure(field: SteppedField) -> float:
        return _rate([field], choice.arrangement, effort)

    fields = best_phases(choice.field, choice.rate, measure, effort)
    return in_parallel(lambda field: _choice(field, choice.arrangement, effort), fields)


def _likely(field: SteppedField, arrangements: Sequence[Arrangement], effort: Effort) -> list[Arrangement]:
    """Return arrangements that may be the best one, in their order."""
    if len(arrangements) == 1:
        return list(arrangements)
    rates = in_parallel(lambda arrangement: _estimated(field, arrangement), arrangements)
    # A sample is short, which favours arrangements that learn from one frame: the likeliest one has an advantage.
    rates[0] *= _ADVANTAGE
    # where few bits are left, the outliers that take them are too rare in a sample to be seen
    if min(rates) < _FEW_BYTES:
        return list(arrangements)
    most = min(rates) * _BEHIND[effort] + _NEAR
    return [arrangement for arrangement, rate in zip(arrangements, rates, strict=True) if rate <= most]


def _estimated(field: SteppedField, arrangement: Arrangement) -> float:
    """Estimate the bytes per value."""
    shape, sample = arrangement.shape(field.values.shape), _sampled([field], arrangement, _FEW)
    return estimated_rate(sample, shape[0] * shape[1])


def _is_best(choice: _Choice) -> bool:
    """Return whether no other way can be much smaller: values of no lattice that take many bits."""
    scale = choice.field.scale
    return isinstance(scale, Units) and scale.lattice is None and choice.rate > _MANY


def _choice(field: SteppedField, arrangement: Arrangement, effort: Effort) -> _Choice:
    return _Choice(_rate([field], arrangement, effort), field, arrangement)


def _least(choices: Sequence[_Choice], effort: Effort) -> _Choice:
    """Choose the best choice; at most effort, those that come near it are looked at again."""
    least = min(choices, key=lambda choice: choice.rate)
    close = [choice for choice in choices if choice.rate < _CLOSE * least.rate + _NEAR]
    if effort != "max" or len(close) < 2:
        return least
    rates = in_parallel(lambda choice: _rate([choice.field], choice.arrangement, effort, thorough=True), close)
    return close[rates.index(min(rates))]


def _rate(fields: Sequence[SteppedField], arrangement: Arrangement, effort: Effort, *, thorough: bool = False) -> float:
    """Return bytes per value of a sample: fast coding of much, or thorough coding of little."""
    frames = math.prod(arrangement.shape(fields[0].values.shape)[:2])
    # what little is in an image is rarely spread over all of it
    most = _IMAGE_SAMPLE if frames == 1 else _THOROUGH_SAMPLE
    sample = _sampled(fields, arrangement, most if thorough else _SAMPLE[effort])
    size = len(encode_integers(sample, "balanced")) if thorough else counted_size(sample)
    return size / max(1, sample.values.size) + sum(field.rest_bytes for field in fields) / len(fields)


def _sampled(fields: Sequence[SteppedField], arrangement: Arrangement, most: int) -> Integers:
    """Estimate so many values of all fields."""
    shape = arrangement.shape(fields[0].values.shape)
    return _joined([gather(fields, arrangement, place) for place in _places(shape, len(fields), most)])


def _joined(parts: Sequence[Integers]) -> Integers:
    """Join boxes one after the other, as if they were one series."""
    values = np.concatenate([part.values for part in parts])
    masks = [part.holes for part in parts if part.holes is not None]
    holes = np.concatenate(masks) if masks else None
    return replace(parts[0], values=values, holes=None if holes is None or holes.all() else holes)


def _places(shape: tuple[int, int, int, int], count: int, most: int) -> list[Box]:
    """All of an array, or two boxes of it; rows are shortened before there are fewer of them, as they differ more."""
    if count * math.prod(shape) <= most:
        return [tuple(slice(0, n) for n in shape)]
    frames = min(shape[0], max(_FEWEST_FRAMES, min(_FRAMES, most // 8192)))
    lengths = [frames, *shape[1:]]
    while 2 * count * math.prod(lengths) > most and max(lengths[1:]) > 16:
        axis = max((1, 2, 3), key=lambda number: lengths[number] * (2 if number == 3 and lengths[3] > 32 else 1))
        lengths[axis] = max(16, lengths[axis] // 2)
    spare = [n - m for n, m in zip(shape, lengths, strict=True)]
    quarters = ((1, 1, 3, 1), (3, 3, 1, 3))
    return [
        tuple(slice(free * q // 4, free * q // 4 + m) for free, q, m in zip(spare, box, lengths, strict=True))
        for box in quarters
    ]
