"""The documentation site: what mkdocs.yml can't say."""
