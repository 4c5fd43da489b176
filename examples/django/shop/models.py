"""What the shop sells, and what was ordered."""

from __future__ import annotations

from django.db import models


class Product(models.Model):
    """Something to buy."""

    name = models.CharField(max_length=100)
    stock = models.PositiveIntegerField()


class Order(models.Model):
    """An order of a product by a customer."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    customer = models.EmailField()
    amount = models.PositiveIntegerField()
    confirmed = models.BooleanField(default=False)


class Report(models.Model):
    """How many orders there were at a time."""

    made_at = models.DateTimeField(auto_now_add=True)
    orders = models.PositiveIntegerField()
