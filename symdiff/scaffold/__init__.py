"""`symdiff new-plugin`: a package with a working plugin, its tests and its CI, to start from."""

from symdiff.scaffold.names import check_name
from symdiff.scaffold.package import Kind, NewPlugin, new_plugin

__all__ = ["Kind", "NewPlugin", "check_name", "new_plugin"]
