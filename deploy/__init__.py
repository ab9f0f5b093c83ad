"""Kensa's deploy tools: swap the model of a station, prove it, go back by itself."""
