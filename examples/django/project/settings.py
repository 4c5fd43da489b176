"""The settings of the example. They suit a machine of one's own, and no server on the net."""

from __future__ import annotations

import os
from pathlib import Path

import django

BASE_DIR = Path(__file__).resolve().parent.parent
#: Where the database, the store of the tasks and the mails are.
DATA = Path(os.environ.get("SHOP_DATA", BASE_DIR))

SECRET_KEY = "an example, and no secret"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "project.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = ["alsek.django", "shop"]
if django.VERSION < (6, 0):
    INSTALLED_APPS.insert(0, "django_tasks")  # the backport of django.tasks

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "shop.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
        # In a file, so that the processes of tests share it.
        "TEST": {"NAME": DATA / "test.sqlite3"},
    }
}

if "SHOP_POSTGRES" in os.environ:  # host:port/name, with psycopg installed
    place, _, name = os.environ["SHOP_POSTGRES"].partition("/")
    host, _, port = place.partition(":")
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "PORT": port,
        "NAME": name,
        "USER": os.environ.get("PGUSER", "postgres"),
        "CONN_MAX_AGE": 60,
    }

# A Redis would be "redis://localhost".
STORE = os.environ.get("SHOP_STORE", f"sqlite:///{DATA / 'alsek.db'}")
TASKS = {
    "default": {
        "BACKEND": "alsek.django.AlsekBackend",
        # A task that is enqueued within `transaction.atomic` is submitted when that commits.
        "OPTIONS": {"store": STORE, "on_commit": True},
        "QUEUES": ["default", "mail"],
    }
}

EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = DATA / "mails"

LOGGING = {"version": 1, "disable_existing_loggers": False}
