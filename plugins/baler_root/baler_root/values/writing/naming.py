"""Give a new file the name and title that the original carries in itself.

uproot names files after their paths and has no titles for them; its interface for that is not public, and used as in
`records`.
"""

from __future__ import annotations

from typing import Any


def name_file(file: Any, name: str, title: str) -> None:
    """Put name and title into a file that uproot has just made, and move what stands behind them.

    Parameters
    ----------
    file
        uproot's directory at the top, nothing in it yet.
    """
    top, streamers = file._cascading, file._file._cascading.streamers
    free, sink = top.freesegments, file._file.sink
    for key in (top.key, top.datakey, free.key):
        _say(key.name, name)
        _say(key.title, title)
    _say(top.name, name)
    _say(top.title, title)
    place = top.key.location + top.begin_num_bytes + top.header.allocation
    streamers.key.location = place
    place += streamers.key.allocation
    streamers.header.location = place
    place += streamers.allocation
    top.datakey.location = place
    place += top.datakey.allocation
    top.data.location = place
    place += top.data.allocation
    free.key.location = place
    free.data.end = place + free.key.allocation + free.data.allocation
    free.fileheader.info_location = streamers.key.location
    for leaf in (top.key, top.header, top.datakey, top.data, streamers.key, streamers.header, free.key, free.data):
        leaf._file_dirty = True
    top.write(sink)
    streamers.write(sink)


def _say(string: Any, text: str) -> None:
    """Change one of uproot's strings in place: others know it as a part of what they write."""
    string.__init__(None, text)
