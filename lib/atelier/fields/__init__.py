"""Fields: functions from coordinates to colours, fitted or random."""
