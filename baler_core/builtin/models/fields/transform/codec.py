"""Names the functions by which the `transform` model codes fields."""

from __future__ import annotations

from baler_core.builtin.models.fields.codec import FieldCodec
from baler_core.builtin.models.fields.transform.joint_fields import decode_fields, encode_fields, learn_fields, prepare
from baler_core.builtin.models.fields.transform.plan import plan_fields
from baler_core.builtin.models.fields.transform.prior import has_modes

CODEC = FieldCodec(prepare, plan_fields, encode_fields, decode_fields, learn_fields, gains=has_modes)
