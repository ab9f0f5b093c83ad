"""The slow measurements: `python -m tests.bench [NAME...]`; tables and JSON go to build/bench."""
