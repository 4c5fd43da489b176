"""The tasks of the Django project, as a module: what the commands of ``alsek`` take as their PACKAGE.

``manage.py alsek`` names it. Importing it sets Django up, if that was not done, and imports the ``tasks.py`` of all
installed applications. With ``ALSEK_DJANGO_BACKEND``, only what is on the store of that alias is taken.
"""

from __future__ import annotations

import os

import django
from django.apps import apps

from alsek.django.connections import close_all
from alsek.django.discovery import discover, task_modules

if not apps.ready:
    django.setup()

_found = discover(task_modules(), os.environ.get("ALSEK_DJANGO_BACKEND"))
for _each in _found.tasks:
    globals()[f"task {_each.name}"] = _each
for _hook in _found.hooks:
    globals()[f"hook {_hook.name}"] = _hook

# What importing them has opened: no process that a pool forks may share a connection.
close_all()
