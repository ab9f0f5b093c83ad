"""Kensa's trainer: good pictures in, one model bundle out."""

import edge_app  # noqa: F401 - it sets the threads of NumPy's matrices, which is too late once NumPy is imported
