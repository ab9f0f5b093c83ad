"""Kensa's trainer: good pictures in, one model bundle out."""
