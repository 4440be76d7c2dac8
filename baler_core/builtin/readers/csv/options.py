"""Define the options of the reader of text tables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from baler_core.plugin.options import Options


class CsvOptions(Options):
    """How to read a text table; what is not given is found out."""

    separator: str = Field(default="auto", description="Character between cells, or `auto`.")
    comment: str = Field(default="auto", description="How comment lines begin; `auto` detects #.")
    header: bool | Literal["auto"] = Field(default="auto", description="Whether the first row holds names.")
    quote: str = Field(default='"', max_length=1, description="Quote character; empty if there is none.")

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}.get(value, value)
        if value != "auto" and (len(value) != 1 or value in "\r\n"):
            raise ValueError("a separator is one character, or auto")
        return value
