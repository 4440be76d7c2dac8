"""Define the command `baler`: its group of commands and its entry point."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from baler_core import __version__
from baler_core.cli.components import plugins
from baler_core.cli.failures import guarded
from baler_core.cli.inspection import info, verify
from baler_core.cli.options import Session, common_options
from baler_core.cli.preparation import check, init
from baler_core.cli.results import evaluate, plot
from baler_core.cli.scanning import scan
from baler_core.cli.steps import compress, decompress, train
from baler_core.cli.workflow import run


class _InOrder(click.Group):
    """Lists commands in the order of use."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="baler")
@common_options
def cli() -> None:
    """Learned, error-bounded compression of scientific data.

    Start with 'baler init DATA_FILE', which writes a configuration, and 'baler run' on that.
    """


for command in (init, check, scan, run, train, compress, decompress, evaluate, plot, info, verify, plugins):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 the user can fix it, 2 usage, 3 a bound was broken, 70 a bug, 130 Ctrl-C."""
    session = Session()
    sys.exit(guarded(session, lambda: cli.main(arguments, prog_name="baler", obj=session, standalone_mode=False)))
