"""The tasks of the shop: `python manage.py alsek thread-pool` runs them."""

from __future__ import annotations

from apscheduler.triggers.cron import CronTrigger
from django.core.mail import send_mail

import alsek
from alsek.django import broker
from shop.models import Order, Report

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    from django_tasks import task


@task(queue_name="mail", priority=10)
def confirm(order_id: int) -> str:
    """A task of Django's: send the confirmation of an order, and say to whom."""
    order = Order.objects.select_related("product").get(pk=order_id)
    text = f"Thank you for your order of {order.amount} x {order.product.name}."
    send_mail(f"Your order {order.pk}", text, "shop@example.com", [order.customer])
    Order.objects.filter(pk=order_id).update(confirmed=True)
    return order.customer


@task
async def count_orders(customer: str) -> int:
    """An asynchronous one: return how many orders a customer has."""
    return await Order.objects.filter(customer=customer).acount()


@alsek.task(broker(), schedule=CronTrigger.from_crontab("0 3 * * *", timezone="Europe/Berlin"))
def report() -> int:
    """A task of Alsek's, each night: write down how many orders there are."""
    return Report.objects.create(orders=Order.objects.count()).pk


@alsek.task(broker(), max_retries=5)
def refill(product_id: int, amount: int) -> None:
    """Another one of Alsek's, with retries: order more of a product."""
    print(f"{amount} more of product {product_id}, please")
