"""Kensa's edge: from a camera frame to GOOD, NG or NO VERDICT, without TensorFlow."""

import os

# NumPy's matrix threads wait by spinning: beside other work on a small machine, measured, they cost up to sixty times
# what they save. It reads this once, when it is first imported; who sets it otherwise is heard.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# To look for plugins, pydantic reads the metadata of every package that is installed, at each start; none is for Kensa.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

__version__ = "0.1.0"
