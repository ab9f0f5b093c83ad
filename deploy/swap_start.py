"""The entry point of `swap-model`: behind the line from its first import on, which are the most of its work.

Nothing heavy is imported here.
"""

from __future__ import annotations

import sys

from edge_app.child import SWAP_NICE, give_way


def main() -> int:
    """`swap_model.main`, on what the line leaves of the processor."""
    give_way(SWAP_NICE)
    from deploy.swap_model import main as swap_model

    return swap_model()


if __name__ == "__main__":
    sys.exit(main())
