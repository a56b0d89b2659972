"""Random fields: pictures nobody planned, from networks nobody trained."""
