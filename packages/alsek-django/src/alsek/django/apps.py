"""The application: it brings the command ``manage.py alsek``."""

from __future__ import annotations

from django.apps import AppConfig


class AlsekConfig(AppConfig):
    """``alsek.django`` in ``INSTALLED_APPS``."""

    name = "alsek.django"
    label = "alsek"
    verbose_name = "Alsek"
