"""Names the functions by which the `predictive` model codes fields."""

from __future__ import annotations

from baler_core.builtin.models.fields.codec import FieldCodec
from baler_core.builtin.models.fields.predictive.held import prepare
from baler_core.builtin.models.fields.predictive.joint_fields import decode_fields, encode_fields, learn_fields
from baler_core.builtin.models.fields.predictive.plan import hold_alike, plan_fields

CODEC = FieldCodec(prepare, plan_fields, encode_fields, decode_fields, learn_fields, adapt=hold_alike)
