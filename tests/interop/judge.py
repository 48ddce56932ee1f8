"""The gateway's official SDK drives our sandbox, and judges the signatures that we make and take.

Usage: judge.py OPEN_SHOP, the program that opens a shop and says where it is.
"""

import datetime
import hashlib
import hmac
import http.server
import json
import queue
import subprocess
import sys
import threading
import time
import uuid

import razorpay
import requests
from razorpay.errors import BadRequestError, SignatureVerificationError

PATIENCE_SECS = 60


def until(what, look):
    """What `look` finds, as soon as it finds something."""
    end = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain: {what}")


def refuses(error, call):
    """That a call is refused with this class of error."""
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} was expected")


def signed(secret, message):
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


class Judge:
    def __init__(self, shop):
        self.api, self.gateway = shop["api"], shop["gateway"]
        self.key_id, self.key_secret, self.webhook_secret = shop["keys"]
        self.sdk = razorpay.Client(auth=(self.key_id, self.key_secret), base_url=self.gateway)

    def pays(self, order_id, **how):
        """A customer on the checkout page; what the page hands back."""
        body = {"order_id": order_id, "outcome": "captured", **how}
        answer = requests.post(f"{self.gateway}/checkout/pay", json=body, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def orders_and_payments(self):
        receipt = f"judge-{uuid.uuid4()}"[:40]
        wanted = {"amount": 50000, "currency": "INR", "receipt": receipt, "notes": {"for": "tea"}}
        order = self.sdk.order.create(wanted)
        assert order["status"] == "created" and order["amount_due"] == 50000, order
        assert self.sdk.order.fetch(order["id"])["receipt"] == receipt
        found = self.sdk.order.all({"receipt": receipt})
        assert [one["id"] for one in found["items"]] == [order["id"]], found
        proof = self.pays(order["id"])
        payment = self.sdk.payment.fetch(proof["razorpay_payment_id"])
        assert payment["status"] == "captured" and payment["order_id"] == order["id"], payment
        attempts = self.sdk.order.payments(order["id"])
        assert attempts["count"] == 1 and attempts["items"][0]["id"] == payment["id"], attempts
        assert self.sdk.order.fetch(order["id"])["status"] == "paid"
        now = int(time.time())
        listed = self.sdk.payment.all({"from": now - 600, "to": now + 600, "count": 100})
        assert payment["id"] in [one["id"] for one in listed["items"]]
        return payment

    def captures(self):
        by_hand = {"payment": {"capture": "manual"}}
        order = self.sdk.order.create({"amount": 70000, "currency": "INR", **by_hand})
        proof = self.pays(order["id"], outcome="authorized")
        payment = proof["razorpay_payment_id"]
        assert self.sdk.payment.fetch(payment)["status"] == "authorized"
        wrong = lambda: self.sdk.payment.capture(payment, 69999, {"currency": "INR"})
        refuses(BadRequestError, wrong)
        captured = self.sdk.payment.capture(payment, 70000, {"currency": "INR"})
        assert captured["status"] == "captured", captured
        again = lambda: self.sdk.payment.capture(payment, 70000, {"currency": "INR"})
        refuses(BadRequestError, again)

    def refunds(self, payment):
        key = {"X-Refund-Idempotency": f"judge-{uuid.uuid4()}"}
        refund = lambda: self.sdk.payment.refund(payment["id"], {"amount": 20000}, headers=key)
        first, again = refund(), refund()
        assert first["id"] == again["id"], "the key makes a repeat the same refund"
        listed = self.sdk.payment.fetch_multiple_refund(payment["id"])
        assert [one["id"] for one in listed["items"]] == [first["id"]], listed
        assert self.sdk.refund.fetch(first["id"])["amount"] == 20000
        too_much = lambda: self.sdk.payment.refund(payment["id"], {"amount": 30001})
        refuses(BadRequestError, too_much)
        day = datetime.datetime.now(datetime.timezone.utc)
        date = {"year": day.year, "month": f"{day.month:02}", "day": f"{day.day:02}"}
        lines = self.sdk.settlement.report({**date, "count": 100})
        lines = {one["entity_id"]: one for one in lines["items"]}
        assert lines[payment["id"]]["type"] == "payment", lines
        assert lines[first["id"]]["debit"] == 20000, lines

    def refusals(self):
        refuses(BadRequestError, lambda: self.sdk.order.fetch("order_00000000000000"))
        refuses(BadRequestError, lambda: self.sdk.order.create({"amount": 99, "currency": "INR"}))

    def our_signatures(self):
        order = self.sdk.order.create({"amount": 10000, "currency": "INR"})
        proof = self.pays(order["id"])
        assert self.sdk.utility.verify_payment_signature(proof)
        forged = {**proof, "razorpay_payment_id": "pay_00000000000000"}
        verify = self.sdk.utility.verify_payment_signature
        refuses(SignatureVerificationError, lambda: verify(forged))

    def our_webhooks(self):
        taken = queue.Queue()

        class Taker(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                taken.put((self.rfile.read(length), dict(self.headers.items())))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Taker)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        target = f"{self.gateway}/sandbox/webhook-url"
        requests.put(target, json={"url": url}, timeout=10).raise_for_status()
        order = self.sdk.order.create({"amount": 10000, "currency": "INR"})
        self.pays(order["id"])
        kinds = set()
        while not {"payment.captured", "order.paid"} <= kinds:
            body, headers = taken.get(timeout=PATIENCE_SECS)
            headers = {name.lower(): value for name, value in headers.items()}
            assert headers["x-razorpay-event-id"], "each event has its id"
            text, signature = body.decode(), headers["x-razorpay-signature"]
            verify = self.sdk.utility.verify_webhook_signature
            verify(text, signature, self.webhook_secret)
            refuses(SignatureVerificationError, lambda: verify(text + " ", signature, self.webhook_secret))
            kinds.add(json.loads(text)["event"])
        requests.put(target, json={"url": None}, timeout=10).raise_for_status()
        server.shutdown()

    def its_signatures(self):
        """Signatures that the SDK accepts are accepted by our API, made without a line of ours."""
        account = {"email": f"{uuid.uuid4()}@example.test", "password": "a long pass phrase"}
        post = lambda path, body, **headers: requests.post(
            f"{self.api}/api/v1/{path}", json=body, headers=headers, timeout=30
        )
        assert post("auth/register", account).status_code == 201
        token = post("auth/login", account).json()["data"]["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        lines = {"lines": [{"sku": "tea", "quantity": 1}]}
        placed = post("orders", lines, **bearer, **{"idempotency-key": f"key-{uuid.uuid4()}"})
        ours = placed.json()["data"]["order"]["order_id"]
        opened = until(
            "the payment is open",
            lambda: (answer := post("payments/create-session", {"order_id": ours}, **bearer)).ok
            and answer.json()["data"],
        )
        order = opened["gateway_order_id"]
        payment = self.pays(order)["razorpay_payment_id"]
        proof = {
            "razorpay_order_id": order,
            "razorpay_payment_id": payment,
            "razorpay_signature": signed(self.key_secret, f"{order}|{payment}"),
        }
        assert self.sdk.utility.verify_payment_signature(proof)
        settled = lambda: post("payments/verify", {"order_id": ours, **proof}, **bearer).json()
        until("the order is paid", lambda: settled()["data"]["order_status"] == "PAID")

        event = {"entity": "event", "event": "payment.captured"}
        entity = {"id": payment, "order_id": order}
        event["payload"] = {"payment": {"entity": entity}}
        text = json.dumps(event, indent=1)
        signature = signed(self.webhook_secret, text)
        self.sdk.utility.verify_webhook_signature(text, signature, self.webhook_secret)
        for body, status in [(text, 200), (text + "\n", 400)]:
            answer = requests.post(
                f"{self.api}/api/v1/webhooks/razorpay",
                data=body,
                headers={
                    "content-type": "application/json",
                    "x-razorpay-signature": signature,
                    "x-razorpay-event-id": str(uuid.uuid4()),
                },
                timeout=30,
            )
            assert answer.status_code == status, answer.text


def main():
    shop = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        judge = Judge(json.loads(shop.stdout.readline()))
        payment = judge.orders_and_payments()
        judge.captures()
        judge.refunds(payment)
        judge.refusals()
        judge.our_signatures()
        judge.its_signatures()
        judge.our_webhooks()
    finally:
        shop.stdin.close()
        shop.wait(timeout=PATIENCE_SECS)
    print("the gateway's SDK found nothing wrong")


if __name__ == "__main__":
    main()
