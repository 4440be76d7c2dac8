"""The `transform` model: fields on a grid by a learned basis over time, wavelets in space and mixed contexts."""

from __future__ import annotations

from baler_core.builtin.models.fields.codec import Decode, FieldCodec
from baler_core.builtin.models.fields.model import FieldModel


class TransformModel(FieldModel):
    """Smooth fields far below two bits per value; what a transform cannot hold goes to the `scalar` model."""

    name = "transform"
    summary = "fields: a basis over time learned from the data, wavelets in space, context mixing"

    @staticmethod
    def codec() -> FieldCodec:
        """Import the functions that encode."""
        from baler_core.builtin.models.fields.transform.joint_fields import encode_fields, learn_fields, prepare
        from baler_core.builtin.models.fields.transform.plan import sketch_fields
        from baler_core.builtin.models.fields.transform.prior import has_modes

        return FieldCodec(prepare, sketch_fields, encode_fields, learn_fields, gains=has_modes)

    @staticmethod
    def decoder() -> Decode:
        """Import the function that decodes."""
        from baler_core.builtin.models.fields.transform.restored_fields import decode_fields

        return decode_fields
