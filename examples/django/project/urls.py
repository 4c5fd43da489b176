"""The addresses of the shop."""

from __future__ import annotations

from django.urls import path
from shop import views

urlpatterns = [
    path("products/<int:product>/orders", views.order),
    path("confirmations/<str:confirmation>", views.confirmation),
]
