"""Define the command `baler`: its group of commands and its entry point."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from baler_core.cli.failures import guarded
from baler_core.cli.options import Session, common_options
from baler_core.errors import did_you_mean
from baler_core.plugin.version import __version__

# The commands in the order of use: the module of each, and what it does. Only the module of the command that is run is
# imported, since what it needs takes longer to load than the command line.
COMMANDS = {
    "init": ("suggesting", "Write a configuration for a data file."),
    "suggest": ("suggesting", "Print proposed bounds for a data file."),
    "predict": ("predicting", "Predict sizes and times from a sample."),
    "check": ("preparation", "Check a configuration; with --data, against its inputs."),
    "scan": ("scanning", "Show what errors cost, for a ladder of bounds."),
    "compare": ("comparing", "Compare with other compressors at the same bounds."),
    "run": ("workflow", "Train, compress, decompress, evaluate and report."),
    "train": ("steps", "Train the model of a configuration."),
    "profile": ("profiles", "Build a profile from several files, or list those installed."),
    "compress": ("steps", "Compress data files to .bal files."),
    "decompress": ("restoring", "Restore the data file of a .bal file."),
    "export": ("exporting", "Restore a .bal file for those who have no baler."),
    "export-onnx": ("exporting_networks", "Write the networks of a file as ONNX."),
    "evaluate": ("results", "Compare a data file with its restored form."),
    "plot": ("results", "Draw chosen variables from the results of a run."),
    "tables": ("results", "Write the errors and sizes of a run as CSV and LaTeX."),
    "info": ("inspection", "Show what a .bal file holds."),
    "verify": ("inspection", "Check that all of a .bal file can be restored."),
    "new-plugin": ("scaffolding", "Write a package for a plugin, with tests."),
    "plugins": ("components", "List plugins and components, and what is broken."),
}

# Python looks for objects that refer to each other in circles after so many new ones, in place of 700: hardly anything of baler
# does, and of a tree of 2,656 branches it took a twentieth of the time.
_RARELY = 20_000, 20, 50


class _Commands(click.Group):
    """The commands of `COMMANDS`."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"baler_core.cli.{COMMANDS[name][0]}")
        if not gc.isenabled():
            gc.freeze()  # what was imported stays, and is looked at no more
            gc.enable()
            gc.set_threshold(*_RARELY)
        command = getattr(module, name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
            context.fail(f"there is no command {arguments[0]!r}. {did_you_mean(arguments[0], list(COMMANDS))}")
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="baler")
@common_options
def cli() -> None:
    """Learned, error-bounded compression of scientific data.

    Start with 'baler init DATA_FILE', which writes a configuration, and 'baler run' on that.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 the user can fix it, 2 usage, 3 a bound was broken, 70 a bug, 130 Ctrl-C."""
    session = Session()
    sys.exit(guarded(session, lambda: cli.main(arguments, prog_name="baler", obj=session, standalone_mode=False)))
