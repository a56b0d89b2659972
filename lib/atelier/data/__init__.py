"""Data: found locally, downloaded with checks, or made here."""
