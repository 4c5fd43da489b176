"""Tests of the shop: `python manage.py test`. They need no worker and no server."""

from __future__ import annotations

from unittest.mock import patch

from django.core import mail
from django.test import TestCase, TransactionTestCase

from alsek.django import alsek_task, discovered
from alsek.testing import TestWorker
from shop import tasks
from shop.models import Order, Product, Report


def order(test: TestCase | TransactionTestCase, product: Product, amount: int = 1, status: int = 201) -> dict:
    """Order a product as a customer does, and return the answer."""
    answer = test.client.post(
        f"/products/{product.pk}/orders",
        {"customer": "ada@example.com", "amount": amount},
        content_type="application/json",
    )
    test.assertEqual(answer.status_code, status)
    return answer.json()


class Orders(TransactionTestCase):
    """Transactions that really commit and roll back."""

    def setUp(self) -> None:
        """Run the tasks of the project in memory, in the thread of the test."""
        self.tea = Product.objects.create(name="tea", stock=20)
        self.worker = self.enterContext(TestWorker(discovered))

    def test_an_order_is_confirmed(self) -> None:
        """The commit submits the task; when it has run, there is a mail, and its result says so."""
        answer = order(self, self.tea, amount=2)
        self.assertEqual([each.task_name for each in self.worker.submitted()], ["shop.tasks.confirm"])
        self.worker.run()
        self.assertIn("2 x tea", mail.outbox[0].body)
        self.assertTrue(Order.objects.get(pk=answer["order"]).confirmed)
        said = self.client.get(f"/confirmations/{answer['confirmation']}").json()
        self.assertEqual(said, {"status": "SUCCESSFUL", "errors": []})

    def test_an_order_that_is_rolled_back_leaves_no_task(self) -> None:
        """Neither if the view rolls back, nor if an exception does."""
        order(self, self.tea, amount=21, status=409)
        with patch("shop.views.refill.generate", side_effect=RuntimeError), self.assertRaises(RuntimeError):
            order(self, self.tea, amount=15)
        self.assertEqual(Order.objects.count(), 0)
        self.assertEqual(Product.objects.get().stock, 20)
        self.assertEqual(self.worker.submitted(), [])

    def test_few_are_refilled(self) -> None:
        """A task of Alsek's with on_commit=True waits for the same commit."""
        order(self, self.tea, amount=15)
        self.assertEqual([each.args for each in self.worker.submitted(tasks.refill)], [(self.tea.pk, 100)])

    def test_a_confirmation_that_fails(self) -> None:
        """The error is in the result."""
        answer = order(self, self.tea)
        Order.objects.all().delete()
        self.worker.run()
        said = self.client.get(f"/confirmations/{answer['confirmation']}").json()
        self.assertEqual(said, {"status": "FAILED", "errors": ["shop.models.Order.DoesNotExist"]})

    def test_the_report(self) -> None:
        """It is made each night."""
        order(self, self.tea)
        self.worker.advance(days=2)
        self.assertEqual([report.orders for report in Report.objects.all()], [1, 1])

    def test_an_asynchronous_task(self) -> None:
        """It uses the ORM on an event loop."""
        order(self, self.tea)
        result = tasks.count_orders.enqueue("ada@example.com")
        self.worker.run()
        result.refresh()
        self.assertEqual(result.return_value, 1)


class OrdersWithoutCommit(TestCase):
    """Django's TestCase never commits: `captureOnCommitCallbacks` stands for it."""

    def test_an_order_is_confirmed(self) -> None:
        """The task is submitted where the commit would be."""
        tea = Product.objects.create(name="tea", stock=20)
        with TestWorker(discovered) as worker:
            with self.captureOnCommitCallbacks(execute=True):
                order(self, tea)
                self.assertEqual(worker.submitted(), [])
            self.assertEqual([each.task_name for each in worker.submitted()], ["shop.tasks.confirm"])

    async def test_an_asynchronous_task(self) -> None:
        """In an asynchronous test it sees what the test has saved, and not committed."""
        tea = await Product.objects.acreate(name="tea", stock=20)
        await Order.objects.acreate(product=tea, customer="ada@example.com", amount=1)
        with TestWorker(discovered) as worker:
            message = await alsek_task(tasks.count_orders).asend("ada@example.com")
            await worker.arun()
            result = await tasks.count_orders.aget_result(message.uuid)
        self.assertEqual(result.return_value, 1)
        self.assertEqual(await Order.objects.acount(), 1)
