"""The child process in which vendor code compiles, loads and is timed: `python -m etc_edge.backends.child`.

It reads one line of JSON from standard input, works, and writes its answer to the file that the request names.
What vendor libraries print goes where the parent put standard output and error. Standard input stays open as long as
the parent lives: when it ends, so does the child, in the middle of whatever a vendor's library is doing.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import msgspec

from etc_edge.backends.compiled import Compiled, compile_here
from etc_edge.backends.reports import ReportLines, reporting_to
from etc_edge.backends.request import Answer, Call, CompileRequest, TimeRequest
from etc_edge.backends.timing import median_times_ms
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import EtcEdgeError


def main() -> None:
    """Do what standard input asks for, and leave without the vendors' teardown, which may crash too."""
    call = msgspec.json.decode(sys.stdin.buffer.readline(), type=Call)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with reporting_to(ReportLines(call.reports)):
            answer = Answer(value=_work(call.request))
    except EtcEdgeError as error:
        answer = Answer(failed=True, kind=type(error).__name__, message=error.message, hint=error.hint)
    except Exception as error:
        traceback.print_exc()
        answer = Answer(failed=True, message=f"{type(error).__name__}: {error}")
    path = Path(call.answer)
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(msgspec.json.encode(answer))
    unfinished.replace(path)
    sys.stderr.flush()
    os._exit(0)


def _work(request: CompileRequest | TimeRequest) -> Any:
    bundle = Bundle.open(request.bundle)
    if isinstance(request, CompileRequest):
        compile_here(bundle, request.backend, request.options, Path(request.folder))
        return None
    engines = [Compiled.open(folder).load() for folder in request.folders]
    return median_times_ms(engines, list(bundle.selftest().frames))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
