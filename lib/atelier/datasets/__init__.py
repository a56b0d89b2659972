"""Data sets: found, else downloaded and checked, else an honest stand-in."""
