"""What is raised if the settings of a project are wrong."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from alsek.exceptions import ValidationError


class SettingsError(ValidationError, ImproperlyConfigured):
    """A setting of Django that Alsek needs is missing or wrong."""
