"""The compatibility gate: whether code can work with what a store holds, found out by reading it.

Nothing is written, and what is reported holds no value of an event, a state or a command.
"""
