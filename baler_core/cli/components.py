"""Implement `baler plugins`: list plugins and components, broken ones included, and the options of a component."""

from __future__ import annotations

from typing import Any

import click

from baler_core.cli.options import common_options
from baler_core.cli.text import print_json, print_table
from baler_core.errors import PluginError, did_you_mean
from baler_core.plugin.hooks import KINDS, Kind
from baler_core.plugin.registry import Offer, Registry, load_plugins


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
def plugins(name: str | None, as_json: bool) -> None:
    """List plugins and the components they offer; with NAME, the options of that component."""
    registry = load_plugins()
    if name is not None:
        _show_component(registry, name, as_json)
    elif as_json:
        print_json(_listing(registry))
    else:
        _show_all(registry)


def _show_all(registry: Registry) -> None:
    rows = [(p.name, p.package, p.version, p.state, p.problem) for p in registry.plugins]
    print_table(rows, header=("plugin", "package", "version", "state"))
    for kind in KINDS:
        click.echo()
        offers = [(name, offer) for name in registry.names(kind) for offer in registry.offers[kind][name]]
        listed = [(name, _package(registry, kind, name, offer), _summary(offer)) for name, offer in offers]
        print_table(listed, header=(kind, "package"))


def _package(registry: Registry, kind: Kind, name: str, offer: Offer) -> str:
    return f"{offer.package} CLASH" if len(registry.offers[kind][name]) > 1 else offer.package


def _summary(offer: Offer) -> str:
    suffixes = " ".join(getattr(offer.component, "suffixes", ()))
    return "  ".join(text for text in (suffixes, offer.component.summary) if text)


def _show_component(registry: Registry, name: str, as_json: bool) -> None:
    found = [(kind, offer) for kind in KINDS for offer in registry.offers[kind].get(name, [])]
    if not found:
        known = [known for kind in KINDS for known in registry.names(kind)]
        raise PluginError(f"there is no component named {name!r}. {did_you_mean(name, known)}")
    if as_json:
        print_json([_record(kind, name, offer, clash=False) for kind, offer in found])
        return
    for kind, offer in found:
        click.echo(f"{kind} {name} of {offer.package} {offer.version}: {_summary(offer)}".rstrip(": "))
        rows = [(o["name"], o["type"], _default(o), o["description"]) for o in _options(offer)]
        if rows:
            print_table(rows, header=("option", "type", "default"), indent="  ")
        else:
            click.echo("  no options")


def _default(option: dict[str, Any]) -> str:
    return "required" if option["required"] else str(option["default"])


def _options(offer: Offer) -> list[dict[str, Any]]:
    """The options of a component, from its pydantic model."""
    schema = offer.component.Options.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "type": _type(described),
            "default": described.get("default"),
            "required": name in required,
            "description": described.get("description", ""),
        }
        for name, described in schema.get("properties", {}).items()
    ]


def _type(described: dict[str, Any]) -> str:
    """A JSON schema's type in a few words."""
    if "enum" in described:
        return " | ".join(map(str, described["enum"]))
    if "anyOf" in described:
        return " | ".join(_type(choice) for choice in described["anyOf"])
    return str(described.get("type", "any"))


def _listing(registry: Registry) -> dict[str, Any]:
    return {
        "plugins": [plugin._asdict() for plugin in registry.plugins],
        "components": [
            _record(kind, name, offer, clash=len(offers) > 1)
            for kind in KINDS
            for name, offers in sorted(registry.offers[kind].items())
            for offer in offers
        ],
    }


def _record(kind: Kind, name: str, offer: Offer, *, clash: bool) -> dict[str, Any]:
    record = {"kind": kind, "name": name, "package": offer.package, "version": offer.version, "clash": clash}
    suffixes = {"suffixes": list(getattr(offer.component, "suffixes", ()))} if kind == "reader" else {}
    return {**record, "summary": offer.component.summary, **suffixes, "options": _options(offer)}
