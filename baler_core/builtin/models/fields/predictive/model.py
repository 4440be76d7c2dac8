"""The `predictive` model: fields and images by learned and adaptive prediction of every value from its neighbours."""

from __future__ import annotations

from baler_core.builtin.models.fields.codec import Decode, FieldCodec
from baler_core.builtin.models.fields.model import FieldModel


class PredictiveModel(FieldModel):
    """Chaotic flow, still images, noisy fields, and anything above about two bits per value."""

    name = "predictive"
    summary = "fields and images: every value predicted from neighbours in space, time and variables"

    @staticmethod
    def codec() -> FieldCodec:
        """Import the functions that encode."""
        from baler_core.builtin.models.fields.predictive.held import prepare
        from baler_core.builtin.models.fields.predictive.joint_fields import encode_fields, learn_fields
        from baler_core.builtin.models.fields.predictive.plan import hold_alike, sketch_fields

        return FieldCodec(prepare, sketch_fields, encode_fields, learn_fields, adapt=hold_alike)

    @staticmethod
    def decoder() -> Decode:
        """Import the function that decodes."""
        from baler_core.builtin.models.fields.predictive.restored_fields import decode_fields

        return decode_fields
