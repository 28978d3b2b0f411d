"""Measures the system beside its limits, and verifies in each run that nothing is lost."""
