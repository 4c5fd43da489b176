"""`--reload`: a pool that is started again when the files of its package change."""
