"""Stands in for a template: its children are the fake workers, and $FAKE_TEMPLATE says how it misbehaves."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

HERE = Path(__file__).parent


def load(name: str, file: Path):
    """A module by itself, without the package around it, whose imports take seconds."""
    spec = spec_from_file_location(name, file)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


template = load("template", HERE.parents[1] / "symdiff" / "batch" / "template.py")
wish = os.environ.get("FAKE_TEMPLATE", "")
if wish == "thread":
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
elif wish == "crash":
    sys.exit(7)
template.serve(socket.socket(fileno=int(sys.argv[1])))
load("fake_worker", HERE / "fake_worker.py").main()
