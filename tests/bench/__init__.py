"""The slow measurements: `python -m tests.bench [NAME...]`; tables and JSON go to build/bench.

Those of many fits are resumable and can be done in part: `tests.bench.cells` says how.
"""

import edge_app  # noqa: F401 - before NumPy: it says how many threads that may have
