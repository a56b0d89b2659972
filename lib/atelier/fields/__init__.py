"""Fields: functions from coordinates (..., D) to values (..., C), fitted or random."""
