#!/usr/bin/env python
"""Makes the account by which servers follow MLflow's registry: it may read everything, and write nothing.

A server is what strangers reach: who breaks into one must not be able to move the champion. Run again, it only sets the
password, which is in ``READER_PASSWORD``; the administrator's is in ``TUNESMITH_TRACKING_URI``.
"""

import os
import sys

import httpx

READER = "reader"
USERS = "/api/2.0/mlflow/users"


def main() -> None:
    """Makes the account, or gives it its password again."""
    account = {"username": READER, "password": os.environ["READER_PASSWORD"]}
    address = httpx.URL(os.environ["TUNESMITH_TRACKING_URI"])
    administrator = (address.username, address.password)  # apart: httpx names the whole address in its errors
    with httpx.Client(base_url=address.copy_with(userinfo=b""), auth=administrator, timeout=30) as mlflow:
        found = mlflow.get(f"{USERS}/get", params={"username": READER})
        if found.is_success:
            done = mlflow.patch(f"{USERS}/update-password", json=account)
        else:
            done = mlflow.post(f"{USERS}/create", json=account)
    if not done.is_success:
        answer = f"{done.status_code} {done.text}"
        sys.exit(f"MLflow's server at {done.url.host} does not make the account '{READER}': {answer}")


if __name__ == "__main__":
    main()
