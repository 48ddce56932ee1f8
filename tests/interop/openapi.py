"""Schemathesis against a running shop, once for each kind of caller.

Usage: openapi.py OPEN_SHOP CASES SEED: the program that opens a shop, how many cases an operation, and
which.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import jsonschema_rs

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
]
# Streams never end while an order is open; a sign-in costs a hash, which is what the time goes to.
LEFT_OUT = ["/api/v1/orders/{id}/stream"]


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


def examples_fit(document):
    """That every example is what its schema says."""
    seen = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parts = list(operation["responses"].values())
            parts += [operation["requestBody"]] if "requestBody" in operation else []
            for part in parts:
                if "$ref" in part:
                    part = document["components"]["responses"][part["$ref"].rsplit("/", 1)[1]]
                for content in part.get("content", {}).values():
                    if "example" not in content:
                        continue
                    schema = {"components": document["components"], **content["schema"]}
                    errors = list(jsonschema_rs.Draft202012Validator(schema).iter_errors(content["example"]))
                    assert not errors, f"{method} {path}: {errors[0].message}: {content['example']}"
                    seen += 1
    assert seen > 50, seen
    return seen


def judged(shop, caller, only, cases, seed):
    """Whether Schemathesis finds nothing, as this caller."""
    here = pathlib.Path(__file__).resolve().parent
    command = [
        str(pathlib.Path(sys.executable).absolute().parent / "schemathesis"),
        "run", f"{shop['api']}/openapi.json",
        "--checks", ",".join(CHECKS),
        "--phases", "examples,coverage,fuzzing",
        "--max-examples", str(cases), "--seed", str(seed),
        "--header", f"Authorization: Bearer {shop['tokens'][caller]}",
        "--suppress-health-check", "all", "--warnings", "off", "--no-color",
        "--include-path-regex", only, "--continue-on-failure", "--request-timeout", "30",
    ]
    for path in LEFT_OUT:
        command += ["--exclude-path", path]
    print(f"== as {caller}", flush=True)
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "openapi_hooks",
        "PYTHONPATH": str(here),
        "OPEN_SHOP": json.dumps(shop),
        "OPEN_SHOP_SEED": str(seed),
    }
    # What it remembers of earlier runs would be sent again, under signatures of other shops.
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, env=environment, cwd=folder, check=False).returncode == 0


def main():
    program, cases, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as opened:
        shop = json.loads(opened.stdout.readline())
        document = get(f"{shop['api']}/openapi.json")
        print(f"{examples_fit(document)} examples are what their schemas say")
        fine = [
            judged(shop, "customer", "^/(api|livez|readyz|health|info|metrics|openapi)", cases, seed),
            judged(shop, "admin", "^/api/v1/(reconciliations|orders)", cases, seed),
            judged(shop, "service", "^/internal", cases, seed),
        ]
        assert get(f"{shop['api']}/livez") == {"status": "ok"}, "it is alive"
        log = pathlib.Path(shop["log"]).read_text()
        assert "panicked" not in log, "nothing panicked"
        assert "something went wrong on our side" not in log
        opened.stdin.close()
    if not all(fine):
        sys.exit("the API and its document do not agree")
    print("the API does what its document says")


if __name__ == "__main__":
    main()
