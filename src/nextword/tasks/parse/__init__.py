"""Dependency parsing: greedy transitions chosen by a network, their trace, the trees' pictures and scores."""
