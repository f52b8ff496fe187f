"""Handlers: one file per family of torch operators."""
