"""The catalog room: rules, catalogs, lint, text, shipped data, requests."""
