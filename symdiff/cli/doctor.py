"""`symdiff doctor`: what is installed, what is missing, and the command that adds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symdiff.cli.flags import Debug, Json, Quiet, Verbose
from symdiff.cli.outcome import Outcome


def doctor(json: Json = False, quiet: Quiet = False, verbose: Verbose = 0, debug: Debug = False) -> Outcome:
    """Show Python, torch, devices, extras, plugins and the cache, and how to fix what is missing."""
    from symdiff.cli.plugins import entry
    from symdiff.environment import describe_environment, describe_extras
    from symdiff.plugins import load_plugins
    from symdiff.trajectories.cache import cache_directory

    cache = cache_directory()
    document = {
        **describe_environment(),
        "schema": "symdiff.doctor/1",
        "extras": describe_extras(),
        "plugins": [entry(status) for status in load_plugins().status],
        "cache": {"directory": str(cache), "bytes": size(cache)},
    }
    return Outcome(document, _text(document))


def size(directory: Path) -> int:
    """Return the bytes of all files under `directory`, 0 if there is none."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) if directory.is_dir() else 0


def _text(document: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version or 'missing'}" for name, version in document["packages"].items())
    lines = [
        f"symdiff {document['symdiff']}, Python {document['python']} on {document['platform']}",
        packages,
        f"devices: cpu ({document['threads']} of {document['cpus']} threads)"
        + "".join(f", cuda:{index} {name}" for index, name in enumerate(document["cuda"])),
        f"cache: {document['cache']['directory']}, {document['cache']['bytes'] / 1e6:.1f} MB",
    ]
    for name, extra in document["extras"].items():
        state = "installed" if extra["status"] == "ok" else f"missing {', '.join(extra['missing'])}: {extra['hint']}"
        lines.append(f"extra {name}: {state}")
    for plugin in document["plugins"]:
        where = f"{plugin['distribution']} {plugin['version']}"
        cause = f": {plugin['cause']}" if plugin["cause"] else ""
        hint = f"; {plugin['hint']}" if plugin["hint"] else ""
        lines.append(f"plugin {plugin['name']} ({where}): {plugin['status']}{cause}{hint}")
    return "\n".join(lines)
