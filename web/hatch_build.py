"""The wheel's build hook: the page goes into `src/chatsrv/http/page`, which is in the wheel and the sdist and never in git.

Nothing is done where the page is fresh, which it always is in an sdist: that builds without a network.
"""

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))
import toolchain  # beside this file, which hatch loads by its path


class PageHook(BuildHookInterface[Any]):
    """Builds the page before a wheel, an sdist or an editable install is made."""

    PLUGIN_NAME = "page"

    def dependencies(self) -> list[str]:
        """Node from PyPI, where it is needed and there is none."""
        return [] if toolchain.is_fresh() or toolchain.find_node() else [toolchain.NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, unless the page is fresh."""
        build_data["artifacts"].append("src/chatsrv/http/page/**")
        if not toolchain.is_fresh():
            toolchain.build_in_copy()
