"""Observers: from what was seen of a tensor to the range that its grid shall cover."""
