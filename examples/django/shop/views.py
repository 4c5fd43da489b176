"""What customers ask for."""

from __future__ import annotations

import json

from django.db import transaction
from django.db.models import F
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from shop.models import Order, Product
from shop.tasks import confirm, refill

#: With fewer than so many left, more are ordered.
FEW = 10


@csrf_exempt
@require_POST
def order(request: HttpRequest, product: int) -> JsonResponse:
    """Take an order: all of it, with its confirmation, or nothing."""
    asked = json.loads(request.body)
    with transaction.atomic():
        made = Order.objects.create(product_id=product, customer=asked["customer"], amount=asked["amount"])
        # Submitted when the transaction commits; the results of both have their id at once.
        confirmation = confirm.enqueue(made.pk)
        sold = Product.objects.filter(pk=product, stock__gte=made.amount).update(
            stock=F("stock") - made.amount
        )
        if not sold:
            transaction.set_rollback(True)
            return JsonResponse({"error": "we have not so many"}, status=409)
        if Product.objects.get(pk=product).stock < FEW:
            refill.generate(args=(product, 100), on_commit=True)
    return JsonResponse({"order": made.pk, "confirmation": confirmation.id}, status=201)


@require_GET
def confirmation(request: HttpRequest, confirmation: str) -> JsonResponse:
    """Say whether the confirmation of an order was sent."""
    try:
        result = confirm.get_result(confirmation)
    except Exception as error:
        raise Http404 from error
    return JsonResponse(
        {"status": result.status, "errors": [each.exception_class_path for each in result.errors]}
    )
