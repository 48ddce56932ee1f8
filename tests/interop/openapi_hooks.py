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
    """Every other time, an order of ours; and a signature that fits what is sent."""
    given = case.path_parameters
    if isinstance(given, dict) and "id" in given and CHANCE.random() < 0.5:
        given["id"] = CHANCE.choice(list(SHOP["orders"].values()))
    given = {name.lower(): value for name, value in (case.headers or {}).items()}
    # A signature that is none on purpose stays as it is.
    might_fit = re.fullmatch("[0-9a-f]{64}", str(given.get("x-razorpay-signature")))
    strange = "x-schemathesis-unknown-property" in given
    if case.path.endswith("/webhooks/razorpay") and might_fit and not strange and CHANCE.random() < 0.5:
        body = case.as_transport_kwargs()
        sent = json.dumps(body["json"]).encode() if "json" in body else body.get("data")
        if isinstance(sent, bytes):
            case.body = sent
            secret = SHOP["keys"][2].encode()
            case.headers["X-Razorpay-Signature"] = hmac.new(secret, sent, hashlib.sha256).hexdigest()
