"""The settings and addresses of the project."""
