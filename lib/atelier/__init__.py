"""Atelier: interactive neural image-making to watch, touch and trust.

Everything long is an iterator of steps; everything drawn is a function.
"""
