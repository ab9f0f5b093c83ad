"""Kensa's edge: from a camera frame to GOOD, NG or NO VERDICT, without TensorFlow."""

__version__ = "0.1.0"
