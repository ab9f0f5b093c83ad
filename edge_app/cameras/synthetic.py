"""A drawn factory line: the embedded default, and the ground truth to measure against."""
