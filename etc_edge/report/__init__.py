"""Results for people: figures side by side, as tables on a terminal."""
