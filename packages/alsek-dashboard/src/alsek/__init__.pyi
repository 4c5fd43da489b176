# For pyright in editable installs: it makes this folder part of the package `alsek`, whose own
# `__init__.py` is alsek-core's. Neither the sdist nor the wheel has this file.
