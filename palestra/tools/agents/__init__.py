"""Policies as files, and how good they are."""
