"""What Schemathesis cannot guess: orders that exist, and how a webhook is signed."""

import hashlib
import hmac
import json
import os
import random
import re

import schemathesis

SHOP = json.loads(os.environ["OPEN_SHOP"])
CHANCE = random.Random(int(os.environ["OPEN_SHOP_SEED"]))


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every other time, an order of ours; and a signature that fits what is sent and meant well."""
    given = case.path_parameters
    if isinstance(given, dict) and "id" in given and CHANCE.random() < 0.5:
        given["id"] = CHANCE.choice(list(SHOP["orders"].values()))
    given = {name.lower(): value for name, value in (case.headers or {}).items()}
    # A signature that is none on purpose stays as it is.
    might_fit = re.fullmatch("[0-9a-f]{64}", str(given.get("x-razorpay-signature")))
    meant_well = case.meta is None or case.meta.generation.mode.is_positive
    if case.path.endswith("/webhooks/razorpay") and might_fit and meant_well and CHANCE.random() < 0.5:
        # Not in the case, which would be judged anew as one that is meant badly.
        kwargs["auth"] = signed


def signed(request):
    """The request as it goes out, with the signature of its body."""
    secret = SHOP["keys"][2].encode()
    sent = request.body.encode() if isinstance(request.body, str) else request.body or b""
    request.headers["X-Razorpay-Signature"] = hmac.new(secret, sent, hashlib.sha256).hexdigest()
    return request
