"""What is usual here: habits, calibration, the profile."""
