<<<<<<< HEAD
"""Fields: functions from coordinates (..., D) to values (..., C)."""
=======
"""Fields: functions from coordinates to colours, fitted or random."""
>>>>>>> cppn
