"""Measures the running system beside its limits, and proves in each run that nothing is lost."""
