"""The touchscreen. Qt lives here and nowhere else."""
