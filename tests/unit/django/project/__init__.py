"""An application with tasks of Django's and of Alsek's."""
